import type { Env } from '../env.ts';
import { sample } from '../env.ts';
import { type ScheduleStamp, sameStamp } from '../member.ts';
import { type Edit, edit, type GossipEffect, isLive, send } from './edit.ts';
import { addHost, joinTimers, settle } from './join.ts';
import { bury, hear, meet } from './membership.ts';
import type { GossipPacket } from './message.ts';
import { answered, notYet, probeDead, probeRound, probeTimers, relayPing } from './probe.ts';
import { spread, takeNews } from './rumours.ts';
import { type GossipState, gossipWakeMs } from './state.ts';
import { deadlineMs } from './suspicion.ts';
import { answerDigest, answerWant, compareViews } from './sync.ts';

export type GossipEvent =
  | { readonly kind: 'tick' }
  /** `addr`: where it came from. */
  | { readonly kind: 'packet'; readonly addr: string; readonly packet: GossipPacket }
  /** An authentic packet of a known node that is not gossip: a sign of life, and its newest stamp if it told one. */
  | {
      readonly kind: 'heard';
      readonly id: string;
      readonly schedule: ScheduleStamp | null;
      readonly errors: number | null;
    }
  | { readonly kind: 'announce'; readonly schedule: ScheduleStamp | null; readonly errors: number }
  | { readonly kind: 'remote'; readonly on: boolean }
  | { readonly kind: 'add-host'; readonly addr: string };

export interface GossipStep {
  readonly state: GossipState;
  readonly effects: readonly GossipEffect[];
}

export function stepGossip(state: GossipState, event: GossipEvent, env: Env): GossipStep {
  const draft = edit(state, env);
  switch (event.kind) {
    case 'tick':
      tick(draft);
      break;
    case 'packet':
      receive(draft, event.addr, event.packet);
      break;
    case 'heard':
      heard(draft, event.id, event.schedule, event.errors);
      break;
    case 'announce':
      announce(draft, event.schedule, event.errors);
      break;
    case 'remote':
      tellOfRemote(draft, event.on);
      break;
    case 'add-host':
      addHost(draft, event.addr);
      break;
    default:
      event satisfies never;
  }
  if (draft.changed) draft.sends.push({ kind: 'changed' });
  return { state: draft.state, effects: draft.sends };
}

export function wakeMs(state: GossipState): number {
  return gossipWakeMs(state, (id) => {
    const suspicion = state.peers.get(id)?.suspicion ?? null;
    return suspicion === null ? Number.POSITIVE_INFINITY : deadlineMs(suspicion);
  });
}

function tick(draft: Edit): void {
  const { state, env } = draft;
  probeTimers(draft);
  for (const id of [...state.suspects]) {
    const suspicion = state.peers.get(id)?.suspicion ?? null;
    if (suspicion === null) state.suspects.delete(id);
    else if (deadlineMs(suspicion) <= env.nowMs) bury(draft, id);
  }
  joinTimers(draft);
  if (state.nextRoundMs <= env.nowMs) probeRound(draft);
  if (state.nextDeadProbeMs <= env.nowMs) probeDead(draft);
  if (state.nextSyncMs <= env.nowMs) compareViews(draft);
  if (state.nextCollectMs <= env.nowMs) collect(draft);
  if (state.nextSpreadMs <= env.nowMs) tellSome(draft);
}

function tellSome(draft: Edit): void {
  const { state, env } = draft;
  state.nextSpreadMs = env.nowMs + state.config.spreadIntervalMs;
  if (state.rumours.size === 0) return;
  const live = [...state.peers.values()].filter(isLive);
  for (const peer of sample(env, live, state.config.spreadFanout)) {
    const news = takeNews(draft);
    if (news.length === 0) return;
    send(draft, peer.record.addr, { kind: 'news', news });
  }
}

function collect(draft: Edit): void {
  const { state, env } = draft;
  state.nextCollectMs = env.nowMs + state.config.collectIntervalMs;
  for (const peer of [...state.peers.values()]) {
    if (isLive(peer) || env.nowMs - peer.lastSignMs < state.config.forgetMs) continue;
    state.peers.delete(peer.record.id);
    state.rumours.delete(peer.record.id);
    draft.changed = true;
  }
}

function receive(draft: Edit, addr: string, packet: GossipPacket): void {
  const { state, env } = draft;
  const { me, message } = packet;
  if (me.id === state.self.id) return;
  const correction = meet(draft, me);
  settle(draft, addr);
  const tell = correction === null ? [] : [correction];
  switch (message.kind) {
    case 'ping':
      for (const rumour of message.news) hear(draft, rumour);
      // Meant for a node that had our address before us.
      if (message.target !== null && message.target !== state.self.id) break;
      send(draft, addr, { kind: 'ack', seq: message.seq, wallMs: env.wallMs, news: takeNews(draft, tell) });
      return;
    case 'ack':
      for (const rumour of message.news) hear(draft, rumour);
      answered(draft, me.id, message.seq, message.wallMs);
      break;
    case 'ping-request':
      for (const rumour of message.news) hear(draft, rumour);
      relayPing(draft, addr, message.seq, message.target, message.targetAddr);
      break;
    case 'nack':
      notYet(draft, message.seq);
      break;
    case 'news':
      for (const rumour of message.news) hear(draft, rumour);
      break;
    case 'digest':
      answerDigest(draft, addr, message.from, message.to, message.entries);
      break;
    case 'want':
      answerWant(draft, addr, message.ids);
      break;
    default:
      message satisfies never;
  }
  // Only to what a timer sent: two nodes that correct each other's answers would never end.
  const answer = message.kind === 'ack' || message.kind === 'nack' || message.kind === 'news';
  if (tell.length > 0 && !answer) send(draft, addr, { kind: 'news', news: tell });
}

function heard(draft: Edit, id: string, schedule: ScheduleStamp | null, errors: number | null): void {
  const { state, env } = draft;
  const peer = state.peers.get(id);
  if (peer === undefined) return;
  const record = {
    ...peer.record,
    schedule: schedule ?? peer.record.schedule,
    errors: errors ?? peer.record.errors,
  };
  if (!sameStamp(record.schedule, peer.record.schedule) || record.errors !== peer.record.errors) draft.changed = true;
  state.peers.set(id, { ...peer, record, lastReportDirectMs: env.nowMs });
}

function announce(draft: Edit, schedule: ScheduleStamp | null, errors: number): void {
  const own = draft.state.self;
  if (sameStamp(own.schedule, schedule) && own.errors === errors) return;
  draft.state.self = { ...own, incarnation: own.incarnation + 1, schedule, errors };
  spread(draft, own.id);
}

function tellOfRemote(draft: Edit, on: boolean): void {
  const { hasRemote = false, ...own } = draft.state.self;
  if (hasRemote === on) return;
  const told = { ...own, incarnation: own.incarnation + 1 };
  draft.state.self = on ? { ...told, hasRemote: true } : told;
  spread(draft, own.id);
}
