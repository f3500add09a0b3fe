export const logLevels = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof logLevels)[number];

/** master.yaml (lithos 2.1) with its defaults filled in; every path is absolute. */
export interface MasterConfig {
  /** The file that was read. */
  readonly path: string;
  readonly runtimeDir: string;
  readonly stateDir: string;
  readonly sandboxesDir: string;
  readonly processesDir: string;
  /** Folder below the tree's own cgroup; null: no cgroups, no limits. */
  readonly cgroupName: string | null;
  /** As written; empty means the tree's own list. `name` is the naming hierarchy of v1. */
  readonly cgroupControllers: readonly string[];
  readonly logDir: string;
  readonly logFile: string;
  readonly logLevel: LogLevel;
  /** History of process configs; null: none is kept. */
  readonly configLogDir: string | null;
  readonly limitsRequired: boolean;
  /** A file there is rotated at this size; null: never. */
  readonly stdioLogBytes: number | null;
  readonly stdioLogFiles: number;
  /** Folder whose devices are `/dev` of every container; null: each gets a private one. */
  readonly devfsDir: string | null;
  /** Messages go to syslog(3) instead of files; null: to files. */
  readonly syslog: { readonly facility: number; readonly name: string } | null;
  /** `SANDBOX.log` in it receives what the programs write to stdout and stderr. */
  readonly stdioLogDir: string;
  /** Host uids, besides root and the tree's own, that may use tree.sock. */
  readonly controlUsers: readonly number[];
}
