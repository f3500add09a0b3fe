import type { NodeRecord, Rumour } from '../member.ts';
import { seenFrom } from './addresses.ts';
import type { Edit } from './edit.ts';
import type { Peer } from './state.ts';

/** Upper bound of a rumour's bytes in a packet: its texts, and what FlatBuffers adds to them at most. */
export const rumourBytes = (rumour: Rumour): number =>
  recordBytes(rumour) + (rumour.seenAt === null ? 0 : 12 + Buffer.byteLength(rumour.seenAt));

function recordBytes(record: NodeRecord): number {
  const texts =
    Buffer.byteLength(record.addr) +
    Buffer.byteLength(record.hostname) +
    Buffer.byteLength(record.name) +
    Buffer.byteLength(record.version);
  const addresses = record.otherAddrs.length === 0 ? 0 : 32 + 16 * record.otherAddrs.length;
  return 150 + texts + addresses + (record.schedule === null ? 0 : 72 + Buffer.byteLength(record.schedule.hash));
}

export function rumourOf(peer: Peer, nowMs: number): Rumour {
  const { record, suspicion } = peer;
  return {
    id: record.id,
    addr: record.addr,
    otherAddrs: record.otherAddrs,
    hostname: record.hostname,
    name: record.name,
    version: record.version,
    incarnation: record.incarnation,
    liveness: record.liveness,
    schedule: record.schedule,
    errors: record.errors,
    accuser: record.liveness === 'suspect' ? (suspicion?.accusers.at(-1) ?? null) : null,
    silentMs: Math.max(0, Math.round(nowMs - peer.lastSignMs)),
    seenAt: seenFrom(peer),
  };
}

const rumourOfSelf = (record: NodeRecord): Rumour => ({ ...record, accuser: null, silentMs: 0, seenAt: null });

/** The record of `id`, if others are told of it. Long-silent nodes are not passed on (spec/cantal.md 6.3: fail). */
export function toldAbout(draft: Edit, id: string): NodeRecord | null {
  const { config, peers, self } = draft.state;
  if (id === self.id) return self;
  const peer = peers.get(id);
  if (peer === undefined) return null;
  const failing = peer.record.liveness === 'dead' && draft.env.nowMs - peer.lastSignMs >= config.failMs;
  return failing ? null : peer.record;
}

/** What is held of `id`, to tell others. */
export function rumourAbout(draft: Edit, id: string): Rumour | null {
  const { peers, self } = draft.state;
  if (toldAbout(draft, id) === null) return null;
  if (id === self.id) return rumourOfSelf(self);
  const peer = peers.get(id);
  return peer === undefined ? null : rumourOf(peer, draft.env.nowMs);
}

/** From now on, tell of it as of something new. */
export function spread(draft: Edit, id: string): void {
  if (draft.state.rumours.size === 0) draft.state.nextSpreadMs = draft.env.nowMs + draft.state.config.spreadIntervalMs;
  draft.state.rumours.set(id, 0);
}

/**
 * The news for one packet: least-told first, within the budget; each is counted, and dropped when told often enough.
 * `first` goes in whatever was told before.
 */
export function takeNews(draft: Edit, first: readonly Rumour[] = []): Rumour[] {
  const { config, rumours, peers } = draft.state;
  const news = [...first];
  if (rumours.size === 0) return news;
  let room = config.newsBudgetBytes - first.reduce((sum, rumour) => sum + rumourBytes(rumour), 0);
  const most = config.retransmitMult * Math.ceil(Math.log10(peers.size + 2));
  for (const [id, told] of leastTold(rumours, Math.ceil(config.newsBudgetBytes / fewestRumourBytes))) {
    const rumour = rumourAbout(draft, id);
    if (rumour === null) {
      rumours.delete(id);
      continue;
    }
    const bytes = rumourBytes(rumour);
    if (bytes > room && news.length > 0) break;
    room -= bytes;
    if (!first.some((other) => other.id === id)) news.push(rumour);
    if (told + 1 >= most) rumours.delete(id);
    else rumours.set(id, told + 1);
  }
  return news;
}

/** Of the least told ones as many as one packet may hold; a cluster that starts has hundreds of them. */
function leastTold(rumours: ReadonlyMap<string, number>, count: number): (readonly [string, number])[] {
  const least: (readonly [string, number])[] = [];
  for (const rumour of rumours) {
    if (least.length === count && rumour[1] >= (least[count - 1]?.[1] ?? 0)) continue;
    let at = Math.min(least.length, count - 1);
    while (at > 0 && (least[at - 1]?.[1] ?? 0) > rumour[1]) {
      least[at] = least[at - 1] as readonly [string, number];
      at -= 1;
    }
    least[at] = rumour;
  }
  return least;
}

const fewestRumourBytes = 150;

/** Cuts a long list into packets of one frame each. */
export function inFrames(draft: Edit, all: readonly Rumour[]): Rumour[][] {
  const frames: Rumour[][] = [];
  let frame: Rumour[] = [];
  let bytes = 0;
  for (const rumour of all) {
    const more = rumourBytes(rumour);
    if (frame.length > 0 && bytes + more > draft.state.config.newsBudgetBytes) {
      frames.push(frame);
      frame = [];
      bytes = 0;
    }
    frame.push(rumour);
    bytes += more;
  }
  if (frame.length > 0) frames.push(frame);
  return frames;
}
