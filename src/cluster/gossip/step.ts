import type { Env } from '../env.ts';
import { type ScheduleStamp, sameAddrs, sameStamp } from '../member.ts';
import { type Edit, edit, type GossipEffect, isLive, put, remove, send } from './edit.ts';
import { addHost, joinTimers, settle } from './join.ts';
import { bury, hear, meet } from './membership.ts';
import type { GossipPacket } from './message.ts';
import { answered, notYet, probeDead, probeRound, probeTimers, relayPing } from './probe.ts';
import { draw } from './roster.ts';
import { spread, takeNews } from './rumours.ts';
import { hearSighting, sightings } from './sightings.ts';
import { earliestMs, type GossipState } from './state.ts';
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
  | { readonly kind: 'add-host'; readonly addr: string }
  /** This node's own addresses are others than before. */
  | { readonly kind: 'addresses'; readonly addr: string; readonly otherAddrs: readonly string[] }
  /** A scan was made and took so long. */
  | { readonly kind: 'scanned'; readonly tookMs: number }
  | { readonly kind: 'remote'; readonly on: boolean };

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
    case 'addresses':
      move(draft, event.addr, event.otherAddrs);
      break;
    case 'scanned':
      draft.state.scanMs = event.tookMs;
      break;
    default:
      event satisfies never;
  }
  if (draft.changed) draft.sends.push({ kind: 'changed' });
  draft.state.wakeMs = earliestMs(draft.state);
  return { state: draft.state, effects: draft.sends };
}

function tick(draft: Edit): void {
  const { state, env } = draft;
  probeTimers(draft);
  for (const [id, endMs] of state.suspects) if (endMs <= env.nowMs) bury(draft, id);
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
  for (const peer of draw(draft, state.config.spreadFanout, isLive)) {
    const news = takeNews(draft);
    if (news.length === 0) return;
    send(draft, peer.addr, { kind: 'news', news });
  }
}

function collect(draft: Edit): void {
  const { state, env } = draft;
  state.nextCollectMs = env.nowMs + state.config.collectIntervalMs;
  // Alone, their addresses are all that is left to go back by.
  if (state.live === 0) return;
  for (const peer of [...state.peers.values()]) {
    if (isLive(peer) || env.nowMs - peer.lastSignMs < state.config.forgetMs) continue;
    remove(draft, peer);
    draft.changed = true;
  }
}

function receive(draft: Edit, addr: string, packet: GossipPacket): void {
  const { state, env } = draft;
  const { me, message } = packet;
  if (me.id === state.self.id) return;
  const correction = meet(draft, packet, addr);
  settle(draft, addr);
  const tell = correction === null ? [] : [correction];
  switch (message.kind) {
    case 'ping': {
      for (const rumour of message.news) hear(draft, rumour);
      // Meant for a node that had our address before us.
      if (message.target !== null && message.target !== state.self.id) break;
      const news = takeNews(draft, tell);
      const seen = news.length === 0 ? sightings(draft, me.id) : [];
      send(draft, addr, { kind: 'ack', seq: message.seq, wallMs: env.wallMs, news, sightings: seen });
      return;
    }
    case 'ack':
      for (const rumour of message.news) hear(draft, rumour);
      for (const sighting of message.sightings) hearSighting(draft, sighting);
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
  put(draft, { ...peer, record, lastReportDirectMs: env.nowMs });
}

function announce(draft: Edit, schedule: ScheduleStamp | null, errors: number): void {
  const own = draft.state.self;
  if (sameStamp(own.schedule, schedule) && own.errors === errors) return;
  draft.state.self = { ...own, incarnation: own.incarnation + 1, schedule, errors };
  spread(draft, own.id);
}

function move(draft: Edit, addr: string, otherAddrs: readonly string[]): void {
  const own = draft.state.self;
  if (own.addr === addr && sameAddrs(own.otherAddrs, otherAddrs)) return;
  draft.state.self = { ...own, incarnation: own.incarnation + 1, addr, otherAddrs };
  draft.changed = true;
  spread(draft, own.id);
}

function tellOfRemote(draft: Edit, on: boolean): void {
  const { hasRemote = false, ...own } = draft.state.self;
  if (hasRemote === on) return;
  const told = { ...own, incarnation: own.incarnation + 1 };
  draft.state.self = on ? { ...told, hasRemote: true } : told;
  spread(draft, own.id);
}
