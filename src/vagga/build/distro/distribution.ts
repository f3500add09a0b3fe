import { existsSync, readFileSync } from 'node:fs';
import { pathInRoot } from '../root-path.ts';
import { osRelease } from './os-release.ts';

/** What a root is made of, as far as its packages matter. */
export type Distribution = AptDistribution | AlpineDistribution;

export interface AptDistribution {
  readonly kind: 'debian' | 'ubuntu';
  /** bookworm, noble … */
  readonly codename: string;
  /** Build-deps of this build, as apt names them: removed at its end. */
  readonly buildDeps: readonly string[];
  /** The lists of packages were brought up to date in this build, after its last change of repositories. */
  readonly updated: boolean;
}

export interface AlpineDistribution {
  readonly kind: 'alpine';
  /** v3.22 … or edge. */
  readonly version: string;
  readonly buildDeps: readonly string[];
}

/** The distribution of a root, whichever step made it (an archive, an image, another container); null: none that is known. */
export function detectDistribution(root: string): Distribution | null {
  const release = ['/etc/os-release', '/usr/lib/os-release']
    .map((path) => pathInRoot(root, path))
    .find((file) => existsSync(file));
  if (release === undefined) return null;
  const fields = osRelease(readFileSync(release, 'utf8'));
  const has = (path: string): boolean => existsSync(pathInRoot(root, path));
  const ids = [fields.get('ID') ?? '', ...(fields.get('ID_LIKE') ?? '').split(' ')];
  if (ids.includes('alpine')) {
    const version = /^(\d+\.\d+)\.\d+$/.exec(fields.get('VERSION_ID') ?? '')?.[1];
    return { kind: 'alpine', version: version === undefined ? 'edge' : `v${version}`, buildDeps: [] };
  }
  const kind = (['ubuntu', 'debian'] as const).find((id) => ids.includes(id));
  if (kind === undefined || !has('/usr/bin/apt-get')) return null;
  const codename = fields.get('VERSION_CODENAME') ?? fields.get('UBUNTU_CODENAME') ?? 'sid';
  return { kind, codename, buildDeps: [], updated: false };
}
