import { type Env, uniform } from '../../cluster/env.ts';
import type { Loss } from '../../http/peer-socket.ts';
import type { WantedFilter } from './filter.ts';
import { limits } from './limits.ts';
import type { Reply, Request, Stats } from './message.ts';
import type { Link, MemberAddr, PeerLink, RemoteState, Wanted } from './state.ts';

export type RemoteEvent =
  | { readonly kind: 'tick' }
  /** A query that mirrors can answer. */
  | { readonly kind: 'ask'; readonly filters: readonly WantedFilter[] }
  /** Somebody wishes connections before the first query. */
  | { readonly kind: 'start' }
  | { readonly kind: 'members'; readonly members: readonly MemberAddr[] }
  | { readonly kind: 'opened'; readonly id: string; readonly socket: number }
  | { readonly kind: 'lost'; readonly id: string; readonly socket: number; readonly why: Loss; readonly reason: string }
  | { readonly kind: 'message'; readonly id: string; readonly socket: number; readonly message: Reply }
  /** What came cannot be read, or does not fit what came before. */
  | { readonly kind: 'damaged'; readonly id: string; readonly socket: number; readonly reason: string }
  /** The mirrors are full. */
  | { readonly kind: 'too-much'; readonly id: string; readonly filter: string };

export type RemoteEffect =
  | { readonly kind: 'connect'; readonly id: string; readonly addr: string; readonly socket: number }
  | { readonly kind: 'close'; readonly socket: number }
  | { readonly kind: 'send'; readonly socket: number; readonly request: Request }
  | {
      readonly kind: 'merge';
      readonly id: string;
      readonly socket: number;
      readonly stats: Stats;
      readonly intervalMs: number;
    }
  /** Mirrors that nobody needs: of a peer, of a filter, of one filter at one peer. */
  | { readonly kind: 'forget'; readonly id: string | null; readonly filter: string | null }
  /** What gossip is to say. */
  | { readonly kind: 'remote'; readonly on: boolean };

export interface RemoteStep {
  readonly state: RemoteState;
  readonly effects: readonly RemoteEffect[];
}

interface Draft {
  readonly env: Env;
  readonly state: { -readonly [K in keyof RemoteState]: RemoteState[K] } & {
    peers: Map<string, PeerLink>;
    wanted: Map<string, Wanted>;
  };
  readonly out: RemoteEffect[];
}

export function step(before: RemoteState, event: RemoteEvent, env: Env): RemoteStep {
  const state = { ...before, peers: new Map(before.peers), wanted: new Map(before.wanted) };
  const draft: Draft = { env, state, out: [] };
  switch (event.kind) {
    case 'tick':
      break;
    case 'ask':
      turnOn(draft);
      for (const filter of event.filters) want(draft, filter);
      break;
    case 'start':
      turnOn(draft);
      state.startedMs = env.nowMs;
      break;
    case 'members':
      state.members = event.members;
      if (state.on) follow(draft);
      break;
    case 'opened':
      opened(draft, event.id, event.socket);
      break;
    case 'lost':
      if (linkOf(draft, event.id, event.socket) !== null) lose(draft, event.id, event.why, event.reason);
      break;
    case 'damaged': {
      if (linkOf(draft, event.id, event.socket) === null) break;
      draft.out.push({ kind: 'close', socket: event.socket });
      // It may be of another version: it is not asked again at once, and for ever.
      lose(draft, event.id, 'refused', event.reason);
      break;
    }
    case 'message':
      receive(draft, event.id, event.socket, event.message);
      break;
    case 'too-much':
      tooMuch(draft, event.id, event.filter);
      break;
    default:
      event satisfies never;
  }
  timers(draft);
  return { state, effects: draft.out };
}

/** When the next step is due if nothing happens before. */
export function remoteWakeMs(state: RemoteState): number {
  if (!state.on) return Number.POSITIVE_INFINITY;
  let wake = state.nextCleanMs;
  const full = connecting(state) >= limits.mostConnecting;
  for (const { link, alive } of state.peers.values()) {
    switch (link.kind) {
      case 'waiting':
        if (alive && !full) wake = Math.min(wake, link.untilMs);
        break;
      case 'connecting':
        wake = Math.min(wake, link.sinceMs + limits.handshakeMs);
        break;
      case 'open':
        wake = Math.min(wake, link.heardMs + limits.silenceMs);
        break;
      default:
        link satisfies never;
    }
  }
  return wake;
}

function connecting({ peers }: Pick<RemoteState, 'peers'>): number {
  let count = 0;
  for (const { link } of peers.values()) if (link.kind === 'connecting') count += 1;
  return count;
}

function turnOn(draft: Draft): void {
  const { state, env } = draft;
  if (state.on) return;
  state.on = true;
  state.nextCleanMs = env.nowMs + limits.cleanMs;
  draft.out.push({ kind: 'remote', on: true });
  follow(draft);
}

