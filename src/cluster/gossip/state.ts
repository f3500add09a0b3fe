import type { Env } from '../env.ts';
import { uniform } from '../env.ts';
import type { NodeRecord } from '../member.ts';
import type { GossipConfig } from './config.ts';
import type { Report } from './message.ts';
import type { Suspicion } from './suspicion.ts';

/** What we know of another node. Times are on the monotonic clock of Env. */
export interface Peer {
  readonly record: NodeRecord;
  /** Where its last direct packet came from; until there is one, where it is said to be. Packets to it go there. */
  readonly addr: string;
  /** Where a friend last saw its packets come from, if that is none of the addresses that it tells. */
  readonly seenAt: string | null;
  readonly knownSinceMs: number;
  /** Last packet from itself; null: never. */
  readonly lastReportDirectMs: number | null;
  /** Last sign of life, its own or told by others: ages from here until it is forgotten. */
  readonly lastSignMs: number;
  readonly lastProbe: { readonly atMs: number; readonly addr: string } | null;
  readonly probesSent: number;
  readonly pingsReceived: number;
  readonly pongsReceived: number;
  readonly roundtrip: { readonly atMs: number; readonly addr: string; readonly tookMs: number } | null;
  /** Somebody else's round trip to it, the newest that we were told. */
  readonly hearsayRoundtrip: { readonly atMs: number; readonly tookMs: number } | null;
  /** Its own figures, by itself or by others: the newest. */
  readonly report: (Report & { readonly atMs: number }) | null;
  /** Its clock minus ours, measured at the last ack. */
  readonly skewMs: number | null;
  /** Only while suspect. */
  readonly suspicion: Suspicion | null;
}

export interface Probe {
  readonly target: string;
  readonly sentMs: number;
  readonly addr: string;
  readonly phase: 'direct' | 'indirect';
  /** When the phase ends: then relays are asked, or the target is suspected. */
  readonly deadlineMs: number;
  readonly failMs: number;
  readonly nacksExpected: number;
  readonly nacks: number;
}

/** A ping that we sent on behalf of another. */
export interface Relay {
  readonly askerAddr: string;
  readonly askerSeq: number;
  /** Null: already said. */
  readonly nackMs: number | null;
  readonly endMs: number;
}

/** An address without a known node behind it. */
export interface Join {
  readonly addr: string;
  /** From the configuration: never given up. */
  readonly seed: boolean;
  readonly attempts: number;
  readonly delayMs: number;
  readonly nextMs: number;
}

export interface GossipState {
  readonly config: GossipConfig;
  readonly self: NodeRecord;
  /** Of the newest scan; null: none yet. */
  readonly scanMs: number | null;
  readonly peers: ReadonlyMap<string, Peer>;
  /** Ids of all peers, sorted: what chance and digests pick from. */
  readonly roster: readonly string[];
  /** How many of the peers are not dead. */
  readonly live: number;
  /** Ids of suspects, and when each is buried unless somebody speaks for it. */
  readonly suspects: ReadonlyMap<string, number>;
  /** Lifeguard's local health, 0 = well. */
  readonly health: number;
  readonly seq: number;
  readonly probes: ReadonlyMap<number, Probe>;
  readonly relays: ReadonlyMap<number, Relay>;
  /** Shuffled ids to probe in this turn, and how many of them had theirs. */
  readonly turn: readonly string[];
  readonly turnDone: number;
  /** Ids with news about them, and how often each was sent. */
  readonly rumours: ReadonlyMap<string, number>;
  readonly joins: ReadonlyMap<string, Join>;
  /** Whom to compare views with next, because we have just met. */
  readonly syncWith: string | null;
  readonly nextRoundMs: number;
  readonly nextSpreadMs: number;
  readonly nextSyncMs: number;
  readonly nextDeadProbeMs: number;
  readonly nextCollectMs: number;
  /** When the next step is due if nothing arrives before. */
  readonly wakeMs: number;
}

export function startGossip(config: GossipConfig, self: NodeRecord, seeds: readonly string[], env: Env): GossipState {
  const [least, most] = config.joinFirstMs;
  const joins = new Map<string, Join>();
  for (const addr of seeds) {
    if (addr === self.addr || self.otherAddrs.includes(addr)) continue;
    joins.set(addr, { addr, seed: true, attempts: 0, delayMs: most, nextMs: env.nowMs + uniform(env, least, most) });
  }
  return {
    config,
    self,
    scanMs: null,
    peers: new Map(),
    roster: [],
    live: 0,
    suspects: new Map(),
    health: 0,
    seq: 0,
    probes: new Map(),
    relays: new Map(),
    turn: [],
    turnDone: 0,
    rumours: new Map(),
    joins,
    syncWith: null,
    // Spread over the interval: nodes started together must not probe together.
    nextRoundMs: env.nowMs + uniform(env, 0, config.probeIntervalMs),
    nextSpreadMs: env.nowMs,
    nextSyncMs: env.nowMs + uniform(env, 0.5, 1.5) * config.syncIntervalMs,
    nextDeadProbeMs: env.nowMs + uniform(env, 0, config.deadProbeIntervalMs),
    nextCollectMs: env.nowMs + config.collectIntervalMs,
    wakeMs: env.nowMs,
  };
}

/** The earliest of all timers. */
export function earliestMs(state: Omit<GossipState, 'wakeMs'>): number {
  let wake = Math.min(state.nextRoundMs, state.nextSyncMs, state.nextDeadProbeMs, state.nextCollectMs);
  if (state.rumours.size > 0 && state.live > 0) wake = Math.min(wake, state.nextSpreadMs);
  for (const probe of state.probes.values()) wake = Math.min(wake, probe.deadlineMs);
  for (const relay of state.relays.values()) wake = Math.min(wake, relay.nackMs ?? relay.endMs);
  for (const join of state.joins.values()) wake = Math.min(wake, join.nextMs);
  for (const endMs of state.suspects.values()) wake = Math.min(wake, endMs);
  return wake;
}
