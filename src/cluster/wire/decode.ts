import { joinAddr, splitAddr } from '../addr.ts';
import type { ElectionMessage } from '../election/message.ts';
import type { GossipMessage, Report, Sighting } from '../gossip/message.ts';
import type { Liveness, NodeRecord, Rumour, ScheduleStamp } from '../member.ts';
import type { Packet } from '../packet.ts';
import { BoundedBuffer, DamagedBuffer } from './bounded-buffer.ts';
import { roomForAddrs, type Text, textProblem } from './bounds.ts';
import type { Envelope } from './envelope.ts';
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
import type { Id } from './generated/id.ts';
import { Liveness as WireLiveness } from './generated/liveness.ts';
import { Message } from './generated/message.ts';
import type { Record as WireRecord } from './generated/record.ts';
import type { Report as WireReport } from './generated/report.ts';
import type { Sighting as WireSighting } from './generated/sighting.ts';
import type { Stamp } from './generated/stamp.ts';
import { ip4Text, ip6Text } from './ips.ts';

export type Decoded =
  | { readonly kind: 'envelope'; readonly envelope: Envelope }
  /** `field`: "message.news[1].addr". */
  | { readonly kind: 'refused'; readonly field: string; readonly reason: string };

/**
 * Reads the body of a datagram. Never throws, whatever the bytes: a key holder may run another version, or a broken
 * one. No list is longer than what the packet could hold.
 */
