import { BoundedBuffer } from '../../cluster/wire/bounded-buffer.ts';
import type { Labels } from '../query/dataset.ts';
import { Beacon as WireBeacon } from './generated/beacon.ts';
import { Frame } from './generated/frame.ts';
import { Message } from './generated/message.ts';
import { Refusal } from './generated/refusal.ts';
import { Stats as WireStats } from './generated/stats.ts';
import { Subscribe } from './generated/subscribe.ts';
import { Unsubscribe } from './generated/unsubscribe.ts';
import { limits } from './limits.ts';
import { type Beacon, kindsByCode, type Reply, type Request, type Stats } from './message.ts';

export type Decoded<T> =
  | { readonly kind: 'message'; readonly message: T }
  | { readonly kind: 'refused'; readonly reason: string };

/** Neither throws, whatever the bytes: a key holder may run another version, or a broken one. */
export const decodeRequest = (body: Uint8Array): Decoded<Request> => guarded(() => readRequest(body));
export const decodeReply = (body: Uint8Array): Decoded<Reply> => guarded(() => readReply(body));

/** Many lists may point to one long text: what is made of a message is bounded, not only the message. */
const mostTextLength = 8 * limits.mostMessageBytes;

interface Reader {
  readonly body: Uint8Array;
  textLeft: number;
}

const readerOf = (body: Uint8Array): Reader => ({ body, textLeft: mostTextLength });

class Refused extends Error {}

function refuse(reason: string): never {
  throw new Refused(reason);
}

function guarded<T>(read: () => T): Decoded<T> {
  try {
    return { kind: 'message', message: read() };
  } catch (error) {
    return { kind: 'refused', reason: error instanceof Error ? error.message : String(error) };
  }
}

function readRequest(body: Uint8Array): Request {
  const frame = Frame.getRootAsFrame(new BoundedBuffer(body));
  switch (frame.messageType()) {
    case Message.Subscribe: {
      const wire: Subscribe = frame.message(new Subscribe()) ?? refuse('no message');
      const samples = wire.samples();
      if (samples < 1 || samples > limits.mostSamples) refuse(`${samples} samples`);
      return { kind: 'subscribe', filter: filterOf(wire.filter()), text: wire.text() ?? refuse('no filter'), samples };
    }
    case Message.Unsubscribe: {
      const wire: Unsubscribe = frame.message(new Unsubscribe()) ?? refuse('no message');
      return { kind: 'unsubscribe', filter: filterOf(wire.filter()) };
    }
    default:
      return refuse(`a request of unknown type ${frame.messageType()}`);
  }
}

function readReply(body: Uint8Array): Reply {
  const reader = readerOf(body);
  const frame = Frame.getRootAsFrame(new BoundedBuffer(body));
  switch (frame.messageType()) {
    case Message.Beacon:
      return { kind: 'beacon', beacon: readBeacon(frame.message(new WireBeacon()) ?? refuse('no message'), reader) };
    case Message.Stats:
      return { kind: 'stats', stats: readStats(frame.message(new WireStats()) ?? refuse('no message'), reader) };
    case Message.Refusal: {
      const wire: Refusal = frame.message(new Refusal()) ?? refuse('no message');
      return { kind: 'refusal', filter: filterOf(wire.filter()), reason: wire.reason() ?? '' };
    }
    default:
      return refuse(`a message of unknown type ${frame.messageType()}`);
  }
}

const filterOf = (wire: bigint): string => wire.toString(16).padStart(16, '0');

