import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../../native/load.ts';

/** Keyrings of a distribution: ours, and what the host has. Only binary ones: gpgv reads no others. */
export function archiveKeyrings(kind: 'debian' | 'ubuntu'): readonly string[] {
  const folder = '/usr/share/keyrings';
  const pattern = new RegExp(`^${kind}-archive-.*\\.(gpg|pgp)$`);
  const ofHost = entries(folder).filter((name) => pattern.test(name) && !name.includes('removed'));
  return [join(packageRoot(), 'keys', `${kind}.gpg`), ...ofHost.map((name) => join(folder, name))];
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
