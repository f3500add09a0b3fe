import type { Env } from '../env.ts';
import type { GossipMessage } from './message.ts';
import type { GossipState, Join, Peer, Probe, Relay } from './state.ts';

export type GossipEffect =
  | { readonly kind: 'send'; readonly addr: string; readonly message: GossipMessage }
  /** Members, their liveness or what they tell of themselves changed. */
  | { readonly kind: 'changed' };

/** One step in the making: a private copy of the state, so that the step may write while callers see only values. */
export interface Edit {
  readonly env: Env;
  readonly state: {
    -readonly [K in keyof GossipState]: GossipState[K];
  } & {
    readonly peers: Map<string, Peer>;
    readonly suspects: Set<string>;
    readonly probes: Map<number, Probe>;
    readonly relays: Map<number, Relay>;
    readonly rumours: Map<string, number>;
    readonly joins: Map<string, Join>;
  };
  readonly sends: GossipEffect[];
  changed: boolean;
}

export function edit(state: GossipState, env: Env): Edit {
  return {
    env,
    state: {
      ...state,
      peers: new Map(state.peers),
      suspects: new Set(state.suspects),
      probes: new Map(state.probes),
      relays: new Map(state.relays),
      rumours: new Map(state.rumours),
      joins: new Map(state.joins),
    },
    sends: [],
    changed: false,
  };
}

export function send(draft: Edit, addr: string, message: GossipMessage): void {
  draft.sends.push({ kind: 'send', addr, message });
}

export const isLive = (peer: Peer): boolean => peer.record.liveness !== 'dead';

/** Self included. */
export function liveSize(draft: Edit): number {
  let size = 1;
  for (const peer of draft.state.peers.values()) if (isLive(peer)) size += 1;
  return size;
}
