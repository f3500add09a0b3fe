import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { joinAddr, splitAddr } from '../../src/cluster/addr.ts';
import type { Cluster } from '../../src/cluster/shell.ts';
import { clusterKey, idOf, leaderOf, type Nodes, testNodes, until } from './nodes.ts';

let nodes: Nodes;
beforeEach(() => {
  nodes = testNodes();
});
afterEach(() => nodes.stop());

const knows = (node: Cluster, count: number): boolean =>
  node.members().filter((member) => member.liveness === 'alive').length === count;

const stamp = (origin: string, timestamp: number) => ({ timestamp, hash: 'ab'.repeat(32), origin });

/** Sooner than specified, so that tests which need a leader and are not about time are short. */
const soon = { startMs: 1_000, intervalMs: [800, 1_600] as const };

describe('three nodes with the times of the specification', () => {
  test('find each other from one address, elect one leader, replace a killed one, take it back', async () => {
    const first = await nodes.start(1);
    const second = await nodes.start(2, { join: [first.self.addr] });
    const third = await nodes.start(3, { join: [first.self.addr] });
    const all = [first, second, third];

    await until('all three know each other', 2_000, () => all.every((node) => knows(node, 2)));
    await until('one leader', 12_000, () => leaderOf(all) !== null);

    const leader = leaderOf(all) as Cluster;
    const survivors = all.filter((node) => node !== leader);
    const number = all.indexOf(leader) + 1;
    const lifeBefore = Number(readFileSync(join(nodes.folder(number), 'life'), 'utf8'));
    // As SIGKILL: the socket is gone, nobody is told.
    await leader.stop();
    const failoverMs = await until('another leader', 5_000, () => leaderOf(survivors) !== null);
    expect(failoverMs).toBeGreaterThan(500);
    expect(leaderOf(survivors)?.leadership().epoch).toBeGreaterThan(1);
    await until('the killed one is found dead', 10_000, () =>
      survivors.every((node) => node.members().some((m) => m.id === leader.self.id && m.liveness === 'dead')),
    );

    // On another port, without an address to join by: it remembers the others.
    const again = await nodes.start(number);
    expect(Number(readFileSync(join(nodes.folder(number), 'life'), 'utf8'))).toBeGreaterThan(lifeBefore);
    await until('it leads or follows', 5_000, () => leaderOf([...survivors, again]) !== null);
    // Whom others hold for dead has to object first, by gossip.
    await until('it is back', 10_000, () => survivors.every((node) => knows(node, 2)));
    expect(leaderOf([...survivors, again])).not.toBe(again);
    for (const node of survivors) {
      const member = node.members().find(({ id }) => id === again.self.id);
      expect(member).toMatchObject({ liveness: 'alive', addr: again.self.addr, hostname: `node${number}` });
    }
  }, 180_000);
});

describe('restarts', () => {
  test('nodes that were all killed at once find each other by what they remember', async () => {
    const first = await nodes.start(1);
    const second = await nodes.start(2, { join: [first.self.addr] });
    const third = await nodes.start(3, { join: [first.self.addr] });
    const all = [first, second, third];
    await until('they know each other', 2_000, () => all.every((node) => knows(node, 2)));
    await Promise.all(all.map((node) => node.stop()));
    const again = await Promise.all(
      all.map((node, index) => nodes.start(index + 1, { port: Number(node.self.addr.split(':')[1]) })),
    );
    await until('they know each other again', 3_000, () => again.every((node) => knows(node, 2)));
  });

  test('a node that is restarted where it reaches nobody does not take itself for the whole cluster', async () => {
    const first = await nodes.start(1);
    const second = await nodes.start(2, { join: [first.self.addr] });
    const third = await nodes.start(3, { join: [first.self.addr] });
    const all = [first, second, third];
    await until('they know each other', 2_000, () => all.every((node) => knows(node, 2)));
    await Promise.all(all.map((node) => node.stop()));
    const quick = { election: { startMs: 200, intervalMs: [160, 400] as const } };
    const alone = await nodes.start(1, quick);
    await until('it asks for votes', 6_000, () => alone.electionView().counts.asked >= 2);
    expect(alone.electionView()).toMatchObject({ known: 3, needed: 2 });
    expect(alone.leadership().role).toBe('none');
    await nodes.start(2, { ...quick, join: [alone.self.addr] });
    await until('one of the two leads', 12_000, () => alone.leadership().role !== 'none');
  }, 120_000);

  test('a node that is back before anybody missed it is not taken for its former self', async () => {
    const first = await nodes.start(1);
    const second = await nodes.start(2, { join: [first.self.addr] });
    await until('they know each other', 2_000, () => knows(first, 1) && knows(second, 1));
    second.announce({ schedule: stamp(idOf(2), 1), errors: 1 });
    await until('told', 2_000, () => first.members()[0]?.errors === 1);
    await second.stop();
    const again = await nodes.start(2, { port: Number(second.self.addr.split(':')[1]) });
    await until('it says itself what is true now', 5_000, () => {
      const [member] = first.members();
      return member?.schedule === null && member.errors === 0 && member.liveness === 'alive';
    });
    expect(first.gossipView().packets.refused['earlier-life']).toBe(0);
    expect(knows(again, 1)).toBe(true);
  });
});

