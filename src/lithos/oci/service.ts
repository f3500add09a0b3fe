import { lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { resolveInView } from '../../config/view.ts';
import type { ImageConfig } from '../../oci/layout.ts';
import { placeIn } from '../../oci/place.ts';

/** Where lithos finds how to run an image that does not say it itself. */
export const servicePath = '/config/image.yaml';

const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Writes a container config (lithos 2.4) made from what the image says of itself, unless one is there. A text says why
 * there is none.
 */
export function writeService(root: string, config: ImageConfig): string | null {
  const view = { root, mounts: new Map() };
  if (resolveInView(view, servicePath).kind === 'found') return null;
  const [program, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (program === undefined) return 'the image names no program';
  const env = new Map(
    (config.Env ?? []).map((each) => [each.split('=', 1)[0] ?? '', each.slice(each.indexOf('=') + 1)]),
  );
  const executable = findProgram(view, program, env.get('PATH') ?? usualPath);
  if (executable === null) return `its program ${program} is not in it`;
  const ids = idsOf(view, config.User ?? '');
  const text = stringify({
    kind: 'CommandOrDaemon',
    executable,
    ...(args.length === 0 ? {} : { arguments: args }),
    ...(env.size === 0 ? {} : { environ: Object.fromEntries(env) }),
    ...(config.WorkingDir === undefined || config.WorkingDir === '' ? {} : { workdir: config.WorkingDir }),
    ...ids,
  });
  const place = placeIn(root, ['config', 'image.yaml'], true);
  if (place === null) return 'it has no place for /config';
  if (lstatSync(place, { throwIfNoEntry: false }) !== undefined)
    return `its ${servicePath} is a link that leads nowhere`;
  mkdirSync(root, { recursive: true });
  writeFileSync(place, `# From the config of the image, by lithos image import.\n${text}`, {
    mode: 0o644,
    flag: 'wx',
  });
  return null;
}

type View = Parameters<typeof resolveInView>[0];

function findProgram(view: View, program: string, path: string): string | null {
  const candidates = program.includes('/') ? [program] : path.split(':').map((folder) => `${folder}/${program}`);
  for (const candidate of candidates) {
    const found = candidate.startsWith('/') ? resolveInView(view, candidate) : null;
    if (found?.kind === 'found' && found.stats.isFile() && (found.stats.mode & 0o111) !== 0) return candidate;
  }
  return null;
}

/** `USER[:GROUP]`, numbers or names of the image's own passwd(5) and group(5). */
function idsOf(view: View, user: string): Readonly<Record<string, number>> {
  const [name = '', group] = user.split(':');
  if (name === '') return {};
  const row = rowOf(view, '/etc/passwd', name);
  const uid = /^\d+$/.test(name) ? name : row?.[2];
  const gid = group === undefined ? row?.[3] : /^\d+$/.test(group) ? group : rowOf(view, '/etc/group', group)?.[2];
  return {
    ...(uid === undefined ? {} : { 'user-id': Number(uid) }),
    ...(gid === undefined ? {} : { 'group-id': Number(gid) }),
  };
}

function rowOf(view: View, file: string, name: string): readonly string[] | null {
  const found = resolveInView(view, file);
  if (found.kind !== 'found' || !found.stats.isFile()) return null;
  const rows = readFileSync(found.host, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  return rows.find(([own, , id]) => own === name || id === name) ?? null;
}
