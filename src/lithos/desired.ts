import type { ConfigProblem } from '../config/problem.ts';

/** What the cgroup of an instance is to allow; null where the container asks for no limit. */
export interface InstanceLimits {
  readonly memoryBytes: number | null;
  /** cgroup v1 shares, 1024 is the usual part. */
  readonly cpuShares: number | null;
  /** Processes and threads together, pids.max. */
  readonly pids: number | null;
}

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
  /** Something of these could not be read or is refused: what runs of them goes on in its last good state. */
  readonly brokenSandboxes: readonly string[];
}