export function decode(body: Uint8Array): Decoded {
  const reader: Reader = { path: [], body };
  try {
    return { kind: 'envelope', envelope: readEnvelope(reader) };
  } catch (error) {
    const known = error instanceof Refusal || error instanceof DamagedBuffer;
    // Anything else would be a mistake of ours; the packet is refused all the same, and says what happened.
    const reason = known ? error.message : `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return { kind: 'refused', field: reader.path.join('.') || 'envelope', reason };
  }
}

interface Reader {
  /** Where we are, for the message. */
  readonly path: string[];
  readonly body: Uint8Array;
}

class Refusal extends Error {}

function refuse(reason: string): never {
  throw new Refusal(reason);
}

/** Reads one field. The path stays where it failed. */
function field<T>(reader: Reader, name: string, read: () => T): T {
  reader.path.push(name);
  const value = read();
  reader.path.pop();
  return value;
}

function readEnvelope(reader: Reader): Envelope {
  const wire = WireEnvelope.getRootAsEnvelope(new BoundedBuffer(reader.body));
  const sender = needId(reader, 'sender', () => wire.sender());
  const life = count(reader, 'life', () => wire.life());
  const counter = count(reader, 'counter', () => wire.counter());
  const packet = field(reader, 'message', () => readPacket(reader, wire));
  if (packet.channel === 'gossip') {
    field(reader, 'me', () => packet.me.id === sender || refuse('not the sender'));
    field(reader, 'me.liveness', () => packet.me.liveness === 'alive' || refuse('nobody says that of itself'));
  }
  return { sender, life, counter, packet };
}

function readPacket(reader: Reader, wire: WireEnvelope): Packet {
  const type = wire.messageType();
  const gossip = readGossip(reader, wire, type);
  if (gossip !== null) {
    const { path } = reader;
    path.pop();
    const me = field(reader, 'me', () => plainRecord(readRecord(reader, wire.me() ?? refuse('missing'))));
    const report = field(reader, 'report', () => readReport(wire.report() ?? refuse('missing')));
    path.push('message');
    return { channel: 'gossip', me, report, message: gossip };
  }
  const election = readElection(reader, wire, type);
  if (election !== null) return { channel: 'election', message: election };
  return refuse(`of unknown type ${type}`);
}

function readGossip(reader: Reader, wire: WireEnvelope, type: Message): GossipMessage | null {
  switch (type) {
    case Message.GossipPing: {
      const ping = open(wire, new GossipPing());
      return {
        kind: 'ping',
        seq: count(reader, 'seq', () => ping.seq()),
        target: maybeId(reader, 'target', () => ping.target()),
        news: readNews(reader, ping),
      };
    }
    case Message.GossipAck: {
      const ack = open(wire, new GossipAck());
      return {
        kind: 'ack',
        seq: count(reader, 'seq', () => ack.seq()),
        wallMs: finite(reader, 'wall_ms', () => ack.wallMs()),
        news: readNews(reader, ack),
        sightings: list(reader, 'sightings', ack.sightingsLength.bind(ack), sightingBytes, (index) =>
          readSighting(reader, ack.sightings(index) ?? refuse('missing')),
        ),
      };
    }
    case Message.GossipPingRequest: {
      const request = open(wire, new GossipPingRequest());
      return {
        kind: 'ping-request',
        seq: count(reader, 'seq', () => request.seq()),
        target: needId(reader, 'target', () => request.target()),
        targetAddr: text(reader, 'target_addr', 'addr', () => request.targetAddr()),
        news: readNews(reader, request),
      };
    }
    case Message.GossipNack:
      return { kind: 'nack', seq: count(reader, 'seq', () => open(wire, new GossipNack()).seq()) };
    case Message.GossipNews:
      return { kind: 'news', news: readNews(reader, open(wire, new GossipNews())) };
    case Message.GossipDigest: {
      const digest = open(wire, new GossipDigest());
      return {
        kind: 'digest',
        from: maybeId(reader, 'from', () => digest.from()) ?? '',
        to: maybeId(reader, 'to', () => digest.to()),
        entries: list(reader, 'entries', digest.entriesLength.bind(digest), entryBytes, (index) => {
          const entry = digest.entries(index) ?? refuse('missing');
          return {
            id: needId(reader, 'id', () => entry.id()),
            incarnation: count(reader, 'incarnation', () => entry.incarnation()),
            liveness: liveness(reader, () => entry.liveness()),
          };
        }),
      };
    }
    case Message.GossipWant: {
      const want = open(wire, new GossipWant());
      const ids = list(reader, 'ids', want.idsLength.bind(want), idBytes, (index) =>
        readId(want.ids(index) ?? refuse('missing')),
      );
      return { kind: 'want', ids };
    }
    default:
      return null;
  }
}

function readElection(reader: Reader, wire: WireEnvelope, type: Message): ElectionMessage | null {
  switch (type) {
    case Message.ElectionPing: {
      const ping = open(wire, new ElectionPing());
      return {
        kind: 'ping',
        epoch: count(reader, 'epoch', () => ping.epoch()),
        schedule: readStamp(reader, () => ping.schedule()),
      };
    }
    case Message.ElectionPong: {
      const pong = open(wire, new ElectionPong());
      return {
        kind: 'pong',
        epoch: count(reader, 'epoch', () => pong.epoch()),
        schedule: readStamp(reader, () => pong.schedule()),
        errors: field(reader, 'errors', () => pong.errors()),
      };
    }
    case Message.ElectionVote: {
      const vote = open(wire, new ElectionVote());
      return {
        kind: 'vote',
        epoch: count(reader, 'epoch', () => vote.epoch()),
        target: needId(reader, 'target', () => vote.target()),
        life: count(reader, 'life', () => vote.life()),
        schedule: readStamp(reader, () => vote.schedule()),
      };
    }
    case Message.ElectionAsk:
    case Message.ElectionGrant: {
      const asking = type === Message.ElectionAsk;
      const message = open(wire, asking ? new ElectionAsk() : new ElectionGrant());
      return {
        kind: asking ? 'ask' : 'grant',
        epoch: count(reader, 'epoch', () => message.epoch()),
        life: count(reader, 'life', () => message.life()),
      };
    }
    case Message.ElectionCurrent: {
      const current = open(wire, new ElectionCurrent());
      return {
        kind: 'current',
        epoch: count(reader, 'epoch', () => current.epoch()),
        leader: maybeId(reader, 'leader', () => current.leader()),
      };
    }
    default:
      return null;
  }
}

type Table = Parameters<WireEnvelope['message']>[0];

function open<T extends Table>(wire: WireEnvelope, table: T): T {
  return (wire.message(table) as T | null) ?? refuse('missing');
}

// Bytes that one item takes at least: a list that says it holds more than fit is refused before it is read.
const idBytes = 16;
const entryBytes = 32;
const sightingBytes = 40;
/** Its place in the vector, its table, and its shortest texts. */
const recordBytes = 64;

function list<T>(
  reader: Reader,
  name: string,
  length: () => number,
  itemBytes: number,
  read: (index: number) => T,
): T[] {
  return field(reader, name, () => {
    const items = length();
    if (items < 0 || items * itemBytes > reader.body.length) return refuse(`says it holds ${items} items`);
    return Array.from({ length: items }, (_, index) => field(reader, String(index), () => read(index)));
  });
}

interface WithNews {
  news(index: number): WireRecord | null;
  newsLength(): number;
}

function readNews(reader: Reader, wire: WithNews): Rumour[] {
  return list(reader, 'news', wire.newsLength.bind(wire), recordBytes, (index) =>
    readRecord(reader, wire.news(index) ?? refuse('missing')),
  );
}

function readRecord(reader: Reader, wire: WireRecord): Rumour {
  const addr = text(reader, 'addr', 'addr', () => wire.addr());
  const hostname = text(reader, 'hostname', 'hostname', () => wire.hostname());
  const name = text(reader, 'name', 'name', () => wire.name());
  return {
    id: needId(reader, 'id', () => wire.id()),
    addr,
    hostname,
    name,
    otherAddrs: readOtherAddrs(reader, wire, addr, roomForAddrs(hostname, name)),
    version: text(reader, 'version', 'version', () => wire.version()),
    incarnation: count(reader, 'incarnation', () => wire.incarnation()),
    liveness: liveness(reader, () => wire.liveness()),
    schedule: readStamp(reader, () => wire.schedule()),
    errors: field(reader, 'errors', () => wire.errors()),
    accuser: maybeId(reader, 'accuser', () => wire.accuser()),
    silentMs: count(reader, 'silent_ms', () => wire.silentMs()),
    seenAt: field(reader, 'seen_at', () => {
      const value = wire.seenAt();
      if (value === null) return null;
      const problem = textProblem('addr', value);
      return problem === null ? value : refuse(problem);
    }),
    ...(field(reader, 'has_remote', () => wire.hasRemote()) ? { hasRemote: true as const } : {}),
  };
}

function plainRecord(rumour: Rumour): NodeRecord {
  const { accuser: _, silentMs: __, seenAt: ___, ...record } = rumour;
  return record;
}

/** With the port of the first. */
function readOtherAddrs(reader: Reader, wire: WireRecord, addr: string, most: number): string[] {
  const port = splitAddr(addr)?.port ?? 0;
  const ip4 = list(reader, 'other_ip4', wire.otherIp4Length.bind(wire), 4, (index) =>
    joinAddr(ip4Text(wire.otherIp4(index) ?? refuse('missing')), port),
  );
  const ip6 = list(reader, 'other_ip6', wire.otherIp6Length.bind(wire), idBytes, (index) => {
    const ip = wire.otherIp6(index) ?? refuse('missing');
    return joinAddr(ip6Text(ip.high(), ip.low()), port);
  });
  const all = [...ip4, ...ip6];
  return all.length <= most ? all : field(reader, 'other_ip6', () => refuse(`${all.length} other addresses`));
}

const none = 0xffff_ffff;
const milliseconds = (us: number): number | null => (us === none ? null : us / 1_000);

const readReport = (wire: WireReport): Report => ({ peers: wire.peers(), scanMs: milliseconds(wire.scanUs()) });

function readSighting(reader: Reader, wire: WireSighting): Sighting {
  const tookMs = milliseconds(wire.roundtripUs());
  return {
    id: needId(reader, 'id', () => wire.id()),
    ageMs: wire.ageMs(),
    report: readReport(wire.report() ?? refuse('missing')),
    roundtrip: tookMs === null ? null : { ageMs: wire.roundtripAgeMs(), tookMs },
  };
}

function readStamp(reader: Reader, read: () => Stamp | null): ScheduleStamp | null {
  return field(reader, 'schedule', () => {
    const wire = read();
    if (wire === null) return null;
    return {
      timestamp: finite(reader, 'timestamp', () => wire.timestamp()),
      hash: text(reader, 'hash', 'hash', () => wire.hash()),
      origin: needId(reader, 'origin', () => wire.origin()),
    };
  });
}

function liveness(reader: Reader, read: () => WireLiveness): Liveness {
  return field(reader, 'liveness', () => {
    const value = read();
    switch (value) {
      case WireLiveness.Alive:
        return 'alive';
      case WireLiveness.Suspect:
        return 'suspect';
      case WireLiveness.Dead:
        return 'dead';
      default:
        return refuse(`of unknown kind ${value}`);
    }
  });
}

const half = (value: bigint): string => value.toString(16).padStart(16, '0');
const readId = (wire: Id): string => half(wire.high()) + half(wire.low());

function maybeId(reader: Reader, name: string, read: () => Id | null): string | null {
  return field(reader, name, () => {
    const wire = read();
    return wire === null ? null : readId(wire);
  });
}

function needId(reader: Reader, name: string, read: () => Id | null): string {
  return field(reader, name, () => readId(read() ?? refuse('missing')));
}

function text(reader: Reader, name: string, kind: Text, read: () => string | null): string {
  return field(reader, name, () => {
    const value = read() ?? refuse('missing');
    const problem = textProblem(kind, value);
    return problem === null ? value : refuse(problem);
  });
}

/** JavaScript counts exactly up to 2^53; nothing here ever comes near it. */
function count(reader: Reader, name: string, read: () => bigint): number {
  return field(reader, name, () => {
    const value = Number(read());
    return Number.isSafeInteger(value) ? value : refuse('beyond 2^53');
  });
}

function finite(reader: Reader, name: string, read: () => number): number {
  return field(reader, name, () => {
    const value = read();
    return Number.isFinite(value) ? value : refuse('no finite number');
  });
}
