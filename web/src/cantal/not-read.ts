export interface Unreadable {
  readonly what: string;
  readonly processes: number;
  readonly of: number;
  readonly needs: string;
}

/** What GET /status says of it. */
export interface NotRead {
  readonly unreadable?: readonly Unreadable[];
  readonly health: {
    /** By file of /proc/PID, or `cgroup`. */
    readonly denied?: Readonly<Record<string, { readonly count: number; readonly reason: string }>>;
  };
}

/** One line, or null: everything can be read. */
export function notReadWords({ unreadable = [], health: { denied = {} } }: NotRead): string | null {
  const rights = unreadable.map(
    ({ what, processes, of, needs }) => `${what} (${processes} of ${of} processes; it needs ${needs})`,
  );
  // Files of processes are in the line above.
  const groups = denied.cgroup === undefined ? [] : [`cgroups: ${denied.cgroup.count} (${denied.cgroup.reason})`];
  const all = [...rights, ...groups];
  return all.length === 0 ? null : `Not all can be read: ${all.join('; ')}`;
}
