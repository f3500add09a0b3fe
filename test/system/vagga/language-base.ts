import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// A root with the package managers of languages, made of this machine's own files: no mirror is asked.

const wanted = ['bash', 'coreutils', 'dash', 'sed', 'grep', 'findutils', 'tar', 'git', 'ca-certificates', 'unzip'];
const languages = ['python3', 'python3-pip-whl', 'ruby', 'bundler', 'composer', 'php-cli'];

/** Why there can be no such root; null: there can. */
export function missingForLanguages(): string | null {
  if (spawnSync('sh', ['-c', 'command -v dpkg-query apt-cache npm']).status !== 0) {
    return 'needs a Debian with npm';
  }
  const absent = [...wanted, ...languages].filter((name) => !isInstalled(name));
  return absent.length === 0 ? null : `missing: apt-get install ${absent.join(' ')}`;
}

const isInstalled = (name: string): boolean =>
  output(['dpkg-query', '--show', `--showformat=\${db:Status-Status}`, name]) === 'installed';

/** Packs it to `file`, uncompressed. */
export function packLanguageBase(file: string): void {
  const kinds = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const closure = output(['apt-cache', 'depends', '--recurse', '--installed', ...kinds, ...wanted, ...languages])
    .split('\n')
    .filter((line) => /^[a-z0-9]/.test(line));
  const owned = output(['dpkg-query', '--listfiles', ...new Set(closure)])
    .split('\n')
    .filter((line) => line.startsWith('/') && line !== '/.' && !/^\/usr\/share\/(doc|man|locale|info)\//.test(line));
  // What packages make when they are set up.
  const alternatives = readdirSync('/usr/bin')
    .map((name) => join('/usr/bin', name))
    .filter((path) => linkTo(path)?.startsWith('/etc/alternatives/') === true);
  const made = ['/etc/alternatives', '/etc/php', '/etc/ssl/certs'].flatMap((folder) =>
    output(['find', folder]).split('\n'),
  );
  const paths = [...owned, ...alternatives, ...made].filter((path) => existsSync(path)).map((path) => path.slice(1));

  const extra = mkdtempSync(join(tmpdir(), 'language-base-'));
  try {
    for (const folder of ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'usr/local/bin', 'tmp', 'etc']) {
      mkdirSync(join(extra, folder), { recursive: true });
    }
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(extra, name));
    // The node and npm of this machine, wherever they are.
    mkdirSync(join(extra, 'usr/local/lib/node_modules'), { recursive: true });
    const npm = realpathSync(output(['sh', '-c', 'command -v npm']));
    spawnSync('cp', ['-a', join(npm, '../..'), join(extra, 'usr/local/lib/node_modules/npm')]);
    spawnSync('cp', [process.execPath, join(extra, 'usr/local/bin/node')]);
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(extra, 'usr/local/bin/npm'));
    writeFileSync(join(extra, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(join(extra, 'etc/group'), 'root:x:0:\n');
    const listed = join(extra, '.list');
    writeFileSync(listed, [...new Set(paths)].join('\n'));
    const own = ['-C', extra, 'bin', 'sbin', 'lib', 'lib64', 'usr', 'tmp', 'etc'];
    const packed = spawnSync(
      'tar',
      ['--owner=0', '--group=0', '-cf', file, ...own, '-C', '/', '--no-recursion', `--files-from=${listed}`],
      { encoding: 'utf8' },
    );
    if (packed.status !== 0) throw new Error(`tar: ${packed.stderr}`);
  } finally {
    rmSync(extra, { recursive: true, force: true });
  }
}

function linkTo(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function output([program = '', ...args]: readonly string[]): string {
  return spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 }).stdout.trim();
}
