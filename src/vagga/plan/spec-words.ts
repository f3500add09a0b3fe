import type { ContainerSpec, Filling, Mount } from '../../native/container.ts';

export type Words = { readonly words: readonly string[] } | { readonly problem: string };

/** What a spec of a command must be for the words to say all of it: native/vagga takes the rest for granted. */
const granted = {
  writableRoot: [undefined, false],
  rlimits: [{}],
  noNewPrivileges: [false],
  seccomp: ['off'],
  cgroups: [[]],
  stdio: [[0, 1, 2]],
  init: [true],
} as const satisfies Partial<Record<keyof ContainerSpec, readonly unknown[]>>;

/** Said in words, or found anew for each command line. */
const said = [
  ...['argv', 'programs', 'env', 'cwd', 'root', 'namespaces', 'uidMap', 'gidMap', 'uid', 'gid', 'umask', 'mounts'],
  ...['supplementaryGroups', 'keepCapabilities'],
] as readonly (keyof ContainerSpec)[];

/** As native/vagga/plan.cc reads it. A spec that has more than these words can say is a problem. */
export function specWords(spec: ContainerSpec): Words {
  for (const [key, value] of Object.entries(spec)) {
    if (said.includes(key as keyof ContainerSpec)) continue;
    const allowed: readonly unknown[] = Object.hasOwn(granted, key)
      ? granted[key as keyof typeof granted]
      : [undefined];
    if (!allowed.some((each) => JSON.stringify(each) === JSON.stringify(value)))
      return { problem: `its ${key} is unusual` };
  }
  const { user, mount, pid, ipc, uts, cgroup, net, ...others } = spec.namespaces;
  if (!user || !mount || !pid || !ipc || uts || cgroup || Object.keys(others).length > 0) {
    return { problem: 'its namespaces are unusual' };
  }
  if (spec.root === undefined) return { problem: 'it has no root' };
  const words = [
    ...['root', spec.root, 'program-uid', `${spec.uid}`, 'program-gid', `${spec.gid}`],
    ...spec.argv.flatMap((word) => ['argv', word]),
    ...(spec.supplementaryGroups ?? []).flatMap((gid) => ['group', `${gid}`]),
    ...(['uid', 'gid'] as const).flatMap((kind) =>
      spec[`${kind}Map`].flatMap(({ inside, outside, count }) => [
        `${kind}-map`,
        `${inside}`,
        `${outside}`,
        `${count}`,
      ]),
    ),
    ...spec.keepCapabilities.flatMap((name) => ['keep-capability', name]),
    ...(net ? ['isolate-network'] : []),
  ];
  for (const entry of spec.mounts) {
    const mount = mountWords(entry);
    if (mount === null) return { problem: `a mount at ${entry.target} is unusual` };
    words.push(...mount);
  }
  return { words };
}

function mountWords(entry: Mount | Filling): readonly string[] | null {
  const { target } = entry;
  const only = (...keys: readonly string[]): boolean =>
    Object.entries(entry).every(([key, value]) => ['kind', 'target', ...keys].includes(key) || value === undefined);
  const octal = (mode: number): string => mode.toString(8);
  const owner = ({ uid, gid }: { readonly uid?: number; readonly gid?: number }): readonly string[] => [
    ...(uid === undefined ? ['as-it-is'] : ['owner', `${uid}`]),
    ...(gid === undefined ? ['as-it-is'] : ['group', `${gid}`]),
  ];
  switch (entry.kind) {
    case 'bind': {
      if (!only('source', 'readonly', 'exec', 'devices')) return null;
      const flags = [entry.readonly ? 'ro' : 'rw', entry.exec ? 'exec' : 'noexec', entry.devices ? 'devices' : 'nodev'];
      return ['bind', target, entry.source, ...flags];
    }
    case 'tmpfs':
      if (!only('sizeBytes', 'mode', 'sealed')) return null;
      return ['tmpfs', target, `${entry.sizeBytes}`, octal(entry.mode), entry.sealed ? 'sealed' : 'open'];
    case 'proc':
      return only('unmasked') ? ['proc', target, entry.unmasked ? 'unmasked' : 'masked'] : null;
    case 'dev':
    case 'pts':
    case 'sys':
      return only() ? [entry.kind, target] : null;
    case 'folder':
      return only('mode', 'uid', 'gid') ? ['make-folder', target, octal(entry.mode), ...owner(entry)] : null;
    case 'file': {
      const text = entry.text === undefined ? ['no-text'] : ['text', entry.text];
      return only('mode', 'text') ? ['make-file', target, octal(entry.mode), ...text] : null;
    }
    case 'copy':
      return only('source', 'uid', 'gid') ? ['copy', target, entry.source, ...owner(entry)] : null;
    default:
      return null; // what has no words yet is left to Node
  }
}
