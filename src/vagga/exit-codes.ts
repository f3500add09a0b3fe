/** Exit codes: vagga 5.1. A command's own code, or 128 + signal, comes through unchanged. */
export const exitCodes = {
  ok: 0,
  /** A step or something inside has failed; what `_clean` and `_verify` found. */
  failed: 1,
  /** The version cannot be known before a build. */
  notReady: 29,
  /** Build failed, no such command, bad options of a command, id maps. */
  launcher: 121,
  /** Bad arguments, or root where it is not wanted. */
  arguments: 122,
  /** A mount, a volume, a program that is not there. */
  container: 124,
  /** vagga.yaml, settings, environment. */
  config: 126,
  /** Nothing asked for, nothing to supervise, a child that cannot start. */
  nothing: 127,
} as const;
