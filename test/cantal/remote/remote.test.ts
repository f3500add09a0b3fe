import { afterEach, describe, expect, test } from 'vitest';
import { checkRules } from '../../../src/cantal/query/rule.ts';
import { decodeReply } from '../../../src/cantal/remote/decode.ts';
import { encodeRequest } from '../../../src/cantal/remote/encode.ts';
import { filterId, filtersOf } from '../../../src/cantal/remote/filter.ts';
import { createMirror } from '../../../src/cantal/remote/mirror.ts';
import { idOf, interval, type TestNode, testNodes, until } from './nodes.ts';

type Nodes = Awaited<ReturnType<typeof testNodes>>;
let running: Nodes | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});
async function start(count: number, labels?: Parameters<typeof testNodes>[1]): Promise<readonly TestNode[]> {
  running = await testNodes(count, labels);
  return running.nodes;
}
const scanAll = (nodes: readonly TestNode[], times: number) => {
  for (let n = 0; n < times; n++) for (const node of nodes) node.scan();
};

const load = (samples: number) => ({
  r: { series: { source: 'Fine', condition: ['Eq', 'metric', 'load'] }, extract: ['HistoryByNum', samples] },
});
const [own, other, third] = [idOf(1), idOf(2), idOf(3)];
const fromOf = (json: { sources: Record<string, { from: string }> }, id: string) => json.sources[id]?.from;
const byHost = (node: TestNode | undefined, samples: number) =>
  node?.post('/v1/query_by_host', { rules: load(samples) }) ?? Promise.reject(new Error('no node'));
const connected = (node: TestNode | undefined, count: number) =>
  until(`${count} connections`, async () => {
    const stats = (await node?.get('/remote_stats')) as { peers: { connected: boolean; last_beacon: unknown }[] };
    return stats.peers.filter((peer) => peer.connected && peer.last_beacon !== null).length === count;
  });

describe('a query about all hosts', () => {
  test('is answered at once by asking, then from streams, with the same values and where they are from', async () => {
    const nodes = await start(3);
    scanAll(nodes, 10);
    const first = await byHost(nodes[0], 5);
    expect(first.json.sources).toEqual({
      [own]: { from: 'own', age_ms: expect.any(Number) },
      [other]: { from: 'asked', age_ms: expect.any(Number) },
      [third]: { from: 'asked', age_ms: expect.any(Number) },
    });
    expect(nodes[0]?.announced).toEqual([true]);
    await until('streams', async () => {
      const { json } = await byHost(nodes[0], 5);
      return [other, third].every((id) => fromOf(json, id) === 'stream');
    });
    const asked = nodes[0]?.asked.length;
    scanAll(nodes, 3);
    await until('the newest scan', async () => {
      const { json } = await byHost(nodes[0], 5);
      const [, , , times] = json.by_host[other].r;
      return times[0] === nodes[1]?.cantal.brief().scan_time;
    });
    const { json } = await byHost(nodes[0], 5);
    expect(json.missing).toEqual([]);
    for (const [index, id] of [own, other, third].entries()) {
      const answer = nodes[index]?.cantal.query(load(5));
      expect(json.by_host[id]).toEqual(answer?.kind === 'values' ? answer.values : null);
    }
    expect(nodes[0]?.asked.length).toBe(asked);
    expect((await nodes[0]?.post('/remote/query_by_host', { rules: load(5) }))?.json).toEqual(json.by_host);
  });

  test('that looks back farther than the mirrors asks, and connects nobody', async () => {
    const nodes = await start(2);
    scanAll(nodes, 3);
    const { json } = await byHost(nodes[0], 151);
    expect(fromOf(json, other)).toBe('asked');
    expect(nodes[0]?.announced).toEqual([]);
    expect(await nodes[0]?.get('/remote/mem_info')).toBe(null);
  });

  test('shows a host that is gone by what was known of it, with nulls since, and names it; and has it back', async () => {
    const nodes = await start(2);
    scanAll(nodes, 10);
    await byHost(nodes[0], 5);
    await connected(nodes[0], 1);
    await until('a stream', async () => fromOf((await byHost(nodes[0], 5)).json, other) === 'stream');
    await nodes[1]?.stopServer();
    await until('it is missed', async () => (await byHost(nodes[0], 5)).json.missing.includes(other));
    const { json } = await byHost(nodes[0], 5);
    expect(fromOf(json, other)).toBe('mirror');
    const [, , [, values]] = json.by_host[other].r;
    // Its scans ended 40 s ago on its own clock.
    expect(values).toEqual([null, null, null, null, null]);
    const inner = await nodes[0]?.remote.queryByHost(load(5), 500);
    expect(Object.keys(inner?.byHost ?? {})).toEqual([own]);

    await nodes[1]?.startServer();
    await until('the stream again', async () => fromOf((await byHost(nodes[0], 5)).json, other) === 'stream');
    expect((await byHost(nodes[0], 5)).json.missing).toEqual([]);
  });

  test('over POST /start_remote has its connections before', async () => {
    const nodes = await start(3);
    scanAll(nodes, 2);
    expect(await nodes[0]?.post('/start_remote', {})).toEqual({ status: 200, json: { ok: true } });
    await connected(nodes[0], 2);
    expect(await nodes[0]?.get('/remote/mem_info')).toMatchObject({ tokens: 2, peers: 2, subscriptions: 0 });
    const stats = await nodes[0]?.get('/remote_stats');
    expect(stats).toMatchObject({
      peers: [
        {
          id: other,
          connected: true,
          last_beacon: { hostname: 'h2', interval, fine_values: 2, fine_history_length: 2 },
        },
        { id: third, connected: true },
      ],
    });
  });
});