/** The peers are what gossip says: new ones are connected to, those with another address again, those that left no more. */
function follow(draft: Draft): void {
  const { state, env } = draft;
  const members = new Map(state.members.slice(0, limits.mostPeers).map((member) => [member.id, member]));
  for (const [id, { link }] of state.peers) {
    if (members.has(id)) continue;
    hangUp(draft, link);
    state.peers.delete(id);
    draft.out.push({ kind: 'forget', id, filter: null });
  }
  const soon = (): Link => ({ kind: 'waiting', untilMs: env.nowMs + between(env, limits.firstDelayMs) });
  for (const { id, addr, alive } of members.values()) {
    const peer = state.peers.get(id);
    if (peer === undefined) {
      const empty = { lastAttempt: null, beacon: null, beaconWallMs: null, heardMs: null };
      state.peers.set(id, { id, addr, alive, link: soon(), ...empty });
    } else if (peer.addr !== addr) {
      hangUp(draft, peer.link);
      state.peers.set(id, { ...peer, addr, alive, link: soon() });
    } else if (peer.alive !== alive) {
      const link = alive && peer.link.kind === 'waiting' ? soon() : peer.link;
      state.peers.set(id, { ...peer, alive, link });
    }
  }
}

function hangUp(draft: Draft, link: Link): void {
  if (link.kind !== 'waiting') draft.out.push({ kind: 'close', socket: link.socket });
}

function want(draft: Draft, filter: WantedFilter): void {
  const { state, env } = draft;
  const known = state.wanted.get(filter.id);
  const samples = Math.max(filter.samples, known?.samples ?? 0);
  state.wanted.set(filter.id, { ...filter, samples, askedMs: env.nowMs });
  if (known !== undefined && known.samples === samples) return;
  for (const peer of state.peers.values()) subscribe(draft, peer, filter.id);
}

function subscribe(draft: Draft, peer: PeerLink, id: string): void {
  const { link } = peer;
  const wanted = draft.state.wanted.get(id);
  if (link.kind !== 'open' || wanted === undefined || link.refused.has(id)) return;
  if (!link.subscribed.has(id) && link.subscribed.size >= limits.mostFilters) return;
  // What was missed since the connection before is part of the first chunk.
  const { heardMs, beacon } = peer;
  const missed =
    heardMs === null || beacon === null || beacon.interval <= 0
      ? 0
      : Math.ceil((draft.env.nowMs - heardMs) / beacon.interval) + 2;
  const samples = Math.min(limits.mostSamples, Math.max(wanted.samples, missed));
  draft.out.push({
    kind: 'send',
    socket: link.socket,
    request: { kind: 'subscribe', filter: id, text: wanted.text, samples },
  });
  const subscribed = new Map(link.subscribed).set(id, wanted.samples);
  draft.state.peers.set(peer.id, { ...peer, link: { ...link, subscribed } });
}

/** The peer whose newest socket this is; null for one that is over already. */
function linkOf(draft: Draft, id: string, socket: number): PeerLink | null {
  const peer = draft.state.peers.get(id);
  if (peer === undefined || peer.link.kind === 'waiting' || peer.link.socket !== socket) return null;
  return peer;
}

function opened(draft: Draft, id: string, socket: number): void {
  const peer = linkOf(draft, id, socket);
  if (peer === null || peer.link.kind !== 'connecting') return;
  const link: Link = {
    ...{ kind: 'open', socket, heardMs: draft.env.nowMs, known: false },
    ...{ subscribed: new Map(), refused: new Map() },
  };
  draft.state.peers.set(id, { ...peer, link });
}

function lose(draft: Draft, id: string, why: Loss, reason: string): void {
  const { state, env } = draft;
  const peer = state.peers.get(id);
  if (peer === undefined) return;
  const link: Link = { kind: 'waiting', untilMs: env.nowMs + between(env, limits.retryMs[why]) };
  state.peers.set(id, { ...peer, link, lastAttempt: { wallMs: env.wallMs, reason } });
}