describe('announcements', () => {
  test('reach every node, and each is told of the change', async () => {
    const first = await nodes.start(1);
    const second = await nodes.start(2, { join: [first.self.addr] });
    await until('they know each other', 2_000, () => knows(first, 1) && knows(second, 1));
    let told = 0;
    const end = first.onChange(() => {
      told += 1;
    });
    const schedule = stamp(idOf(2), 1_700_000_000_000.5);
    second.announce({ schedule, errors: 3 });
    await until('the stamp is known', 2_000, () => first.members()[0]?.schedule?.timestamp === schedule.timestamp);
    expect(first.members()[0]).toMatchObject({ schedule, errors: 3 });
    expect(told).toBeGreaterThan(0);
    end();
    const before = told;
    second.announce({ schedule: stamp(idOf(2), 1_700_000_000_001), errors: 0 });
    await until('the next one too', 2_000, () => first.members()[0]?.errors === 0);
    expect(told).toBe(before);
  });

  test('that a node holds connections for queries is known to all, and that it does not any more', async () => {
    const first = await nodes.start(1);
    const second = await nodes.start(2, { join: [first.self.addr] });
    await until('they know each other', 2_000, () => knows(first, 1) && knows(second, 1));
    expect(first.members()[0]?.hasRemote).toBe(false);
    second.announceRemote(true);
    await until('it is told', 2_000, () => first.members()[0]?.hasRemote === true);
    second.announceRemote(false);
    await until('it is taken back', 2_000, () => first.members()[0]?.hasRemote === false);
  });

  test('the leader’s stamp reaches a follower with its ping', async () => {
    const first = await nodes.start(1, { election: soon });
    const second = await nodes.start(2, { join: [first.self.addr], election: soon });
    await until('one leader', 12_000, () => leaderOf([first, second]) !== null);
    const leader = leaderOf([first, second]) as Cluster;
    const follower = leader === first ? second : first;
    leader.announce({ schedule: stamp(leader.self.id, 5), errors: 0 });
    await until('followed', 1_000, () => {
      const view = follower.leadership();
      return view.role === 'follower' && view.schedule?.timestamp === 5;
    });
  }, 90_000);

  test('what cannot travel in a packet is refused at once', async () => {
    const node = await nodes.start(1);
    expect(() =>
      node.announce({ schedule: { timestamp: 1, hash: 'x'.repeat(65), origin: idOf(1) }, errors: 0 }),
    ).toThrow(/schedule.hash: 65 bytes, at most 64/);
    expect(() => node.announce({ schedule: stamp('node1', 1), errors: 0 })).toThrow(/schedule.origin/);
  });
});