describe('who is asked', () => {
  const condition = ['Eq', 'metric', 'load'];
  const text = JSON.stringify(['Fine', condition]);
  const subscribe = encodeRequest({ kind: 'subscribe', filter: filterId(text), text, samples: 3 });

  /** A peer that takes what it is sent only when told. */
  function peerOf(node: TestNode | undefined) {
    if (node === undefined) throw new Error('no node');
    const sent: Uint8Array[] = [];
    const closed: string[] = [];
    const peer = { backlog: 0 };
    const client = node.remote.stream.open({
      backlog: () => peer.backlog,
      send: (message) => void sent.push(message),
      close: (reason) => void closed.push(reason),
    });
    return { sent, closed, peer, client };
  }

  test('leaves a slow reader at most one message, and tells it all that it missed when it reads again', async () => {
    const nodes = await start(1);
    scanAll(nodes, 5);
    const { sent, peer, client } = peerOf(nodes[0]);
    client.receive(subscribe);
    expect(sent.length).toBe(2);
    peer.backlog = 1;
    scanAll(nodes, 40);
    expect(sent.length).toBe(2);
    peer.backlog = 0;
    client.drained();
    const mirror = createMirror();
    for (const bytes of sent) {
      const decoded = decodeReply(bytes);
      if (decoded.kind === 'message' && decoded.message.kind === 'stats') {
        expect(mirror.merge(decoded.message.stats, interval)).toBe(null);
      }
    }
    const moment = nodes[0]?.cantal.moment();
    expect(mirror.source(0, null).history(0, 43)).toEqual(moment?.history(0, 43));
    scanAll(nodes, 1);
    // A beacon and an increment.
    expect(sent.length).toBe(6);
    expect(sent.at(-1)?.length).toBeLessThan(120);
    client.leave();
    scanAll(nodes, 1);
    expect(sent.length).toBe(6);
  });

  test('closes for what is no request, with the reason', async () => {
    const nodes = await start(1);
    scanAll(nodes, 1);
    const wrong = [
      new Uint8Array([1, 2, 3]),
      encodeRequest({ kind: 'subscribe', filter: filterId('x'), text, samples: 3 }),
      encodeRequest({ kind: 'subscribe', filter: filterId('["Fine",["No"]]'), text: '["Fine",["No"]]', samples: 3 }),
    ];
    for (const bytes of wrong) {
      const { closed, client } = peerOf(nodes[0]);
      client.receive(bytes);
      expect(closed.length).toBe(1);
      client.leave();
    }
  });

  test('a rule’s filter is its source and condition, and its rows what it looks back', () => {
    const rules = {
      tip: { series: { source: 'Fine', condition }, extract: ['Tip'] },
      diff: { series: { source: 'Fine', condition }, extract: ['DiffToAtMost', 15] },
      time: { series: { source: 'Fine', condition }, extract: ['HistoryByTime', 60_000] },
    };
    const checked = checkRules(rules);
    if (checked.kind === 'bad') throw new Error(checked.reason);
    const filters = filtersOf(rules, checked.value, interval);
    expect([...(filters?.values() ?? [])].map(({ id, samples }) => [id, samples])).toEqual([
      [filterId(text), 1],
      [filterId(text), 16],
      [filterId(text), 32],
    ]);
  });
});

