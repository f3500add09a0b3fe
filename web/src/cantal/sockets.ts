import { shownName } from './cgroup-name.ts';
import type { Process } from './process-tree.ts';

/** GET /all_sockets (spec cantal 4.5). */
export interface SocketTable {
  readonly global: Stats;
  readonly by_user: Readonly<Record<string, Stats>>;
  readonly passive: PortsByUser;
  readonly active: PortsByUser;
}

export interface Stats {
  readonly by_state: Readonly<Record<string, number>>;
  readonly tx_queue: number;
  readonly rx_queue: number;
}

export interface Socket {
  readonly protocol?: string;
  readonly local_address: string;
  readonly remote_address: string;
  readonly state: string;
}

export interface Port {
  readonly stats: Stats;
  /** Null: more than 1000. */
  readonly listeners?: readonly Socket[] | null;
  readonly clients?: readonly Socket[] | null;
  readonly connections?: readonly Socket[] | null;
}

export type PortsByUser = Readonly<Record<string, Readonly<Record<string, Port>>>>;

export interface PortRow {
  /** One of its table. */
  readonly id: string;
  readonly uid: string;
  readonly port: string;
  readonly held: Port;
}

/** Of one user, or of all, in the order of the ports. */
export function portRows(kind: string, users: PortsByUser, uid: string | null): PortRow[] {
  return Object.entries(users)
    .filter(([owner]) => uid === null || owner === uid)
    .flatMap(([owner, ports]) =>
      Object.entries(ports).map(([port, held]) => ({ uid: owner, port, held, id: `${kind}-${owner}-${port}` })),
    )
    .sort((a, b) => Number(a.port) - Number(b.port) || Number(a.uid) - Number(b.uid));
}

/** Beyond these a table of ports is no help: each connection to elsewhere may have a port of its own. */
export const mostPorts = 200;

/** Those with the most sockets, in the order that they had. */
export function busiest(rows: readonly PortRow[], most = mostPorts): readonly PortRow[] {
  if (rows.length <= most) return rows;
  const kept = new Set([...rows].sort((a, b) => totalOf(b.held.stats) - totalOf(a.held.stats)).slice(0, most));
  return rows.filter((row) => kept.has(row));
}

export const countOf = ({ by_state }: Stats, state: string): number => by_state[state] ?? 0;
export const totalOf = ({ by_state }: Stats): number => Object.values(by_state).reduce((sum, count) => sum + count, 0);

/** Where it listens, or whom it asks: some of them in words. */
export function placesOf({ listeners, connections }: Port, most = 4): string {
  const places = [
    ...new Set(
      (listeners ?? connections ?? []).map((socket) =>
        listeners ? `${socket.protocol ?? 'tcp'} ${socket.local_address}` : socket.remote_address,
      ),
    ),
  ];
  if (places.length === 0) return listeners ? 'connections that were accepted' : '';
  const rest = places.length - most;
  return places.slice(0, most).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** What stands for a user in a line: the control groups of its processes, of others the programs. */
const mostNames = 5;

/** The most frequent first; kernel threads are nobody's choice. */
export function runsOf(processes: readonly Process[]): string {
  const counts = new Map<string, number>();
  for (const process of processes) {
    if (process.cmdline === '') continue;
    const name = process.cgroup === null ? process.name : shownName(process.cgroup);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const names = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const words = names.slice(0, mostNames).map(([name, count]) => (count > 1 ? `${name} ×${count}` : name));
  return words.join(', ') + (names.length > mostNames ? ` and ${names.length - mostNames} more` : '');
}
