import { sample } from '../env.ts';
import { elsewhere, pingAddr } from './addresses.ts';
import { type Edit, isLive, put, send } from './edit.ts';
import { adjusted, stretched } from './health.ts';
import { accuse } from './membership.ts';
import { draw } from './roster.ts';
import { rumourOf, takeNews } from './rumours.ts';
import type { Peer } from './state.ts';

/** SWIM's failure detector: probe some, ask others to probe where no answer comes, suspect where none comes either. */
export function probeRound(draft: Edit): void {
  const { config, live } = draft.state;
  const count = Math.min(config.mostProbesPerRound, Math.ceil(live / config.peersPerProbe));
  for (let index = 0; index < count; index += 1) {
    const target = nextTarget(draft);
    if (target !== null) probe(draft, target);
  }
  draft.state.nextRoundMs = draft.env.nowMs + stretched(draft.state.health, config.probeIntervalMs);
}

/** Every living peer once a turn, in an order of chance (SWIM 4.3: bounds the time until a failure is found). */
function nextTarget(draft: Edit): string | null {
  const { state, env } = draft;
  for (let turns = 0; turns < 2; turns += 1) {
    while (state.turnDone < state.turn.length) {
      const id = state.turn[state.turnDone] as string;
      state.turnDone += 1;
      const peer = state.peers.get(id);
      if (peer !== undefined && isLive(peer)) return id;
    }
    state.turn = sample(env, state.roster, state.roster.length);
    state.turnDone = 0;
  }
  return null;
}

function probe(draft: Edit, target: string): void {
  const { state, env } = draft;
  const peer = state.peers.get(target);
  if (peer === undefined) return;
  state.seq += 1;
  const addr = pingAddr(draft, peer);
  state.probes.set(state.seq, {
    target,
    sentMs: env.nowMs,
    addr,
    phase: 'direct',
    deadlineMs: env.nowMs + stretched(state.health, state.config.probeTimeoutMs),
    failMs: env.nowMs + stretched(state.health, state.config.probeIntervalMs),
    nacksExpected: 0,
    nacks: 0,
  });
  ping(draft, peer, addr, state.seq);
}

/** Whoever is suspected or dead hears so first of all, that it may object. */
function ping(draft: Edit, peer: Peer, addr: string, seq: number): void {
  const { nowMs } = draft.env;
  put(draft, { ...peer, lastProbe: { atMs: nowMs, addr }, probesSent: peer.probesSent + 1 });
  const accusation = peer.record.liveness === 'alive' ? [] : [rumourOf(peer, nowMs)];
  send(draft, addr, { kind: 'ping', seq, target: peer.record.id, news: takeNews(draft, accusation) });
}

/** One knock at a dead peer's door: how a healed partition is noticed. */
export function probeDead(draft: Edit): void {
  const { state, env } = draft;
  state.nextDeadProbeMs = env.nowMs + state.config.deadProbeIntervalMs;
  if (state.live === state.roster.length) return;
  const dead = [...state.peers.values()].filter((peer) => !isLive(peer));
  const [chosen] = sample(env, dead, 1);
  if (chosen === undefined) return;
  state.seq += 1;
  ping(draft, chosen, pingAddr(draft, chosen), state.seq);
}

export function probeTimers(draft: Edit): void {
  const { state, env } = draft;
  for (const [seq, probe] of state.probes) {
    if (probe.deadlineMs > env.nowMs) continue;
    // A process that slept through both deadlines still owes the target its relays: our sleep is not its death.
    if (probe.phase === 'direct') askRelays(draft, seq);
    else fail(draft, seq);
  }
  for (const [seq, relay] of state.relays) {
    if (relay.endMs <= env.nowMs) {
      state.relays.delete(seq);
    } else if (relay.nackMs !== null && relay.nackMs <= env.nowMs) {
      send(draft, relay.askerAddr, { kind: 'nack', seq: relay.askerSeq });
      state.relays.set(seq, { ...relay, nackMs: null });
    }
  }
}

