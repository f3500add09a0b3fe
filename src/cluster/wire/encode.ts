import { Builder, type Offset } from 'flatbuffers';
import { splitAddr } from '../addr.ts';
import type { ElectionMessage } from '../election/message.ts';
import type { GossipMessage, Report, Sighting } from '../gossip/message.ts';
import type { Liveness, NodeRecord, Rumour, ScheduleStamp } from '../member.ts';
import { mostBodyBytes } from './authenticate.ts';
import { isNodeId, roomForAddrs, type Text, textProblem } from './bounds.ts';
import type { Envelope } from './envelope.ts';
import { DigestEntry } from './generated/digest-entry.ts';
import { ElectionAsk } from './generated/election-ask.ts';
import { ElectionCurrent } from './generated/election-current.ts';
import { ElectionGrant } from './generated/election-grant.ts';
import { ElectionPing } from './generated/election-ping.ts';
import { ElectionPong } from './generated/election-pong.ts';
import { ElectionVote } from './generated/election-vote.ts';
import { Envelope as WireEnvelope } from './generated/envelope.ts';
import { GossipAck } from './generated/gossip-ack.ts';
import { GossipDigest } from './generated/gossip-digest.ts';
import { GossipNack } from './generated/gossip-nack.ts';
import { GossipNews } from './generated/gossip-news.ts';
import { GossipPing } from './generated/gossip-ping.ts';
import { GossipPingRequest } from './generated/gossip-ping-request.ts';
import { GossipWant } from './generated/gossip-want.ts';
import { Id } from './generated/id.ts';
import { Liveness as WireLiveness } from './generated/liveness.ts';
import { Message } from './generated/message.ts';
import { Record as WireRecord } from './generated/record.ts';
import { Report as WireReport } from './generated/report.ts';
import { Sighting as WireSighting } from './generated/sighting.ts';
import { Stamp } from './generated/stamp.ts';
import { packIps } from './ips.ts';

export type Encoded =
  | { readonly kind: 'body'; readonly body: Uint8Array }
  /** To be split: src/cluster/wire/split.ts. */
  | { readonly kind: 'too-long'; readonly bytes: number };

/**
 * The body of a datagram. Throws RangeError where a value is none that the machines make and nothing from outside can
 * bring them to send: see bounds.ts.
 */
export function encode({ sender, life, counter, packet }: Envelope): Encoded {
  const builder = new Builder(1_024);
  const me = packet.channel === 'gossip' ? record(builder, packet.me) : 0;
  const [type, message] =
    packet.channel === 'gossip' ? gossip(builder, packet.message) : election(builder, packet.message);
  WireEnvelope.startEnvelope(builder);
  WireEnvelope.addSender(builder, id(builder, sender));
  WireEnvelope.addLife(builder, whole(life));
  WireEnvelope.addCounter(builder, whole(counter));
  WireEnvelope.addMe(builder, me);
  WireEnvelope.addMessageType(builder, type);
  WireEnvelope.addMessage(builder, message);
  if (packet.channel === 'gossip') WireEnvelope.addReport(builder, report(builder, packet.report));
  WireEnvelope.finishEnvelopeBuffer(builder, WireEnvelope.endEnvelope(builder));
  const body = builder.asUint8Array();
  return body.length > mostBodyBytes ? { kind: 'too-long', bytes: body.length } : { kind: 'body', body };
}

