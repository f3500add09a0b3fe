import { spawnSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodeRecord, Rumour } from '../../src/cluster/member.ts';
import type { Packet } from '../../src/cluster/packet.ts';
import { createSeal, mostBodyBytes } from '../../src/cluster/wire/authenticate.ts';
import { mostDatagramBytes, mostTextBytes, roomForAddrs } from '../../src/cluster/wire/bounds.ts';
import { decode } from '../../src/cluster/wire/decode.ts';
import { encode } from '../../src/cluster/wire/encode.ts';
import type { Envelope } from '../../src/cluster/wire/envelope.ts';
import { split } from '../../src/cluster/wire/split.ts';
import { longEnvelope, shortEnvelope } from './packets.ts';

const key = randomBytes(32);
const seal = createSeal('test', [key]);

function bodyOf(envelope: Envelope): Uint8Array {
  const encoded = encode(envelope);
  if (encoded.kind === 'too-long') throw new Error(`${encoded.bytes} bytes`);
  return encoded.body;
}

describe('encode and decode', () => {
  test('every message comes out as it went in, and fits one datagram', () => {
    fc.assert(
      fc.property(shortEnvelope, (envelope) => {
        const datagram = seal.seal(bodyOf(envelope));
        expect(datagram.length).toBeLessThanOrEqual(mostDatagramBytes);
        const opened = seal.open(datagram);
        if (opened.kind === 'refused') throw new Error(opened.reason);
        expect(decode(opened.body)).toEqual({ kind: 'envelope', envelope });
      }),
      { numRuns: 400 },
    );
  });

  test('a packet too long for a datagram is split into such as fit and say the same', () => {
    fc.assert(
      fc.property(longEnvelope, (envelope) => {
        const parts = fitting(envelope);
        for (const part of parts) expect(decode(bodyOf({ ...envelope, packet: part })).kind).toBe('envelope');
        expect(told(parts)).toEqual(told([envelope.packet]));
        expect(rangesOf(parts)).toEqual(rangesOf([envelope.packet]));
      }),
      { numRuns: 100 },
    );
  });

  test.each([0, 28, 100, 150, 180])(
    'sender and news of the longest texts and the most addresses still fit one datagram, a name %i shorter too',
    (shorter) => {
      const text = Object.fromEntries(Object.entries(mostTextBytes).map(([kind, most]) => [kind, 'x'.repeat(most)]));
      const { hostname = '', version = '', hash = '' } = text;
      const name = 'x'.repeat(mostTextBytes.name - shorter);
      const addr = '[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535';
      const ips = Array.from(
        { length: roomForAddrs(hostname, name) },
        (_, index) => `[f:f:f:f:1:1:1:${index + 1}]:65535`,
      );
      // The worst of all: a vector of each family.
      const otherAddrs = ips.map((ip, index) => (index === 0 ? '255.255.255.255:65535' : ip));
      const schedule = { timestamp: Number.MAX_VALUE, hash, origin: 'c'.repeat(32) };
      const incarnation = Number.MAX_SAFE_INTEGER;
      const me: NodeRecord = {
        ...{ id: 'a'.repeat(32), addr, otherAddrs, hostname, name, version, incarnation },
        ...{ liveness: 'alive', schedule, errors: 0xffff_ffff },
      };
      const rumour: Rumour = {
        ...me,
        liveness: 'suspect',
        accuser: 'd'.repeat(32),
        silentMs: incarnation,
        seenAt: addr,
      };
      const target = 'e'.repeat(32);
      const asked: Packet = {
        channel: 'gossip',
        me,
        report: { peers: 1, scanMs: null },
        message: { kind: 'ping-request', seq: incarnation, target, targetAddr: addr, news: [rumour, rumour] },
      };
      const whole: Envelope = { sender: me.id, life: incarnation, counter: incarnation, packet: asked };
      expect(encode(whole).kind).toBe('too-long');
      expect(fitting(whole).map((packet) => packet.message.kind)).toEqual(['news', 'news', 'ping-request']);
    },
  );

  test('arbitrary bytes are refused without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(['refused', 'envelope']).toContain(decode(bytes).kind);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a packet damaged under a valid MAC is refused by field, or reads as a packet within all bounds', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(shortEnvelope, damage, (envelope, changes) => {
        const body = Buffer.from(bodyOf(envelope));
        for (const [at, byte] of changes) body[at % body.length] = byte;
        const read = decode(body);
        // Whatever was accepted can be sent on: encode() checks the same bounds and throws.
        if (read.kind === 'envelope') expect(() => encode(read.envelope)).not.toThrow();
        else expect(read.reason).not.toMatch(/cannot be read/);
      }),
      { numRuns: 3_000 },
    );
  });

  test('a packet cut short is refused', () => {
    fc.assert(
      fc.property(shortEnvelope, fc.nat(), (envelope, cut) => {
        const body = bodyOf(envelope);
        // The last bytes may be padding of a text, which nobody misses.
        expect(decode(body.subarray(0, cut % (body.length - 8)))).toMatchObject({ kind: 'refused' });
      }),
      { numRuns: 500 },
    );
  });

  test('a list that says it is longer than the packet is refused before it is read', () => {
    const ids = ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32)];
    const me = {
      id: ids[0] as string,
      addr: '127.0.0.1:1',
      otherAddrs: [],
      hostname: 'h',
      name: 'n',
      version: 'v',
      incarnation: 0,
    };
    const packet: Packet = {
      channel: 'gossip',
      me: { ...me, liveness: 'alive', schedule: null, errors: 0 },
      report: { peers: 1, scanMs: null },
      message: { kind: 'want', ids },
    };
    const body = Buffer.from(bodyOf({ sender: me.id, life: 1, counter: 1, packet }));
    const vector = body.indexOf(Buffer.concat([Buffer.alloc(16, 0xaa), Buffer.alloc(16, 0xbb)])) - 4;
    expect(body.readUInt32LE(vector)).toBe(3);
    body.writeUInt32LE(0x7fff_ffff, vector);
    expect(decode(body)).toEqual({
      kind: 'refused',
      field: 'message.ids',
      reason: 'says it holds 2147483647 items',
    });
  });

  test('a refusal names the field', () => {
    const envelope = fc.sample(
      shortEnvelope.filter((e) => e.packet.channel === 'gossip' && e.packet.message.kind === 'nack'),
      { numRuns: 1, seed: 7 },
    )[0];
    if (envelope?.packet.channel !== 'gossip') throw new Error('no sample');
    const { me } = envelope.packet;
    const packet: Packet = { ...envelope.packet, me: { ...me, hostname: 'hostname-of-sender' } };
    const body = Buffer.from(bodyOf({ ...envelope, packet }));
    body[body.indexOf('hostname-of-sender') + 3] = 0x07;
    expect(decode(body)).toEqual({ kind: 'refused', field: 'me.hostname', reason: 'a control character' });
    body[body.indexOf('hos') + 3] = 0xff;
    expect(decode(body)).toMatchObject({ field: 'me.hostname', reason: 'no UTF-8' });
    const sender = me.id === '1'.repeat(32) ? '2'.repeat(32) : '1'.repeat(32);
    const stranger = bodyOf({ ...envelope, sender });
    expect(decode(stranger)).toMatchObject({ field: 'me', reason: 'not the sender' });
  });

  test('encode refuses what no bound allows', () => {
    const envelope = fc.sample(shortEnvelope, { numRuns: 1, seed: 1 })[0] as Envelope;
    expect(() => encode({ ...envelope, sender: 'node1' })).toThrow(RangeError);
    expect(() => encode({ ...envelope, life: 1.5 })).toThrow(RangeError);
    expect(() => encode({ ...envelope, counter: -1 })).toThrow(RangeError);
  });
});

