/** Newest stamp of a schedule as it travels between nodes (spec/verwalter.md 4.1). */
export interface ScheduleStamp {
  /** Milliseconds since the epoch on its maker's clock. */
  readonly timestamp: number;
  readonly hash: string;
  /** Id of the leader that made it. */
  readonly origin: string;
}

export type Liveness = 'alive' | 'suspect' | 'dead';

/** What a node says of itself, and others of it. Only the node itself ever raises its incarnation. */
export interface NodeRecord {
  /** 32 hex digits: the machine id. */
  readonly id: string;
  /** "ip:port", "[ip6]:port" of UDP and HTTP: where it says that it is. */
  readonly addr: string;
  /** Its other addresses with the same port, at most seven (wire/bounds.ts); tried where the first fails. */
  readonly otherAddrs: readonly string[];
  /** Short name, key in schedules. */
  readonly hostname: string;
  readonly name: string;
  readonly version: string;
  /** Orders the words about one node: a higher one was said later, and by the node itself. */
  readonly incarnation: number;
  readonly liveness: Liveness;
  readonly schedule: ScheduleStamp | null;
  /** Its errors and failed roles. */
  readonly errors: number;
  /** It holds connections to the others for queries about the whole cluster (spec/cantal.md 6.5). Absent: no. */
  readonly hasRemote?: true;
}

/** A word about a node as it is passed on. */
export interface Rumour extends NodeRecord {
  /** Who suspects it, so that independent suspicions can be counted; null unless suspect. */
  readonly accuser: string | null;
  /** For how long the teller has known of no sign of life, in milliseconds: an age, as clocks differ. */
  readonly silentMs: number;
  /** Where the teller has its packets from, if that is none of its own addresses (behind a NAT); null otherwise. */
  readonly seenAt: string | null;
}

/** Of two words with one incarnation the worse is the later one. */
export const gravity: Readonly<Record<Liveness, number>> = { alive: 0, suspect: 1, dead: 2 };

export function sameStamp(a: ScheduleStamp | null, b: ScheduleStamp | null): boolean {
  if (a === null || b === null) return a === b;
  return a.timestamp === b.timestamp && a.hash === b.hash && a.origin === b.origin;
}

export const sameAddrs = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((addr, index) => addr === b[index]);

/** Says the same of the node, incarnation and liveness aside. */
export function sameContent(a: NodeRecord, b: NodeRecord): boolean {
  return (
    a.addr === b.addr &&
    sameAddrs(a.otherAddrs, b.otherAddrs) &&
    a.hostname === b.hostname &&
    a.name === b.name &&
    a.version === b.version &&
    a.errors === b.errors &&
    a.hasRemote === b.hasRemote &&
    sameStamp(a.schedule, b.schedule)
  );
}
