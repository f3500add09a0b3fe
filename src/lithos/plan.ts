import type { IdMapping, Mount } from '../native/container.ts';

/**
 * What a knot is told, without `state-dir` and `cgroup`, which the tree adds. The words are those of
 * native/knot/plan.cc.
 */
export interface KnotPlan {
  /** `SANDBOX/PROCESS.N`. */
  readonly name: string;
  readonly killTimeoutMs: number;
  readonly normalExitCodes: readonly number[];
  /** Host file for stdout and stderr, appended to. */
  readonly outputFile: string;
  /** Host folder that becomes `/`, read-only. */
  readonly root: string;
  readonly hostname: string;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  /** Empty, like `gidMap`: no user namespace. */
  readonly uidMap: readonly IdMapping[];
  readonly gidMap: readonly IdMapping[];
  readonly mounts: readonly Mount[];
  /** RLIMIT_NOFILE, soft and hard. */
  readonly openFiles: number;
  /** The whole environment, in this order. */
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly argv: readonly string[];
}

/** Every container has these of its own; the network stays the host's. */
const namespaces = ['mount', 'pid', 'ipc', 'uts', 'cgroup'] as const;

/** The plan as words; joined by NUL they are the plan file. No word may hold a NUL: the config readers see to it. */
export function encodePlan(plan: KnotPlan): readonly string[] {
  const user = plan.uidMap.length > 0;
  return [
    ...['name', plan.name],
    ...['kill-timeout-ms', `${plan.killTimeoutMs}`],
    ...plan.normalExitCodes.flatMap((code) => ['normal-exit-code', `${code}`]),
    ...['stdout-file', plan.outputFile],
    ...['stderr-file', plan.outputFile],
    ...['root', plan.root],
    ...['hostname', plan.hostname],
    ...['cwd', plan.cwd],
    ...['uid', `${plan.uid}`],
    ...['gid', `${plan.gid}`],
    ...mapWords('uid-map', plan.uidMap),
    ...mapWords('gid-map', plan.gidMap),
    ...(user ? ['unshare', 'user'] : []),
    ...namespaces.flatMap((name) => ['unshare', name]),
    ...plan.mounts.flatMap(mountWords),
    ...['rlimit', 'nofile', `${plan.openFiles}`],
    ...['seccomp', 'default'],
    'no-new-privileges',
    ...plan.env.flatMap(([name, value]) => ['env', `${name}=${value}`]),
    ...plan.argv.flatMap((word) => ['argv', word]),
  ];
}

const mapWords = (key: string, rows: readonly IdMapping[]): string[] =>
  rows.flatMap(({ inside, outside, count }) => [key, `${inside}`, `${outside}`, `${count}`]);

function mountWords(mount: Mount): readonly string[] {
  switch (mount.kind) {
    case 'bind': {
      const access = mount.readonly ? 'ro' : 'rw';
      return ['bind', mount.source, mount.target, access, mount.exec ? 'exec' : 'noexec'];
    }
    case 'tmpfs':
      return ['tmpfs', mount.target, `${mount.sizeBytes}`, mount.mode.toString(8)];
    case 'proc':
    case 'dev':
    case 'sys':
      return [mount.kind, mount.target];
    default:
      return mount satisfies never;
  }
}