describe('seal', () => {
  const body = randomBytes(200);

  test('a bit flipped anywhere is never accepted', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: mostBodyBytes }), fc.nat(), (bytes, flip) => {
        const datagram = Buffer.from(seal.seal(bytes));
        const bit = flip % (datagram.length * 8);
        datagram[bit >> 3] = (datagram[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(seal.open(datagram).kind).toBe('refused');
      }),
      { numRuns: 1_000 },
    );
  });

  test('arbitrary bytes are never accepted', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(seal.open(bytes).kind).toBe('refused');
      }),
      { numRuns: 1_000 },
    );
  });

  test('says why: length, magic, format, cluster, key', () => {
    const good = Buffer.from(seal.seal(body));
    const changed = (at: number) => {
      const copy = Buffer.from(good);
      copy[at] = (copy[at] ?? 0) + 1;
      return seal.open(copy);
    };
    expect(seal.open(good)).toEqual({ kind: 'authentic', body });
    expect(changed(0)).toEqual({ kind: 'refused', reason: 'not-ours' });
    expect(changed(3)).toEqual({ kind: 'refused', reason: 'unknown-format' });
    expect(changed(4)).toEqual({ kind: 'refused', reason: 'other-cluster' });
    expect(changed(12)).toEqual({ kind: 'refused', reason: 'mac' });
    expect(changed(good.length - 1)).toEqual({ kind: 'refused', reason: 'mac' });
    expect(seal.open(good.subarray(0, 20))).toEqual({ kind: 'refused', reason: 'too-short' });
    expect(seal.open(Buffer.alloc(8_192))).toEqual({ kind: 'refused', reason: 'too-long' });
    expect(createSeal('test', [randomBytes(32)]).open(good)).toEqual({ kind: 'refused', reason: 'mac' });
    expect(createSeal('other', [key]).open(good)).toEqual({ kind: 'refused', reason: 'other-cluster' });
  });

  test('the first key signs and every key is accepted, so that keys can be changed one node at a time', () => {
    const next = randomBytes(32);
    const rotating = createSeal('test', [next, key]);
    expect(rotating.open(seal.seal(body)).kind).toBe('authentic');
    expect(createSeal('test', [next]).open(rotating.seal(body)).kind).toBe('authentic');
    expect(seal.open(rotating.seal(body))).toEqual({ kind: 'refused', reason: 'mac' });
  });

  test('without a key, damage and other clusters are still told', () => {
    const open = createSeal('test', []);
    const datagram = Buffer.from(open.seal(body));
    expect(open.open(datagram).kind).toBe('authentic');
    expect(seal.open(datagram)).toEqual({ kind: 'refused', reason: 'mac' });
    datagram[40] = (datagram[40] ?? 0) ^ 1;
    expect(open.open(datagram)).toEqual({ kind: 'refused', reason: 'mac' });
  });

  test('the MAC is HMAC-SHA256 of head and body under a key of its own, cut to 16 bytes', () => {
    const datagram = Buffer.from(seal.seal(body));
    const derived = createHmac('sha256', key).update('stellwerk packets 1\ntest').digest();
    const mac = createHmac('sha256', derived).update(datagram.subarray(0, 12)).update(body).digest();
    expect(datagram.subarray(12, 28)).toEqual(mac.subarray(0, 16));
  });
});

