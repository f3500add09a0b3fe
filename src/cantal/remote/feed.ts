import type { Labels } from '../query/dataset.ts';
import { fulfils } from '../query/label-index.ts';
import type { Rule } from '../query/rule.ts';
import type { NumberKind, Sample } from '../query/sample.ts';
import type { SeriesSource } from '../query/source.ts';
import { encodeReply } from './encode.ts';
import { limits } from './limits.ts';
import type { SeriesKey, StateRow } from './message.ts';
import { encodeRows } from './rows.ts';

/**
 * What one filter selects here, for all who subscribed to it: what is new is written down once, however many they are.
 * Who missed a step gets a chunk of the newest rows instead.
 */
export interface Feed {
  /** Takes in the scans since the last call. */
  advance(source: SeriesSource): void;
  /** How many rows there were; of two places the later one is higher. */
  place(): number;
  /** An encoded message for somebody who is at `place` (null: at the beginning) and wants so many rows. */
  next(place: number | null, samples: number, source: SeriesSource): FeedMessage;
}

export type FeedMessage =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'body'; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: string };

interface Slot {
  /** Null: its id belongs to another series now. */
  id: number | null;
  readonly kind: NumberKind;
  readonly labels: Labels;
  missingFor: number;
}

/** Series that were not seen for a mirror's length fill no dictionary, once they are most of it. */
const deadShare = 0.5;
const fewDead = 64;

export function createFeed(filter: string, rule: Rule): Feed {
  return rule.source === 'Tip' ? statesFeed(filter, rule) : seriesFeed(filter, rule);
}

