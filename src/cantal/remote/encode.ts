import { Builder, type Offset } from 'flatbuffers';
import type { Labels } from '../query/dataset.ts';
import { Beacon as WireBeacon } from './generated/beacon.ts';
import { Frame } from './generated/frame.ts';
import { Message } from './generated/message.ts';
import { Refusal } from './generated/refusal.ts';
import { SeriesKey as WireSeriesKey } from './generated/series-key.ts';
import { StateValue } from './generated/state-value.ts';
import { Stats as WireStats } from './generated/stats.ts';
import { Subscribe } from './generated/subscribe.ts';
import { Unsubscribe } from './generated/unsubscribe.ts';
import { type Beacon, kindsByCode, type Reply, type Request, type Stats } from './message.ts';

export function encodeRequest(request: Request): Uint8Array {
  const builder = new Builder(256);
  switch (request.kind) {
    case 'subscribe': {
      const text = builder.createString(request.text);
      Subscribe.startSubscribe(builder);
      Subscribe.addFilter(builder, filter(request.filter));
      Subscribe.addText(builder, text);
      Subscribe.addSamples(builder, request.samples);
      return frame(builder, Message.Subscribe, Subscribe.endSubscribe(builder));
    }
    case 'unsubscribe':
      return frame(builder, Message.Unsubscribe, Unsubscribe.createUnsubscribe(builder, filter(request.filter)));
    default:
      return request satisfies never;
  }
}

export function encodeReply(reply: Reply): Uint8Array {
  const builder = new Builder(1024);
  switch (reply.kind) {
    case 'beacon':
      return frame(builder, Message.Beacon, beacon(builder, reply.beacon));
    case 'stats':
      return frame(builder, Message.Stats, stats(builder, reply.stats));
    case 'refusal': {
      const reason = builder.createString(reply.reason.slice(0, 500));
      return frame(builder, Message.Refusal, Refusal.createRefusal(builder, filter(reply.filter), reason));
    }
    default:
      return reply satisfies never;
  }
}

function frame(builder: Builder, type: Message, message: Offset): Uint8Array {
  Frame.finishFrameBuffer(builder, Frame.createFrame(builder, type, message));
  return builder.asUint8Array();
}

const filter = (id: string): bigint => BigInt(`0x${id}`);

/** Texts that occur again in one message stand in it once. The library takes an empty one for none there. */
const texts = (builder: Builder, list: readonly string[]): Offset[] =>
  list.map((text) => (text === '' ? builder.createString(text) : builder.createSharedString(text)));

const flat = (labels: Labels): string[] => Object.entries(labels).flat();

function beacon(builder: Builder, told: Beacon): Offset {
  const version = builder.createString(told.version);
  const id = builder.createString(told.id);
  const addresses = WireBeacon.createAddressesVector(builder, texts(builder, told.addresses));
  const name = builder.createString(told.name);
  const cluster = builder.createString(told.cluster_name);
  const hostname = builder.createString(told.hostname);
  const labels = WireBeacon.createLabelsVector(builder, texts(builder, flat(told.labels)));
  WireBeacon.startBeacon(builder);
  WireBeacon.addVersion(builder, version);
  WireBeacon.addId(builder, id);
  WireBeacon.addAddresses(builder, addresses);
  WireBeacon.addName(builder, name);
  WireBeacon.addClusterName(builder, cluster);
  WireBeacon.addHostname(builder, hostname);
  WireBeacon.addPid(builder, told.pid);
  WireBeacon.addCurrentTime(builder, told.current_time);
  WireBeacon.addStartupTime(builder, told.startup_time);
  WireBeacon.addBootTime(builder, told.boot_time);
  WireBeacon.addScanTime(builder, told.scan_time);
  WireBeacon.addScanDuration(builder, told.scan_duration);
  WireBeacon.addInterval(builder, told.interval);
  WireBeacon.addProcesses(builder, told.processes);
  WireBeacon.addTipValues(builder, told.tip_values);
  WireBeacon.addFineValues(builder, told.fine_values);
  WireBeacon.addPeers(builder, told.peers);
  WireBeacon.addFineHistoryLength(builder, told.fine_history_length);
  WireBeacon.addHistoryAge(builder, told.history_age);
  WireBeacon.addRemoteTotal(builder, told.remote_total ?? -1);
  WireBeacon.addRemoteConnected(builder, told.remote_connected ?? -1);
  WireBeacon.addPeersWithRemote(builder, told.peers_with_remote);
  WireBeacon.addLabels(builder, labels);
  return WireBeacon.endBeacon(builder);
}

function stats(builder: Builder, told: Stats): Offset {
  const keys = told.keys.map(({ kind, labels }) => {
    const offset = WireSeriesKey.createLabelsVector(builder, texts(builder, flat(labels)));
    WireSeriesKey.startSeriesKey(builder);
    WireSeriesKey.addKind(builder, kindsByCode.indexOf(kind));
    WireSeriesKey.addLabels(builder, offset);
    return WireSeriesKey.endSeriesKey(builder);
  });
  const states = (told.states ?? []).map(({ labels, timestamp, since, text }) => {
    const offset = StateValue.createLabelsVector(builder, texts(builder, flat(labels)));
    const words = builder.createString(text);
    StateValue.startStateValue(builder);
    StateValue.addLabels(builder, offset);
    StateValue.addTimestamp(builder, timestamp ?? 0);
    StateValue.addSince(builder, since);
    StateValue.addText(builder, words);
    return StateValue.endStateValue(builder);
  });
  const keyList = keys.length === 0 ? 0 : WireStats.createKeysVector(builder, keys);
  const stateList = states.length === 0 ? 0 : WireStats.createStatesVector(builder, states);
  const times = WireStats.createTimesVector(builder, [...told.times]);
  const rows = builder.createByteVector(told.rows);
  WireStats.startStats(builder);
  WireStats.addFilter(builder, filter(told.filter));
  WireStats.addAnew(builder, told.anew);
  WireStats.addTimes(builder, times);
  WireStats.addKeys(builder, keyList);
  WireStats.addRows(builder, rows);
  WireStats.addWhole(builder, told.whole);
  WireStats.addHasStates(builder, told.states !== null);
  WireStats.addStates(builder, stateList);
  return WireStats.endStats(builder);
}