function receive(draft: Draft, id: string, socket: number, message: Reply): void {
  const { state, env } = draft;
  const peer = linkOf(draft, id, socket);
  if (peer === null || peer.link.kind !== 'open') return;
  const { link } = peer;
  const heard = { ...peer, heardMs: env.nowMs, link: { ...link, heardMs: env.nowMs } };
  switch (message.kind) {
    case 'beacon': {
      const { beacon } = message;
      if (beacon.id !== id) {
        draft.out.push({ kind: 'close', socket });
        lose(draft, id, 'refused', `another node is there: ${beacon.id}`);
        return;
      }
      const connected = { wallMs: env.wallMs, reason: 'connected' };
      const told = { ...heard, beacon, beaconWallMs: env.wallMs, link: { ...heard.link, known: true } };
      state.peers.set(id, link.known ? told : { ...told, lastAttempt: connected });
      // Only who said who it is, is asked; `heardMs` of before tells what was missed.
      if (!link.known) {
        for (const filter of state.wanted.keys()) {
          const now = state.peers.get(id);
          if (now !== undefined) subscribe(draft, { ...now, heardMs: peer.heardMs }, filter);
        }
        const asked = state.peers.get(id);
        if (asked !== undefined) state.peers.set(id, { ...asked, heardMs: env.nowMs });
      }
      return;
    }
    case 'stats':
      state.peers.set(id, heard);
      // What was under way when we unsubscribed is for nobody.
      if (link.subscribed.has(message.stats.filter)) {
        const intervalMs = peer.beacon?.interval ?? 0;
        draft.out.push({ kind: 'merge', id, socket, stats: message.stats, intervalMs });
      }
      return;
    case 'refusal': {
      const { filter, reason } = message;
      const subscribed = new Map(link.subscribed);
      const asked = subscribed.delete(filter);
      const refused = asked ? new Map(link.refused).set(filter, reason) : link.refused;
      state.peers.set(id, { ...heard, link: { ...heard.link, subscribed, refused } });
      if (asked) draft.out.push({ kind: 'forget', id, filter });
      return;
    }
    default:
      message satisfies never;
  }
}

function tooMuch(draft: Draft, id: string, filter: string): void {
  const peer = draft.state.peers.get(id);
  if (peer === undefined || peer.link.kind !== 'open' || !peer.link.subscribed.has(filter)) return;
  const subscribed = new Map(peer.link.subscribed);
  subscribed.delete(filter);
  const refused = new Map(peer.link.refused).set(filter, 'the mirrors of this node are full');
  draft.state.peers.set(id, { ...peer, link: { ...peer.link, subscribed, refused } });
  draft.out.push({ kind: 'send', socket: peer.link.socket, request: { kind: 'unsubscribe', filter } });
  draft.out.push({ kind: 'forget', id, filter });
}

function timers(draft: Draft): void {
  const { state, env } = draft;
  if (!state.on) return;
  if (state.nextCleanMs <= env.nowMs) clean(draft);
  if (!state.on) return;
  const due: PeerLink[] = [];
  for (const peer of [...state.peers.values()]) {
    const { link } = peer;
    if (link.kind === 'connecting' && env.nowMs - link.sinceMs >= limits.handshakeMs) {
      draft.out.push({ kind: 'close', socket: link.socket });
      lose(draft, peer.id, 'timeout', 'it did not answer the handshake');
    } else if (link.kind === 'open' && env.nowMs - link.heardMs >= limits.silenceMs) {
      draft.out.push({ kind: 'close', socket: link.socket });
      lose(draft, peer.id, 'reset', `silent for ${limits.silenceMs / 1000} s`);
    } else if (link.kind === 'waiting' && peer.alive && link.untilMs <= env.nowMs) due.push(peer);
  }
  let under = connecting(state);
  for (const peer of due.sort((a, b) => waitsUntil(a) - waitsUntil(b))) {
    if (under >= limits.mostConnecting) return;
    under += 1;
    const socket = state.nextSocket;
    state.nextSocket += 1;
    state.peers.set(peer.id, { ...peer, link: { kind: 'connecting', socket, sinceMs: env.nowMs } });
    draft.out.push({ kind: 'connect', id: peer.id, addr: peer.addr, socket });
  }
}

const waitsUntil = ({ link }: PeerLink): number => (link.kind === 'waiting' ? link.untilMs : 0);

/** What nobody asked for lately is let go; with nothing left, everything. */
function clean(draft: Draft): void {
  const { state, env } = draft;
  state.nextCleanMs = env.nowMs + limits.cleanMs;
  const old = (sinceMs: number): boolean => env.nowMs - sinceMs >= limits.keepSubscriptionMs;
  for (const [filter, { askedMs }] of state.wanted) {
    if (!old(askedMs)) continue;
    state.wanted.delete(filter);
    for (const [id, peer] of state.peers) {
      if (peer.link.kind !== 'open') continue;
      const subscribed = new Map(peer.link.subscribed);
      const refused = new Map(peer.link.refused);
      refused.delete(filter);
      if (subscribed.delete(filter)) {
        draft.out.push({ kind: 'send', socket: peer.link.socket, request: { kind: 'unsubscribe', filter } });
      }
      state.peers.set(id, { ...peer, link: { ...peer.link, subscribed, refused } });
    }
    draft.out.push({ kind: 'forget', id: null, filter });
  }
  if (state.wanted.size > 0 || (state.startedMs !== null && !old(state.startedMs))) return;
  for (const { link } of state.peers.values()) hangUp(draft, link);
  state.peers = new Map();
  state.startedMs = null;
  state.on = false;
  state.nextCleanMs = Number.POSITIVE_INFINITY;
  draft.out.push({ kind: 'forget', id: null, filter: null });
  draft.out.push({ kind: 'remote', on: false });
}

const between = (env: Env, [least, most]: readonly [number, number]): number => uniform(env, least, most);
