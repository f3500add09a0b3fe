import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureFolder } from '../../root-path.ts';

/** What holds for apt in a new root, in a build and later, whoever starts it. */
export function writeAptConfig(root: string): void {
  const lines = [
    'APT::Install-Recommends "false";',
    'APT::Install-Suggests "false";',
    'Acquire::Languages "none";',
    // Its own user cannot write to folders of the cache, which are the user's.
    'APT::Sandbox::User "root";',
    'APT::Keep-Downloaded-Packages "true";',
    // Other roots use the same lists while they are built.
    'APT::Get::List-Cleanup "false";',
  ];
  writeFileSync(join(ensureFolder(root, '/etc/apt/apt.conf.d'), '01vagga'), `${lines.join('\n')}\n`, { mode: 0o644 });
}