describe('a sum over hosts', () => {
  const rules = {
    load: { series: { source: 'Fine', condition: ['Eq', 'metric', 'load'] }, extract: ['HistoryByTime', 3_600_000] },
  };
  const fold = { step: 10_000, across: 'Sum' };
  const folds = (node: TestNode | undefined) => node?.asked.filter(({ path }) => path === '/v1/peer/fold') ?? [];

  test('asks the hosts that are meant, and after the first time only them', async () => {
    const nodes = await start(3, (number) => ({ role: number === 2 ? 'db' : 'web' }));
    scanAll(nodes, 20);
    const ask = async (hosts: unknown) => (await nodes[0]?.post('/v1/query_cluster', { rules, fold, hosts }))?.json;
    const first = await ask({ role: 'web' });
    expect(Object.keys(first.sources).sort()).toEqual([own, third]);
    expect(first).toMatchObject({ missing: [], refused: {}, left_out: 1 });
    expect(folds(nodes[0]).length).toBe(2);
    const [, , [, values]] = first.values.load;
    // 1 + 3, and the same hundredths on both.
    expect(values[1]).toBeGreaterThan(4);
    expect(values[1]).toBeLessThan(4.2);
    await ask({ role: 'web' });
    expect(folds(nodes[0]).length).toBe(3);
    expect((await ask({ role: 'cache' })).values.load).toEqual(['Empty']);
    expect((await ask(['RegexLike', 'hostname', '^h[12]$'])).left_out).toBe(1);
    expect((await nodes[0]?.get('/status')) as object).toMatchObject({ labels: { role: 'web' } });
  });

  test('that comes again is told the new buckets only, and says the same', async () => {
    const nodes = await start(2);
    scanAll(nodes, 1800);
    const ask = async () => (await nodes[0]?.post('/v1/query_cluster', { rules, fold }))?.json;
    await ask();
    scanAll(nodes, 7);
    const again = await ask();
    const [whole, newer] = folds(nodes[0]).map(({ bytes }) => bytes);
    process.stdout.write(`an hour of one sum in steps of 10 s: ${whole} bytes per host, then ${newer}\n`);
    expect(whole).toBeLessThan(6_000);
    expect(newer).toBeLessThan(500);
    const fresh = await nodes[1]?.post('/v1/query_cluster', { rules, fold });
    // Of the oldest bucket only a piece is left in the hour.
    const closed = (json: typeof again) => json.values.load[2][1].slice(0, -1);
    expect(closed(again)).toEqual(closed(fresh?.json));
    expect(again.values.load[3]).toEqual(fresh?.json.values.load[3]);
    expect(again.hosts_per_bucket.load.every((hosts: number) => hosts === 2)).toBe(true);
  });

  test('names who did not answer, and refuses what is wrong', async () => {
    const nodes = await start(2);
    scanAll(nodes, 20);
    await nodes[1]?.stopServer();
    const ask = async (body: unknown) => nodes[0]?.post('/v1/query_cluster?deadline_ms=500', body);
    expect((await ask({ rules, fold }))?.json).toMatchObject({ missing: [other], sources: { [own]: { from: 'own' } } });
    expect(await ask({ rules, fold: { step: 1 } })).toMatchObject({
      status: 400,
      json: { error: expect.stringMatching(/^fold.step: /) },
    });
  });
});
