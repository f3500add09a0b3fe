import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { socketTable } from '../../src/cantal/sockets.ts';
import { readSockets, type SocketRow } from '../../src/native/scanner.ts';

const socket = (local: string, remote: string, state: number, more: Partial<SocketRow> = {}): SocketRow => ({
  protocol: 'tcp',
  family: local.startsWith('[') ? 6 : 4,
  local,
  remote,
  localPort: Number(local.split(':').at(-1)),
  remotePort: Number(remote.split(':').at(-1)),
  state,
  receiveQueue: 0,
  sendQueue: 0,
  uid: 7,
  ...more,
});

it('tells those who serve from those who ask', () => {
  const table = socketTable([
    socket('0.0.0.0:80', '0.0.0.0:0', 10),
    socket('10.0.0.1:80', '10.0.0.2:5000', 1, { receiveQueue: 12 }),
    socket('10.0.0.1:6000', '10.0.0.3:5432', 1, { sendQueue: 3, uid: 9 }),
    socket('127.0.0.1:8379', '0.0.0.0:0', 10),
    socket('10.0.0.1:8379', '10.0.0.9:1234', 6),
    socket('0.0.0.0:53', '0.0.0.0:0', 7, { protocol: 'udp' }),
  ]);
  expect(table.global).toEqual({
    by_state: { LISTEN: 3, ESTABLISHED: 2, TIME_WAIT: 1 },
    rx_queue: 12,
    tx_queue: 3,
  });
  expect(table.passive['7']?.['80']?.listeners).toHaveLength(1);
  expect(table.passive['7']?.['80']?.clients).toMatchObject([{ remote_address: '10.0.0.2:5000', rx_queue: 12 }]);
  expect(table.passive['7']?.['53']?.listeners).toMatchObject([{ protocol: 'udp', state: 'LISTEN' }]);
  // Listened at 127.0.0.1 only: a connection from 10.0.0.1 has nothing to do with it.
  expect(table.passive['7']?.['8379']?.clients).toEqual([]);
  expect(table.active['7']?.['1234']?.connections).toHaveLength(1);
  expect(table.active['9']?.['5432']?.connections).toMatchObject([{ tx_queue: 3 }]);
});

it('of more than a thousand sockets in one place only the statistics stay', () => {
  const many = Array.from({ length: 1001 }, (_, index) => socket('10.0.0.1:80', `10.0.0.2:${index + 1000}`, 1));
  const table = socketTable([socket('0.0.0.0:80', '0.0.0.0:0', 10), ...many]);
  expect(table.passive['7']?.['80']?.clients).toBeNull();
  expect(table.passive['7']?.['80']?.stats.by_state).toEqual({ LISTEN: 1, ESTABLISHED: 1001 });
  const fewer = socketTable([socket('0.0.0.0:80', '0.0.0.0:0', 10), ...many.slice(1)]);
  expect(fewer.passive['7']?.['80']?.clients).toHaveLength(1000);
});

it('counts each socket once, whatever they are', () => {
  const any = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    port: fc.integer({ min: 0, max: 3 }),
    peer: fc.integer({ min: 0, max: 3 }),
    wild: fc.boolean(),
    state: fc.integer({ min: 0, max: 255 }),
    uid: fc.integer({ min: 0, max: 2 }),
  });
  fc.assert(
    fc.property(fc.array(any), (all) => {
      const table = socketTable(
        all.map(({ protocol, port, peer, wild, state, uid }) =>
          socket(`${wild ? '0.0.0.0' : '10.0.0.1'}:${port}`, `10.0.0.2:${peer}`, state, { protocol, uid }),
        ),
      );
      const buckets = [...Object.values(table.passive), ...Object.values(table.active)].flatMap((ports) =>
        Object.values(ports),
      );
      const counted = buckets
        .flatMap(({ stats }): number[] => Object.values(stats.by_state))
        .reduce((a, b) => a + b, 0);
      expect(counted).toBe(all.length);
    }),
  );
});

it('finds a real listener and its client', async () => {
  const accepted: Socket[] = [];
  const server = createServer((peer) => accepted.push(peer)).listen(0, '::1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '::1');
  await new Promise((resolve) => client.once('connect', resolve));
  try {
    const table = socketTable(await readSockets());
    const own = table.passive[String(process.getuid?.())]?.[String(port)];
    expect(own?.listeners).toMatchObject([{ local_address: `[::1]:${port}`, state: 'LISTEN' }]);
    expect(own?.clients?.[0]?.local_address).toBe(`[::1]:${port}`);
    expect(table.active[String(process.getuid?.())]?.[String(port)]?.connections).toHaveLength(1);
  } finally {
    client.destroy();
    for (const peer of accepted) peer.destroy();
    server.close();
  }
});
