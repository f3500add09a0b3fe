import type { IdMapping, Mount } from '../native/container.ts';
import type { LogLevel } from './config/master-config.ts';

/** Where the program's stdout and stderr go. */
export interface OutputPlan {
  /** Host file, appended to. */
  readonly file: string;
  /** A file in the container instead, opened with the program's ids; null: none. */
  readonly inside: string | null;
  /** The host file is rotated at this size; null: never. */
  readonly mostBytes: number | null;
  /** Rotated files that are kept. */
  readonly files: number;
}

/** A listening TCP socket that the tree opens and keeps; the knot gets it at its start. */
export interface TreeSocket {
  readonly host: string;
  readonly port: number;
  /** Its number in the program. */
  readonly fd: number;
  readonly backlog: number;
  readonly reuseAddr: boolean;
  readonly reusePort: boolean;
  readonly nonBlock: boolean;
}

/** A network of the container's own. */
export interface NetworkPlan {
  /** Null: only `lo`. */
  readonly bridge: {
    readonly bridge: string;
    readonly outer: string;
    readonly inner: string;
    readonly address: string;
    readonly prefix: number;
    /** Null: no default route. */
    readonly gateway: string | null;
    readonly isolated: boolean;
  } | null;
  /** Run on the host's files and as the host's root, but in the container's network; empty: nothing. */
  readonly afterSetup: readonly string[];
}

/**
 * What a knot is told, without `state-dir` and `cgroup`, which the tree adds. The words are those of
 * native/knot/plan.cc.
 */
export interface KnotPlan {
  /** `SANDBOX/PROCESS.N`. */
  readonly name: string;
  readonly killTimeoutMs: number;
  readonly normalExitCodes: readonly number[];
  /** The knot's own messages. */
  readonly logFile: string;
  readonly logLevel: LogLevel;
  readonly output: OutputPlan;
  /** The program gets the caller's terminal; only for commands. */
  readonly interactive: boolean;
  /** Least time between two starts of the program in one container; null: the container ends with its program. */
  readonly restartInPlaceMs: number | null;
  /** Host folder that becomes `/`, read-only. */
  readonly root: string;
  readonly idMappedRoot: boolean;
  readonly hostname: string;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  /** Empty, like `gidMap`: no user namespace. */
  readonly uidMap: readonly IdMapping[];
  readonly gidMap: readonly IdMapping[];
  readonly mounts: readonly Mount[];
  /** Null: the host's network. */
  readonly network: NetworkPlan | null;
  /** Passed in this order from the knot's descriptor 3 on. */
  readonly treeSockets: readonly TreeSocket[];
  /** Opened in the container's network. */
  readonly ownSockets: readonly TreeSocket[];
  readonly capabilities: readonly string[];
  readonly seccomp: 'default' | 'off';
  readonly seccompAllow: readonly string[];
  /** RLIMIT_NOFILE, soft and hard. */
  readonly openFiles: number;
  /** The whole environment, in this order. */
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly argv: readonly string[];
}

const namespaces = ['mount', 'pid', 'ipc', 'uts', 'cgroup'] as const;
const firstPassedFd = 3;

/** The plan as words; joined by NUL they are the plan file. No word may hold a NUL: the config readers see to it. */
export function encodePlan(plan: KnotPlan): readonly string[] {
  const { output, restartInPlaceMs, network } = plan;
  return [
    ...['name', plan.name],
    ...['kill-timeout-ms', `${plan.killTimeoutMs}`],
    ...plan.normalExitCodes.flatMap((code) => ['normal-exit-code', `${code}`]),
    ...['log-file', plan.logFile, 'log-level', plan.logLevel],
    ...['output-file', output.file],
    ...(output.inside === null ? [] : ['output-inside', output.inside]),
    ...(output.mostBytes === null
      ? []
      : ['output-most-bytes', `${output.mostBytes}`, 'output-files', `${output.files}`]),
    ...(plan.interactive ? ['interactive'] : []),
    ...(restartInPlaceMs === null ? [] : ['restart-in-place-ms', `${restartInPlaceMs}`]),
    ...['root', plan.root],
    ...(plan.idMappedRoot ? ['idmapped-root'] : []),
    ...['hostname', plan.hostname],
    ...['cwd', plan.cwd],
    ...['uid', `${plan.uid}`],
    ...['gid', `${plan.gid}`],
    ...mapWords('uid-map', plan.uidMap),
    ...mapWords('gid-map', plan.gidMap),
    ...(plan.uidMap.length > 0 ? ['unshare', 'user'] : []),
    ...namespaces.flatMap((name) => ['unshare', name]),
    ...(network === null ? [] : ['unshare', 'net', ...networkWords(network)]),
    ...plan.treeSockets.flatMap(({ fd }, index) => ['pass-fd', `${firstPassedFd + index}`, `${fd}`]),
    ...plan.ownSockets.flatMap(socketWords),
    ...plan.mounts.flatMap(mountWords),
    ...['rlimit', 'nofile', `${plan.openFiles}`],
    ...plan.capabilities.flatMap((name) => ['keep-capability', name]),
    ...['seccomp', plan.seccomp],
    ...plan.seccompAllow.flatMap((name) => ['seccomp-allow', name]),
    'no-new-privileges',
    ...plan.env.flatMap(([name, value]) => ['env', `${name}=${value}`]),
    ...plan.argv.flatMap((word) => ['argv', word]),
  ];
}

const mapWords = (key: string, rows: readonly IdMapping[]): string[] =>
  rows.flatMap(({ inside, outside, count }) => [key, `${inside}`, `${outside}`, `${count}`]);

function networkWords({ bridge, afterSetup }: NetworkPlan): readonly string[] {
  const words = afterSetup.flatMap((word) => ['after-setup', word]);
  if (bridge === null) return words;
  const { bridge: name, outer, inner, address, prefix, gateway, isolated } = bridge;
  return ['network', name, outer, inner, address, `${prefix}`, gateway ?? '', isolated ? 'isolated' : 'open', ...words];
}

const socketWords = ({ host, port, fd, backlog, reuseAddr, reusePort, nonBlock }: TreeSocket): readonly string[] => [
  ...['listen', host, `${port}`, `${fd}`, `${backlog}`],
  reuseAddr ? 'reuse-addr' : 'no-reuse-addr',
  reusePort ? 'reuse-port' : 'no-reuse-port',
  nonBlock ? 'non-block' : 'block',
];

function mountWords(mount: Mount): readonly string[] {
  switch (mount.kind) {
    case 'bind': {
      const access = mount.readonly ? 'ro' : 'rw';
      return [
        ...['bind', mount.source, mount.target, access, mount.exec ? 'exec' : 'noexec'],
        ...(mount.base === undefined ? [] : ['beneath', mount.base]),
        ...(mount.devices === true ? ['devices'] : []),
        ...(mount.idMapped === true ? ['idmapped'] : []),
      ];
    }
    case 'tmpfs':
      return ['tmpfs', mount.target, `${mount.sizeBytes}`, mount.mode.toString(8)];
    case 'proc':
    case 'dev':
    case 'pts':
    case 'sys':
      return [mount.kind, mount.target];
    default:
      return mount satisfies never;
  }
}