describe('strangers', () => {
  test('a node with another key, or of another cluster, never appears and is counted', async () => {
    const first = await nodes.start(1);
    const wrongKey = await nodes.start(2, { join: [first.self.addr], keys: [Buffer.alloc(32, 7)] });
    const elsewhere = await nodes.start(3, { join: [first.self.addr], clusterName: 'other' });
    await until('both knocked', 3_000, () => {
      const { refused } = first.gossipView().packets;
      return refused.mac > 0 && refused['other-cluster'] > 0;
    });
    expect([first, wrongKey, elsewhere].map((node) => node.members())).toEqual([[], [], []]);
    expect(nodes.lines(1).join('\n')).toMatch(/dropped: signed with a key that is not ours/);
    expect(nodes.lines(1).join('\n')).toMatch(/dropped: of a cluster with another name/);
    expect(nodes.lines(1)).toHaveLength(2);
  });

  test('during a change of keys, nodes with the old, the new and both understand each other', async () => {
    const next = Buffer.alloc(32, 9);
    const first = await nodes.start(1, { keys: [clusterKey, next] });
    const second = await nodes.start(2, { keys: [next, clusterKey], join: [first.self.addr] });
    await until('they know each other', 2_000, () => knows(first, 1) && knows(second, 1));
  });

  test('a machine with our own id is not taken for us, and said', async () => {
    const first = await nodes.start(1);
    const double = await nodes.start(2, { machineId: idOf(1), join: [first.self.addr] });
    await until('noticed', 3_000, () => first.gossipView().packets.refused['own-id'] > 0);
    expect(first.members()).toEqual([]);
    expect(double.members()).toEqual([]);
    expect(nodes.lines(1).join('\n')).toMatch(/two machines must not share one/);
    expect(first.electionView().twins).toMatchObject([{ id: idOf(1), addr: double.self.addr }]);
  });

  test('two machines with one id are seen by a third one', async () => {
    const third = await nodes.start(3);
    const first = await nodes.start(1, { join: [third.self.addr] });
    await until('they know each other', 3_000, () => knows(third, 1) && knows(first, 1));
    await nodes.start(2, { machineId: idOf(1), join: [third.self.addr] });
    await until('noticed', 10_000, () => third.electionView().twins.some(({ id }) => id === idOf(1)));
  });

  test('a recorded packet sent again is dropped', async () => {
    const first = await nodes.start(1);
    const tap = await openTap('127.0.0.9');
    // The tap stands in for a node that second joins; what arrives there is what an eavesdropper has.
    await nodes.start(2, { join: [tap.addr, first.self.addr] });
    const recorded = await tap.first;
    await until('they know each other', 2_000, () => knows(first, 1));
    expect(first.gossipView().packets.refused.replayed).toBe(0);
    for (let times = 0; times < 3; times += 1) tap.send(recorded, first.self.addr);
    await until('counted', 2_000, () => first.gossipView().packets.refused.replayed >= 2);
    tap.close();
  });

  test('a flood of rubbish disturbs nobody', async () => {
    const first = await nodes.start(1, { election: soon });
    const second = await nodes.start(2, { join: [first.self.addr], election: soon });
    await until('one leader', 12_000, () => leaderOf([first, second]) !== null);
    const { epoch } = first.leadership();
    const tap = await openTap('127.0.0.9');
    for (let round = 0; round < 100; round += 1) {
      for (let index = 0; index < 50; index += 1) tap.send(rubbish(round * 50 + index), first.self.addr);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await until('all seen', 5_000, () => {
      const { refused } = first.gossipView().packets;
      return refused['not-ours'] + refused.mac + refused['other-cluster'] + refused['too-long'] > 2_500;
    });
    expect(leaderOf([first, second])?.leadership().epoch).toBe(epoch);
    expect(first.members().map((member) => member.id)).toEqual([second.self.id]);
    expect(first.members()[0]?.liveness).toBe('alive');
    // One line for each kind, however many there were.
    expect(nodes.lines(1).length).toBeLessThanOrEqual(4);
    tap.close();
  }, 90_000);
});

describe('trouble at the start and on the way', () => {
  test('a port in use is said, with what to do', async () => {
    const first = await nodes.start(1);
    const port = Number(first.self.addr.split(':')[1]);
    await expect(nodes.start(2, { host: '127.0.0.1', port })).rejects.toMatchObject({
      name: 'UdpBindError',
      code: 'EADDRINUSE',
      message: expect.stringContaining('choose another --port'),
    });
  });

  test.each([
    ['192.0.2.1', 'EADDRNOTAVAIL'],
    ['host.invalid', /ENOTFOUND|EAI_AGAIN/],
  ])('host %s is refused: %s', async (host, code) => {
    await expect(nodes.start(1, { host })).rejects.toMatchObject({
      name: 'UdpBindError',
      code: typeof code === 'string' ? code : expect.stringMatching(code),
    });
  });

  test('names that cannot travel are refused by option', async () => {
    await expect(nodes.start(1, { hostname: 'x'.repeat(65) })).rejects.toThrow('hostname: 65 bytes, at most 64');
    await expect(nodes.start(1, { machineId: 'abc' })).rejects.toThrow('machineId: not 32 hex digits');
    await expect(nodes.start(1, { join: ['node2'] })).rejects.toThrow('join: node2 is no IP:PORT');
  });

  test('an address that no packet reaches is counted and does no harm', async () => {
    const first = await nodes.start(1);
    // Of another family than the socket.
    expect(first.addHost('[::1]:9')).toBeNull();
    await until('counted', 2_000, () => Object.keys(first.gossipView().packets.sendErrors).length > 0);
    const second = await nodes.start(2);
    expect(first.addHost(second.self.addr)).toBeNull();
    await until('the next host is met all the same', 2_000, () => knows(first, 1) && knows(second, 1));
    expect(first.addHost('node2:1')).toBe('no IP:PORT');
  });

  test.each([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '127.0.0.1'],
    ['::', '::1'],
  ])('host %s hears what comes to any of its addresses, and answers it: %s', async (host, from) => {
    const first = await nodes.start(1, {
      host,
      interfaces: () => [
        { interface: 'lo', ip: '127.0.0.1' },
        { interface: 'eth0', ip: '192.0.2.7' },
        { interface: 'eth0', ip: '2001:db8::7' },
        { interface: 'eth1', ip: '198.51.100.7' },
      ],
    });
    const { port } = splitAddr(first.self.addr) ?? { port: 0 };
    expect(first.self.addr).toBe(`192.0.2.7:${port}`);
    const second = await nodes.start(2, { host: from, join: [joinAddr(from, port)] });
    await until('they know each other', 2_000, () => knows(first, 1) && knows(second, 1));
    // Where its packets come from goes before where it says that it is.
    expect(second.peerViews()[0]?.addresses).toEqual([
      joinAddr(from, port),
      ...[`192.0.2.7:${port}`, `198.51.100.7:${port}`, ...(host === '::' ? [`[2001:db8::7]:${port}`] : [])],
    ]);
  });

  test('a node that gets another address tells so', async () => {
    let ip = '192.0.2.7';
    const interfaces = () => [{ interface: 'eth0', ip }];
    const first = await nodes.start(1, { host: '0.0.0.0', interfaces, interfacesEveryMs: 200 });
    const { port } = splitAddr(first.self.addr) ?? { port: 0 };
    const second = await nodes.start(2, { join: [joinAddr('127.0.0.1', port)] });
    await until('they know each other', 2_000, () => knows(first, 1) && knows(second, 1));
    ip = '192.0.2.8';
    await until('told', 5_000, () => second.peerViews()[0]?.addresses.includes(`192.0.2.8:${port}`) === true);
    expect(first.self.addr).toBe(`192.0.2.8:${port}`);
  });

  test('a node that comes back under another name is said to', async () => {
    const first = await nodes.start(1);
    const second = await nodes.start(2, { join: [first.self.addr] });
    await until('they know each other', 2_000, () => knows(first, 1) && knows(second, 1));
    await second.stop();
    await nodes.start(2, { join: [first.self.addr], name: 'renamed.test' });
    await until('known', 3_000, () => first.members()[0]?.name === 'renamed.test');
    expect(nodes.lines(1)).toContain(`${idOf(2)}, known as node2.test, now calls itself renamed.test`);
  });

  test('IPv6 works as IPv4 does', async () => {
    const first = await nodes.start(1, { host: '::1' });
    const second = await nodes.start(2, { host: '::1', join: [first.self.addr] });
    expect(first.self.addr).toMatch(/^\[::1\]:\d+$/);
    await until('they know each other', 2_000, () => knows(first, 1) && knows(second, 1));
  });

  test('after stop no timer, no socket and no listener is left', async () => {
    const first = await nodes.start(1);
    let told = 0;
    first.onChange(() => {
      told += 1;
    });
    await first.stop();
    await first.stop();
    first.announce({ schedule: stamp(idOf(1), 1), errors: 0 });
    first.addHost('127.0.0.2:1');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toBe(0);
    const port = Number(first.self.addr.split(':')[1]);
    const successor = await nodes.start(1, { port });
    expect(successor.self.addr).toBe(first.self.addr);
  });
});

interface Tap {
  readonly addr: string;
  readonly first: Promise<Buffer>;
  send(bytes: Uint8Array, addr: string): void;
  close(): void;
}

function openTap(host: string): Promise<Tap> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.bind(0, host, () =>
      resolve({
        addr: joinAddr(host, socket.address().port),
        first: new Promise((first) => socket.once('message', (bytes) => first(bytes))),
        send(bytes, addr) {
          const [to, port] = addr.split(':');
          socket.send(bytes, Number(port), to);
        },
        close: () => socket.close(),
      }),
    );
  });
}

/** Of every length; every other one begins as ours do. */
function rubbish(seed: number): Buffer {
  const bytes = Buffer.alloc(1 + ((seed * 37) % 3_000));
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = (seed * 31 + index * 17 + (index >> 3)) & 0xff;
  if (seed % 2 === 0) bytes.write('SWK\u0001');
  return bytes;
}
