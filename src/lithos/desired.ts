import type { ConfigProblem } from '../config/problem.ts';
import type { TreeSocket } from './plan.ts';

/** What the cgroup of an instance is to allow; null where the container asks for no limit. */
export interface InstanceLimits {
  readonly memoryBytes: number | null;
  /** From here on the kernel slows the container down and takes memory back: memory.high, v2 only. */
  readonly memoryHighBytes: number | null;
  /** cgroup v1 shares, 1024 is the usual part. */
  readonly cpuShares: number | null;
  /** Cores at the most, as 1.5. */
  readonly cpuCores: number | null;
  /** Processes and threads together, pids.max. */
  readonly pids: number | null;
  /** 1 to 10000, 100 is the usual part: io.weight. */
  readonly ioWeight: number | null;
  /** By block device: io.max. */
  readonly ioMax: readonly DeviceLimit[];
}

/** A block device and what its users may do with it per second; null: no limit. */
export interface DeviceLimit {
  readonly device: string;
  readonly readBytes: number | null;
  readonly writeBytes: number | null;
  readonly reads: number | null;
  readonly writes: number | null;
}

/** Sealed until the start; never shown. */
export interface SecretEnvironment {
  readonly keyFile: string;
  readonly namespaces: readonly string[];
  /** By name: ciphertexts of which the first that opens counts. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/**
 * What the host has to hold before a start, made by `prepareInstance`. Ids are the host's, paths absolute.
 *
 * - `file`: written anew, `copyFrom` (where there is one) and then `append`.
 * - `folder`: made if it is absent, with what leads to it below `base`; `fresh`: emptied first.
 * - `beneath`: from `base` to `path` there is no symbolic link, which a container could have planted.
 */
export type Preparation =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly copyFrom: string | null;
      readonly append: string;
      readonly mode: number;
    }
  | {
      readonly kind: 'folder';
      readonly base: string;
      readonly path: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly fresh: boolean;
    }
  | { readonly kind: 'beneath'; readonly base: string; readonly path: string };

/** One container that is to run. */
export interface DesiredInstance {
  /** `SANDBOX/PROCESS.N`, N from 0. */
  readonly name: string;
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
  /** Byte-stable (lithos 2.3): its equality says that a running container is the wanted one. */
  readonly instanceJson: string;
  /** The knot's plan, except `state-dir` and `cgroup`, which the tree adds. */
  readonly planWords: readonly string[];
  /** Of its sandbox: what the knot has to tell. */
  readonly logFile: string;
  /** Opened by the tree before the start, and kept while it is wanted. */
  readonly sockets: readonly TreeSocket[];
  /** Null: it has none. */
  readonly secrets: SecretEnvironment | null;
  /** To be done before every start, in this order. */
  readonly preparations: readonly Preparation[];
  /** As written in the process config. */
  readonly image: string;
  /** The least time between two starts. */
  readonly restartTimeoutMs: number;
  /** While it ends again soon after each start, the time between two starts doubles up to here. */
  readonly restartTimeoutMaxMs: number;
  /** The knot starts the program again by itself. */
  readonly restartsInPlace: boolean;
  /** From SIGTERM to SIGKILL. */
  readonly killTimeoutMs: number;
  readonly limits: InstanceLimits;
  /** Folder name below the tree's cgroup: `SANDBOX:PROCESS.N.scope`. */
  readonly cgroupLeaf: string;
}

/** What the files ask for at one moment. */
export interface DesiredState {
  readonly instances: readonly DesiredInstance[];
  readonly problems: readonly ConfigProblem[];
  /**
   * Something of these could not be read or is refused. Instances of them that are listed above are wanted all the same;
   * those that are not listed go on in their last good state.
   */
  readonly brokenSandboxes: readonly string[];
}