function gossip(builder: Builder, message: GossipMessage): [Message, Offset] {
  switch (message.kind) {
    case 'ping': {
      const news = records(builder, message.news, GossipPing.createNewsVector);
      GossipPing.startGossipPing(builder);
      GossipPing.addSeq(builder, whole(message.seq));
      if (message.target !== null) GossipPing.addTarget(builder, id(builder, message.target));
      GossipPing.addNews(builder, news);
      return [Message.GossipPing, GossipPing.endGossipPing(builder)];
    }
    case 'ack': {
      const news = records(builder, message.news, GossipAck.createNewsVector);
      const seen = sightings(builder, message.sightings);
      GossipAck.startGossipAck(builder);
      GossipAck.addSeq(builder, whole(message.seq));
      GossipAck.addWallMs(builder, message.wallMs);
      GossipAck.addNews(builder, news);
      GossipAck.addSightings(builder, seen);
      return [Message.GossipAck, GossipAck.endGossipAck(builder)];
    }
    case 'ping-request': {
      const news = records(builder, message.news, GossipPingRequest.createNewsVector);
      const targetAddr = text(builder, 'addr', message.targetAddr);
      GossipPingRequest.startGossipPingRequest(builder);
      GossipPingRequest.addSeq(builder, whole(message.seq));
      GossipPingRequest.addTarget(builder, id(builder, message.target));
      GossipPingRequest.addTargetAddr(builder, targetAddr);
      GossipPingRequest.addNews(builder, news);
      return [Message.GossipPingRequest, GossipPingRequest.endGossipPingRequest(builder)];
    }
    case 'nack':
      return [Message.GossipNack, GossipNack.createGossipNack(builder, whole(message.seq))];
    case 'news':
      return [
        Message.GossipNews,
        GossipNews.createGossipNews(builder, records(builder, message.news, GossipNews.createNewsVector)),
      ];
    case 'digest': {
      GossipDigest.startEntriesVector(builder, message.entries.length);
      for (const entry of message.entries.toReversed()) {
        const [high, low] = idHalves(entry.id);
        DigestEntry.createDigestEntry(builder, high, low, whole(entry.incarnation), liveness[entry.liveness]);
      }
      const entries = builder.endVector();
      GossipDigest.startGossipDigest(builder);
      if (message.from !== '') GossipDigest.addFrom(builder, id(builder, message.from));
      if (message.to !== null) GossipDigest.addTo(builder, id(builder, message.to));
      GossipDigest.addEntries(builder, entries);
      return [Message.GossipDigest, GossipDigest.endGossipDigest(builder)];
    }
    case 'want': {
      GossipWant.startIdsVector(builder, message.ids.length);
      for (const wanted of message.ids.toReversed()) id(builder, wanted);
      return [Message.GossipWant, GossipWant.createGossipWant(builder, builder.endVector())];
    }
    default:
      return message satisfies never;
  }
}

function election(builder: Builder, message: ElectionMessage): [Message, Offset] {
  switch (message.kind) {
    case 'ping': {
      const schedule = stamp(builder, message.schedule);
      ElectionPing.startElectionPing(builder);
      ElectionPing.addEpoch(builder, whole(message.epoch));
      ElectionPing.addSchedule(builder, schedule);
      return [Message.ElectionPing, ElectionPing.endElectionPing(builder)];
    }
    case 'pong': {
      const schedule = stamp(builder, message.schedule);
      ElectionPong.startElectionPong(builder);
      ElectionPong.addEpoch(builder, whole(message.epoch));
      ElectionPong.addSchedule(builder, schedule);
      ElectionPong.addErrors(builder, small(message.errors));
      return [Message.ElectionPong, ElectionPong.endElectionPong(builder)];
    }
    case 'vote': {
      const schedule = stamp(builder, message.schedule);
      ElectionVote.startElectionVote(builder);
      ElectionVote.addEpoch(builder, whole(message.epoch));
      ElectionVote.addTarget(builder, id(builder, message.target));
      ElectionVote.addLife(builder, whole(message.life));
      ElectionVote.addSchedule(builder, schedule);
      return [Message.ElectionVote, ElectionVote.endElectionVote(builder)];
    }
    case 'ask':
      return [Message.ElectionAsk, ElectionAsk.createElectionAsk(builder, whole(message.epoch), whole(message.life))];
    case 'grant':
      return [
        Message.ElectionGrant,
        ElectionGrant.createElectionGrant(builder, whole(message.epoch), whole(message.life)),
      ];
    case 'current':
      ElectionCurrent.startElectionCurrent(builder);
      ElectionCurrent.addEpoch(builder, whole(message.epoch));
      if (message.leader !== null) ElectionCurrent.addLeader(builder, id(builder, message.leader));
      return [Message.ElectionCurrent, ElectionCurrent.endElectionCurrent(builder)];
    default:
      return message satisfies never;
  }
}

const liveness: Readonly<Record<Liveness, WireLiveness>> = {
  alive: WireLiveness.Alive,
  suspect: WireLiveness.Suspect,
  dead: WireLiveness.Dead,
};

function records(
  builder: Builder,
  news: readonly Rumour[],
  vector: (builder: Builder, offsets: Offset[]) => Offset,
): Offset {
  if (news.length === 0) return 0;
  return vector(
    builder,
    news.map((rumour) => record(builder, rumour)),
  );
}

