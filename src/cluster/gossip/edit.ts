import type { Env } from '../env.ts';
import type { GossipMessage } from './message.ts';
import { place } from './roster.ts';
import type { GossipState, Join, Peer, Probe, Relay } from './state.ts';
import { VersionedMap } from './versioned-map.ts';

export type GossipEffect =
  | { readonly kind: 'send'; readonly addr: string; readonly message: GossipMessage }
  /** Members, their liveness or what they tell of themselves changed. */
  | { readonly kind: 'changed' }
  /** A node calls itself by another name than before: somebody renamed it, or two machines share an id. */
  | { readonly kind: 'renamed'; readonly id: string; readonly from: string; readonly to: string };

/** One step in the making: a private copy of the state, so that the step may write while callers see only values. */
export interface Edit {
  readonly env: Env;
  readonly state: {
    -readonly [K in keyof GossipState]: GossipState[K];
  } & {
    readonly peers: VersionedMap<string, Peer>;
    readonly suspects: VersionedMap<string, number>;
    readonly probes: VersionedMap<number, Probe>;
    readonly relays: VersionedMap<number, Relay>;
    readonly rumours: VersionedMap<string, number>;
    readonly joins: VersionedMap<string, Join>;
  };
  readonly sends: GossipEffect[];
  changed: boolean;
}

export function edit(state: GossipState, env: Env): Edit {
  return {
    env,
    state: {
      ...state,
      peers: VersionedMap.fork(state.peers),
      suspects: VersionedMap.fork(state.suspects),
      probes: VersionedMap.fork(state.probes),
      relays: VersionedMap.fork(state.relays),
      rumours: VersionedMap.fork(state.rumours),
      joins: VersionedMap.fork(state.joins),
    },
    sends: [],
    changed: false,
  };
}

export function send(draft: Edit, addr: string, message: GossipMessage): void {
  draft.sends.push({ kind: 'send', addr, message });
}

export const isLive = (peer: Peer): boolean => peer.record.liveness !== 'dead';

/** Puts a peer in place of what was held of it: the only way in, as the roster and the count of the living follow. */
export function put(draft: Edit, peer: Peer): void {
  const { state } = draft;
  const { id } = peer.record;
  const held = state.peers.get(id);
  if (held === undefined) {
    const at = place(state.roster, id);
    state.roster = [...state.roster.slice(0, at), id, ...state.roster.slice(at)];
  }
  state.live += (isLive(peer) ? 1 : 0) - (held !== undefined && isLive(held) ? 1 : 0);
  state.peers.set(id, peer);
}

export function remove(draft: Edit, peer: Peer): void {
  const { state } = draft;
  const { id } = peer.record;
  if (!state.peers.delete(id)) return;
  const at = place(state.roster, id);
  state.roster = [...state.roster.slice(0, at), ...state.roster.slice(at + 1)];
  if (isLive(peer)) state.live -= 1;
  state.rumours.delete(id);
  state.suspects.delete(id);
}

/** Self included. */
export const liveSize = (draft: Edit): number => draft.state.live + 1;