function readBeacon(wire: WireBeacon, reader: Reader): Beacon {
  const id = wire.id() ?? '';
  if (!/^[0-9a-f]{32}$/.test(id)) refuse('a beacon without an id');
  const absent = (value: number): number | null => (value < 0 ? null : value);
  return {
    version: wire.version() ?? '',
    id,
    addresses: textsOf(wire.addressesLength(), reader, (index) => wire.addresses(index)),
    name: wire.name() ?? '',
    cluster_name: wire.clusterName() ?? '',
    hostname: wire.hostname() ?? '',
    pid: wire.pid(),
    current_time: finite(wire.currentTime()),
    startup_time: finite(wire.startupTime()),
    boot_time: finite(wire.bootTime()),
    scan_time: finite(wire.scanTime()),
    scan_duration: finite(wire.scanDuration()),
    interval: wire.interval(),
    processes: wire.processes(),
    tip_values: wire.tipValues(),
    fine_values: wire.fineValues(),
    peers: wire.peers(),
    fine_history_length: wire.fineHistoryLength(),
    history_age: finite(wire.historyAge()),
    remote_total: absent(wire.remoteTotal()),
    remote_connected: absent(wire.remoteConnected()),
    peers_with_remote: wire.peersWithRemote(),
    labels: labelsOf(wire.labelsLength(), reader, (index) => wire.labels(index)),
  };
}

function readStats(wire: WireStats, reader: Reader): Stats {
  const times = listOf(wire.timesLength(), reader, 8, (index) => finite(wire.times(index) ?? Number.NaN));
  if (times.length > limits.mostSamples) refuse(`${times.length} scans at once`);
  if (times.some((time, index) => index > 0 && time <= (times[index - 1] ?? 0))) refuse('times that do not rise');
  const keys = listOf(wire.keysLength(), reader, 4, (index) => {
    const key = wire.keys(index) ?? refuse('a missing key');
    const kind = kindsByCode[key.kind()] ?? refuse(`a series of unknown kind ${key.kind()}`);
    return { kind, labels: labelsOf(key.labelsLength(), reader, (at) => key.labels(at)) };
  });
  if (keys.length > limits.mostSlots) refuse(`${keys.length} series`);
  const states = listOf(wire.statesLength(), reader, 4, (index) => {
    const state = wire.states(index) ?? refuse('a missing state');
    return {
      labels: labelsOf(state.labelsLength(), reader, (at) => state.labels(at)),
      timestamp: state.timestamp() === 0 ? null : finite(state.timestamp()),
      since: finite(state.since()),
      text: text(reader, state.text()),
    };
  });
  if (states.length > limits.mostSlots) refuse(`${states.length} states`);
  return {
    filter: filterOf(wire.filter()),
    anew: wire.anew(),
    times,
    keys,
    rows: rowsOf(wire, reader.body),
    whole: wire.whole(),
    states: wire.hasStates() ? states : null,
  };
}

/** The library makes this view without a look at the bounds; and the bytes are not ours to keep. */
function rowsOf(wire: WireStats, body: Uint8Array): Uint8Array {
  const length = wire.rowsLength();
  if (length === 0) return new Uint8Array();
  if (length < 0 || length > body.length) refuse(`rows of ${length} bytes`);
  const view = wire.rowsArray() ?? refuse('missing rows');
  const start = view.byteOffset - body.byteOffset;
  if (start < 0 || start + length > body.length) refuse('rows outside of the message');
  return view.slice();
}

/** A list that says it holds more than fit is refused before it is read. */
function listOf<T>(length: number, { body }: Reader, itemBytes: number, read: (index: number) => T): T[] {
  if (length < 0 || length * itemBytes > body.length) refuse(`a list of ${length}`);
  return Array.from({ length }, (_, index) => read(index));
}

const textsOf = (length: number, reader: Reader, read: (index: number) => string | null): string[] =>
  listOf(length, reader, 4, (index) => text(reader, read(index)));

function text(reader: Reader, value: string | null): string {
  if (value === null) return refuse('a missing text');
  reader.textLeft -= value.length;
  return reader.textLeft < 0 ? refuse('more text than a message has') : value;
}

function labelsOf(length: number, reader: Reader, read: (index: number) => string | null): Labels {
  if (length % 2 !== 0 || length > 128) refuse('labels without values');
  const flat = textsOf(length, reader, read);
  // No prototype can be reached by fromEntries: "__proto__" is a label like any other.
  return Object.fromEntries(
    Array.from({ length: length / 2 }, (_, index) => [flat[index * 2] ?? '', flat[index * 2 + 1] ?? '']),
  );
}

const finite = (value: number): number => (Number.isFinite(value) ? value : refuse('a time that is none'));