function record(builder: Builder, node: NodeRecord | Rumour): Offset {
  const addr = text(builder, 'addr', node.addr);
  const hostname = text(builder, 'hostname', node.hostname);
  const name = text(builder, 'name', node.name);
  const version = text(builder, 'version', node.version);
  const schedule = stamp(builder, node.schedule);
  const { ip4, ip6 } = packIps(node.otherAddrs.map((other) => splitAddr(other)?.host ?? other));
  if (node.otherAddrs.length > roomForAddrs(node.hostname, node.name))
    throw new RangeError(`${node.otherAddrs.length} other addresses`);
  const otherIp4 = ip4.length === 0 ? 0 : WireRecord.createOtherIp4Vector(builder, [...ip4]);
  const otherIp6 = ip6.length === 0 ? 0 : ids(builder, ip6, WireRecord.startOtherIp6Vector);
  const seenAt = 'seenAt' in node && node.seenAt !== null ? text(builder, 'addr', node.seenAt) : 0;
  WireRecord.startRecord(builder);
  WireRecord.addId(builder, id(builder, node.id));
  WireRecord.addAddr(builder, addr);
  WireRecord.addHostname(builder, hostname);
  WireRecord.addName(builder, name);
  WireRecord.addVersion(builder, version);
  WireRecord.addIncarnation(builder, whole(node.incarnation));
  WireRecord.addLiveness(builder, liveness[node.liveness]);
  WireRecord.addSchedule(builder, schedule);
  WireRecord.addErrors(builder, small(node.errors));
  WireRecord.addOtherIp4(builder, otherIp4);
  WireRecord.addOtherIp6(builder, otherIp6);
  WireRecord.addSeenAt(builder, seenAt);
  WireRecord.addHasRemote(builder, node.hasRemote === true);
  if ('accuser' in node) {
    if (node.accuser !== null) WireRecord.addAccuser(builder, id(builder, node.accuser));
    WireRecord.addSilentMs(builder, whole(node.silentMs));
  }
  return WireRecord.endRecord(builder);
}

function report(builder: Builder, { peers, scanMs }: Report): Offset {
  return WireReport.createReport(builder, small(peers), microseconds(scanMs));
}

/** 0: none. */
function sightings(builder: Builder, all: readonly Sighting[]): Offset {
  if (all.length === 0) return 0;
  GossipAck.startSightingsVector(builder, all.length);
  for (const { id: seen, ageMs, report: told, roundtrip } of all.toReversed()) {
    const [high, low] = idHalves(seen);
    const [peers, scanUs] = [small(told.peers), microseconds(told.scanMs)];
    const [thatAgoMs, tookUs] = [capped(roundtrip?.ageMs ?? 0), microseconds(roundtrip?.tookMs ?? null)];
    WireSighting.createSighting(builder, high, low, capped(ageMs), peers, scanUs, thatAgoMs, tookUs);
  }
  return builder.endVector();
}

const none = 0xffff_ffff;
const capped = (ms: number): number => Math.min(none, Math.max(0, Math.round(ms)));

function microseconds(ms: number | null): number {
  return ms === null ? none : Math.min(none - 1, capped(ms * 1_000));
}

function ids(
  builder: Builder,
  halves: readonly (readonly [bigint, bigint])[],
  start: (builder: Builder, count: number) => void,
): Offset {
  start(builder, halves.length);
  for (const [high, low] of halves.toReversed()) Id.createId(builder, high, low);
  return builder.endVector();
}

/** 0: absent. */
function stamp(builder: Builder, schedule: ScheduleStamp | null): Offset {
  if (schedule === null) return 0;
  const hash = text(builder, 'hash', schedule.hash);
  Stamp.startStamp(builder);
  Stamp.addTimestamp(builder, schedule.timestamp);
  Stamp.addHash(builder, hash);
  Stamp.addOrigin(builder, id(builder, schedule.origin));
  return Stamp.endStamp(builder);
}

function text(builder: Builder, kind: Text, value: string): Offset {
  const problem = textProblem(kind, value);
  if (problem !== null) throw new RangeError(`${kind} ${JSON.stringify(value)}: ${problem}`);
  return builder.createString(value);
}

function idHalves(value: string): [bigint, bigint] {
  if (!isNodeId(value)) throw new RangeError(`no node id: ${JSON.stringify(value)}`);
  return [BigInt(`0x${value.slice(0, 16)}`), BigInt(`0x${value.slice(16)}`)];
}

function id(builder: Builder, value: string): Offset {
  const [high, low] = idHalves(value);
  return Id.createId(builder, high, low);
}

function whole(value: number): bigint {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`no count: ${value}`);
  return BigInt(value);
}

function small(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`no 32-bit count: ${value}`);
  return value;
}