function seriesFeed(filter: string, rule: Rule): Feed {
  let slots: Slot[] = [];
  let byId = new Map<number, number>();
  let last: Sample[] = [];
  let newest: number | null = null;
  let place = 0;
  /** From the place before to this one. */
  let increment: { readonly from: number; readonly body: Uint8Array } | null = null;
  let refused: string | null = null;

  /** The dictionary from nothing: what the last rows had. */
  const begin = (source: SeriesSource, missed: number): void => {
    slots = [];
    byId = new Map();
    for (const id of source.index.match(rule.condition)) {
      if (source.history(id, limits.mostSamples).some((sample) => sample !== null)) addSlot(source, id);
    }
    last = slots.map(({ id }) => (id === null ? null : source.tip(id)));
    newest = source.scanTimes[0] ?? null;
    place += missed;
    increment = null;
    refused = slots.length > limits.mostSlots ? tooMany(slots.length) : null;
  };

  const addSlot = (source: SeriesSource, id: number): Slot | null => {
    const kind = source.kind(id);
    const labels = source.index.labels(id);
    if (kind === undefined || labels === undefined) return null;
    const slot = { id, kind, labels, missingFor: 0 };
    byId.set(id, slots.length);
    slots.push(slot);
    return slot;
  };

  /** Slots of series that are not what they were are left; new ones are made. Returns the keys of those. */
  const follow = (source: SeriesSource): SeriesKey[] => {
    const keys: SeriesKey[] = [];
    for (const id of source.index.match(rule.condition)) {
      const slot = slots[byId.get(id) ?? -1];
      const labels = source.index.labels(id);
      if (slot !== undefined && labels !== undefined && sameLabels(slot.labels, labels)) continue;
      if (slot !== undefined) slot.id = null;
      byId.delete(id);
      if (source.tip(id) === null) continue;
      const made = addSlot(source, id);
      if (made !== null) keys.push({ kind: made.kind, labels: made.labels });
    }
    return keys;
  };

  /** What the next increment builds on: a scan that ended since the last advance is not in it. */
  const snapshot = (samples: number, source: SeriesSource): FeedMessage => {
    const ahead = newest === null ? -1 : source.scanTimes.indexOf(newest);
    if (ahead < 0) return { kind: 'nothing' };
    const there = source.scanTimes.length - ahead;
    for (let count = Math.min(samples, there); count >= 1; count = Math.floor(count / 2)) {
      const columns = slots.map(({ id }) => (id === null ? [] : source.history(id, ahead + count).slice(ahead)));
      const times = source.scanTimes.slice(ahead, ahead + count).reverse();
      const rows = times.map((_, row) => columns.map((column) => column[count - 1 - row] ?? null));
      const body = encodeReply({
        kind: 'stats',
        stats: {
          ...{ filter, anew: true, times, states: null },
          keys: slots.map(({ kind, labels }) => ({ kind, labels })),
          rows: encodeRows(rows, { kinds: slots.map(({ kind }) => kind), last: [] }),
          whole: count === there,
        },
      });
      if (body.length <= limits.mostMessageBytes) return { kind: 'body', body };
    }
    return { kind: 'refused', reason: 'one scan of it does not fit a message' };
  };

  return {
    advance(source) {
      const now = source.scanTimes[0];
      if (now === undefined || now === newest) return;
      const known = newest === null ? -1 : source.scanTimes.indexOf(newest);
      const dead = slots.filter(({ missingFor }) => missingFor > limits.mostSamples).length;
      if (known < 0 || known > limits.mostSamples || (dead > fewDead && dead > slots.length * deadShare)) {
        begin(source, known < 0 ? limits.mostSamples : known);
        return;
      }
      const keys = follow(source);
      if (slots.length > limits.mostSlots) {
        begin(source, known);
        return;
      }
      const columns = slots.map(({ id }) =>
        id === null ? [] : known === 1 ? [source.tip(id)] : source.history(id, known),
      );
      const times = source.scanTimes.slice(0, known).reverse();
      const rows = times.map((_, row) => columns.map((column) => column[known - 1 - row] ?? null));
      for (const [index, slot] of slots.entries()) {
        slot.missingFor = (rows.at(-1)?.[index] ?? null) === null ? slot.missingFor + known : 0;
      }
      const encoded = encodeRows(rows, { kinds: slots.map(({ kind }) => kind), last });
      const body = encodeReply({
        kind: 'stats',
        stats: { filter, anew: false, times, keys, rows: encoded, whole: false, states: null },
      });
      increment = body.length <= limits.mostMessageBytes ? { from: place, body } : null;
      newest = now;
      place += known;
    },
    place: () => place,
    next(from, samples, source) {
      if (from === place) return { kind: 'nothing' };
      if (refused !== null) return { kind: 'refused', reason: refused };
      if (increment !== null && from === increment.from) return { kind: 'body', body: increment.body };
      const missed = from === null ? 0 : place - from;
      return snapshot(Math.min(limits.mostSamples, Math.max(samples, missed)), source);
    },
  };
}

/** States have no history: whoever asks gets them as they are. */
function statesFeed(filter: string, rule: Rule): Feed {
  let place = 0;
  let text = '';
  let body: Uint8Array | null = null;
  let refused: string | null = null;
  return {
    advance(source) {
      const now = source.scanTimes[0];
      if (now === undefined) return;
      const states = source
        .states()
        .filter(({ labels }) => fulfils(labels, rule.condition))
        .map(({ labels, timestamp, since, text: words }): StateRow => {
          return { labels, timestamp: timestamp === now ? null : timestamp, since, text: words };
        });
      const next = JSON.stringify(states);
      if (place > 0 && next === text) return;
      text = next;
      place += 1;
      refused = states.length > limits.mostSlots ? tooMany(states.length) : null;
      if (refused !== null) return;
      body = encodeReply({
        kind: 'stats',
        stats: { filter, anew: true, times: [], keys: [], rows: new Uint8Array(), whole: true, states },
      });
      if (body.length > limits.mostMessageBytes) refused = 'it does not fit a message';
    },
    place: () => place,
    next(from) {
      if (from === place) return { kind: 'nothing' };
      if (refused !== null) return { kind: 'refused', reason: refused };
      return body === null ? { kind: 'nothing' } : { kind: 'body', body };
    },
  };
}

const tooMany = (count: number): string => `it selects ${count} series, more than ${limits.mostSlots}`;

function sameLabels(a: Labels, b: Labels): boolean {
  if (a === b) return true;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