function askRelays(draft: Edit, seq: number): void {
  const { state, env } = draft;
  const probe = state.probes.get(seq);
  const target = probe === undefined ? undefined : state.peers.get(probe.target);
  if (probe === undefined || target === undefined) {
    state.probes.delete(seq);
    return;
  }
  const relays = draw(
    draft,
    state.config.indirectProbes,
    (peer) => peer.record.liveness === 'alive' && peer.record.id !== probe.target,
  );
  for (const relay of relays) {
    const news = takeNews(draft);
    send(draft, relay.addr, { kind: 'ping-request', seq, target: probe.target, targetAddr: target.addr, news });
  }
  // Its first address may be all that died: another one is asked at once, long before anybody is buried.
  const other = elsewhere(draft, target);
  if (other !== null) ping(draft, target, other, seq);
  const least = env.nowMs + state.config.probeIntervalMs - state.config.probeTimeoutMs;
  state.probes.set(seq, {
    ...probe,
    phase: 'indirect',
    deadlineMs: Math.max(probe.failMs, least),
    nacksExpected: relays.length,
  });
}

function fail(draft: Edit, seq: number): void {
  const { state } = draft;
  const probe = state.probes.get(seq);
  state.probes.delete(seq);
  if (probe === undefined) return;
  // Relays that said nothing at all point at our own hearing.
  const missed = probe.nacksExpected === 0 ? 1 : probe.nacksExpected - probe.nacks;
  state.health = adjusted(state.config, state.health, missed);
  const peer = state.peers.get(probe.target);
  // A packet of its own that came meanwhile is as good as the answer.
  if (peer === undefined || (peer.lastReportDirectMs ?? Number.NEGATIVE_INFINITY) > probe.sentMs) return;
  accuse(draft, probe.target, state.self.id, peer.record.incarnation);
}

export function answered(draft: Edit, from: string, seq: number, wallMs: number): void {
  const { state, env } = draft;
  const probe = state.probes.get(seq);
  if (probe !== undefined) {
    state.probes.delete(seq);
    state.health = adjusted(state.config, state.health, -1);
    const peer = state.peers.get(from);
    // Through a relay the time is the relay's too: no measure.
    if (peer !== undefined && probe.target === from && probe.phase === 'direct') {
      const tookMs = env.nowMs - probe.sentMs;
      const skewMs = Math.round(wallMs - (env.wallMs - tookMs / 2));
      put(draft, { ...peer, roundtrip: { atMs: env.nowMs, addr: probe.addr, tookMs }, skewMs });
    }
    return;
  }
  const relay = state.relays.get(seq);
  if (relay === undefined) return;
  state.relays.delete(seq);
  send(draft, relay.askerAddr, { kind: 'ack', seq: relay.askerSeq, wallMs, news: [], sightings: [] });
}

export function relayPing(draft: Edit, askerAddr: string, askerSeq: number, target: string, targetAddr: string): void {
  const { state, env } = draft;
  const peer = state.peers.get(target);
  state.seq += 1;
  state.relays.set(state.seq, {
    askerAddr,
    askerSeq,
    nackMs: env.nowMs + state.config.nackShare * (state.config.probeIntervalMs - state.config.probeTimeoutMs),
    endMs: env.nowMs + 2 * state.config.probeIntervalMs,
  });
  const addr = peer?.addr ?? targetAddr;
  const accusation = peer === undefined || peer.record.liveness === 'alive' ? [] : [rumourOf(peer, env.nowMs)];
  send(draft, addr, { kind: 'ping', seq: state.seq, target, news: takeNews(draft, accusation) });
}

export function notYet(draft: Edit, seq: number): void {
  const probe = draft.state.probes.get(seq);
  if (probe !== undefined)
    draft.state.probes.set(seq, { ...probe, nacks: Math.min(probe.nacksExpected, probe.nacks + 1) });
}
