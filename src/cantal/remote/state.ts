import type { WantedFilter } from './filter.ts';
import type { Beacon } from './message.ts';

/** The side that asks, as a machine: step.ts. Times are on the monotonic clock of Env unless they say wall. */

/** One outgoing connection; a socket's number is never used again. */
export type Link =
  | { readonly kind: 'waiting'; readonly untilMs: number }
  | { readonly kind: 'connecting'; readonly socket: number; readonly sinceMs: number }
  | {
      readonly kind: 'open';
      readonly socket: number;
      readonly heardMs: number;
      /** Filter → rows that were asked for. */
      readonly subscribed: ReadonlyMap<string, number>;
      /** Filter → why the peer, or this node's memory, does not have it. */
      readonly refused: ReadonlyMap<string, string>;
      /** The first message said who it is. */
      readonly known: boolean;
    };

export interface PeerLink {
  readonly id: string;
  readonly addr: string;
  /** Gossip does not call it dead. */
  readonly alive: boolean;
  readonly link: Link;
  /** How the newest attempt ended; null: none did. */
  readonly lastAttempt: { readonly wallMs: number; readonly reason: string } | null;
  readonly beacon: Beacon | null;
  readonly beaconWallMs: number | null;
  /** When it was last heard of, over any connection. */
  readonly heardMs: number | null;
}

export interface Wanted extends WantedFilter {
  readonly askedMs: number;
}

export interface RemoteState {
  /** Empty while off. */
  readonly peers: ReadonlyMap<string, PeerLink>;
  readonly members: readonly MemberAddr[];
  readonly wanted: ReadonlyMap<string, Wanted>;
  /** When somebody last wished it to be on, beside queries; null: never. */
  readonly startedMs: number | null;
  readonly on: boolean;
  readonly nextCleanMs: number;
  readonly nextSocket: number;
}

export interface MemberAddr {
  readonly id: string;
  readonly addr: string;
  readonly alive: boolean;
}

export const initialState: RemoteState = {
  peers: new Map(),
  members: [],
  wanted: new Map(),
  startedMs: null,
  on: false,
  nextCleanMs: Number.POSITIVE_INFINITY,
  nextSocket: 1,
};