test('the generated code is what the schema says', () => {
  const script = join(import.meta.dirname, '../../scripts/generate-schema.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

function fitting(envelope: Envelope): Packet[] {
  if (encode(envelope).kind === 'body') return [envelope.packet];
  const parts = split(envelope.packet);
  if (parts === null) throw new Error('cannot be split');
  return parts.flatMap((packet) => fitting({ ...envelope, packet }));
}

/** All that a list of packets says, however it is cut. */
function told(packets: readonly Packet[]): unknown[] {
  return packets.flatMap((packet): unknown[] => {
    if (packet.channel === 'election') return [packet];
    const { message } = packet;
    if (message.kind === 'want') return [...message.ids];
    if (message.kind === 'digest') return [...message.entries];
    if (message.kind === 'news') return [...message.news];
    if (message.kind === 'nack') return [message];
    const { news, ...rest } = message;
    return [...news, rest];
  });
}

/** Neighbouring ranges of digests, joined. */
function rangesOf(packets: readonly Packet[]): { from: string; to: string | null }[] {
  const ranges: { from: string; to: string | null }[] = [];
  for (const packet of packets) {
    if (packet.channel !== 'gossip' || packet.message.kind !== 'digest') continue;
    const { from, to } = packet.message;
    const last = ranges.at(-1);
    if (last !== undefined && last.to === from) last.to = to;
    else ranges.push({ from, to });
  }
  return ranges;
}
