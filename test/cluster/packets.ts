import fc from 'fast-check';
import { joinAddr, splitAddr } from '../../src/cluster/addr.ts';
import type { ElectionMessage } from '../../src/cluster/election/message.ts';
import type { DigestEntry, GossipMessage, Report, Sighting } from '../../src/cluster/gossip/message.ts';
import type { Liveness, NodeRecord, Rumour, ScheduleStamp } from '../../src/cluster/member.ts';
import { mostOtherAddrs, mostTextBytes, roomForAddrs } from '../../src/cluster/wire/bounds.ts';
import type { Envelope } from '../../src/cluster/wire/envelope.ts';
import { plainIp } from '../../src/cluster/wire/ips.ts';

/** Everything that a node may say, at its longest too. */
const digits = (count: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${count}}$`));
export const anyId = fc.oneof(digits(32), fc.constantFrom('0'.repeat(32), 'f'.repeat(32)));
const count = fc.oneof(fc.nat(), fc.maxSafeNat());
const small = fc.nat({ max: 0xffff_ffff });
// No clock says −0, which FlatBuffers leaves out as it does 0: adding 0 makes it one.
const time = fc.oneof(fc.maxSafeNat(), fc.double({ noDefaultInfinity: true, noNaN: true })).map((ms) => ms + 0);
const port = fc.integer({ min: 1, max: 65_535 });
const addr = fc.oneof(
  fc.tuple(fc.ipV4(), port).map(([host, p]) => joinAddr(host, p)),
  fc.tuple(fc.ipV6(), port).map(([host, p]) => joinAddr(host, p)),
);
const text = (most: number, least = 1) =>
  fc
    .string({ unit: 'grapheme', minLength: least, maxLength: most })
    .filter((value) => Buffer.byteLength(value) <= most && Buffer.byteLength(value) >= least && !/\p{Cc}/u.test(value));
const longest = (most: number) =>
  fc.oneof({ weight: 4, arbitrary: text(Math.min(most, 24)) }, fc.constant('x'.repeat(most)));
const liveness = fc.constantFrom<Liveness>('alive', 'suspect', 'dead');

const stamp: fc.Arbitrary<ScheduleStamp | null> = fc.option(
  fc.record({ timestamp: time, hash: longest(mostTextBytes.hash), origin: anyId }),
);

const none = 0xffff_ffff;
const scanMs = fc.option(fc.nat({ max: none - 1 }).map((us) => us / 1_000));
const report: fc.Arbitrary<Report> = fc.record({ peers: small, scanMs });
const sighting: fc.Arbitrary<Sighting> = fc.record({
  id: anyId,
  ageMs: small,
  report,
  roundtrip: fc.option(fc.record({ ageMs: small, tookMs: fc.nat({ max: none - 1 }).map((us) => us / 1_000) })),
});

/** In the spelling and the order that packets bring back, with the first address's port. */
const addresses = fc
  .tuple(
    addr,
    fc.array(fc.ipV4()),
    fc.array(
      fc
        .ipV6()
        .map(plainIp)
        .filter((ip) => ip.includes(':')),
    ),
  )
  .map(([first, ip4, ip6]) => {
    const first7 = [...ip4, ...ip6].slice(0, mostOtherAddrs);
    return { addr: first, otherAddrs: first7.map((ip) => joinAddr(ip, splitAddr(first)?.port ?? 0)) };
  });

const fitted = (
  names: { hostname: string; name: string },
  { addr, otherAddrs }: { addr: string; otherAddrs: string[] },
) => ({
  addr,
  otherAddrs: otherAddrs.slice(0, roomForAddrs(names.hostname, names.name)),
});

const content = {
  id: anyId,
  hostname: longest(mostTextBytes.hostname),
  name: fc.oneof(longest(mostTextBytes.name), fc.constant('')),
  version: longest(mostTextBytes.version),
  incarnation: count,
  schedule: stamp,
  errors: small,
};

const remote: fc.Arbitrary<Pick<NodeRecord, 'hasRemote'>> = fc.constantFrom({}, { hasRemote: true });

export const anyRumour: fc.Arbitrary<Rumour> = fc
  .tuple(
    fc.record({ ...content, liveness, accuser: fc.option(anyId), silentMs: count, seenAt: fc.option(addr) }),
    addresses,
    remote,
  )
  .map(([record, where, told]) => ({ ...record, ...fitted(record, where), ...told }));

const anySelf: fc.Arbitrary<NodeRecord> = fc
  .tuple(fc.record({ ...content, liveness: fc.constant<Liveness>('alive') }), addresses, remote)
  .map(([record, where, told]) => ({ ...record, ...fitted(record, where), ...told }));

const entry: fc.Arbitrary<DigestEntry> = fc.record({ id: anyId, incarnation: count, liveness });

const gossipWith = (mostNews: number, mostIds: number): fc.Arbitrary<GossipMessage> => {
  const news = fc.array(anyRumour, { maxLength: mostNews });
  return fc.oneof(
    fc.record({ kind: fc.constant('ping' as const), seq: count, target: fc.option(anyId), news }),
    fc.record({
      kind: fc.constant('ack' as const),
      seq: count,
      wallMs: time,
      news,
      sightings: fc.array(sighting, { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('ping-request' as const), seq: count, target: anyId, targetAddr: addr, news }),
    fc.record({ kind: fc.constant('nack' as const), seq: count }),
    fc.record({ kind: fc.constant('news' as const), news }),
    fc.record({
      kind: fc.constant('digest' as const),
      from: fc.oneof(anyId, fc.constant('')),
      to: fc.option(anyId),
      entries: fc
        .uniqueArray(entry, { maxLength: mostIds, selector: (e) => e.id })
        .map((list) => list.sort((a, b) => (a.id < b.id ? -1 : 1))),
    }),
    fc.record({ kind: fc.constant('want' as const), ids: fc.array(anyId, { maxLength: mostIds }) }),
  );
};

const anyElection: fc.Arbitrary<ElectionMessage> = fc.oneof(
  fc.record({ kind: fc.constant('ping' as const), epoch: count, schedule: stamp }),
  fc.record({ kind: fc.constant('pong' as const), epoch: count, schedule: stamp, errors: small }),
  fc.record({ kind: fc.constant('vote' as const), epoch: count, target: anyId, life: count, schedule: stamp }),
  fc.record({ kind: fc.constant('ask' as const), epoch: count, life: count }),
  fc.record({ kind: fc.constant('grant' as const), epoch: count, life: count }),
  fc.record({ kind: fc.constant('current' as const), epoch: count, leader: fc.option(anyId) }),
);

const enveloped = (gossip: fc.Arbitrary<GossipMessage>): fc.Arbitrary<Envelope> =>
  fc
    .record({
      life: count,
      counter: count,
      packet: fc.oneof(
        fc.record({ channel: fc.constant('gossip' as const), me: anySelf, report, message: gossip }),
        fc.record({ channel: fc.constant('election' as const), message: anyElection }),
      ),
      stranger: anyId,
    })
    .map(({ stranger, ...rest }) => ({
      ...rest,
      sender: rest.packet.channel === 'gossip' ? rest.packet.me.id : stranger,
    }));

/** Fits one datagram whatever the lengths of its texts. */
export const shortEnvelope = enveloped(gossipWith(1, 16));
/** As long as the machines make them, and longer. */
export const longEnvelope = enveloped(gossipWith(12, 200));
