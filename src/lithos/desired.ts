import type { ConfigProblem } from '../config/problem.ts';

/** What the cgroup of an instance is to allow; null where the container asks for no limit. */
export interface InstanceLimits {
  readonly memoryBytes: number | null;
  /** cgroup v1 shares, 1024 is the usual part. */
  readonly cpuShares: number | null;
  /** Processes and threads together, pids.max. */
  readonly pids: number | null;
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
  /** To be done before every start, in this order. */
  readonly preparations: readonly Preparation[];
  /** As written in the process config. */
  readonly image: string;
  /** The least time between two starts. */
  readonly restartTimeoutMs: number;
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
