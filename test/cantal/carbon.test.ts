import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exportRoutes } from '../../src/cantal/export-routes.ts';
import { type Cantal, startCantal } from '../../src/cantal/shell.ts';
import { retryDelayMs } from '../../src/cantal/sinks/backoff.ts';
import { bridgeLines } from '../../src/cantal/sinks/carbon/bridge-lines.ts';
import type { CarbonConfig } from '../../src/cantal/sinks/carbon/config.ts';
import { carbonConnection } from '../../src/cantal/sinks/carbon/connection.ts';
import { carbonLines } from '../../src/cantal/sinks/carbon/lines.ts';
import { cleaned } from '../../src/cantal/sinks/carbon/path.ts';
import { nextScan } from '../../src/cantal/sinks/carbon/replay.ts';
import type { SenderStatus } from '../../src/cantal/sinks/carbon/sender.ts';
import { carbonSink } from '../../src/cantal/sinks/carbon/sink.ts';
import { loadSinks } from '../../src/cantal/sinks/config.ts';
import { lineQueue } from '../../src/cantal/sinks/queue.ts';
import { startSinks } from '../../src/cantal/sinks/sinks.ts';
import { startHttp } from '../../src/http/server.ts';
import { packageRoot } from '../../src/native/load.ts';
import { createScanner, SeriesKind } from '../../src/native/scanner.ts';
import { skipped } from '../skipped.ts';
import { carbonCache, hasCarbon, withoutCarbon } from './carbon-cache.ts';
import { memoryScanner, processRow } from './memory-scanner.ts';

const { counter, integer, float } = SeriesKind;
/** Of this run alone: another program of this host may export one too. */
const heat = `heat${process.pid}`;
let folder = '';
const cleanups: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carbon-test-'));
});
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
  rmSync(folder, { recursive: true, force: true });
});

const sink = (more: Partial<CarbonConfig> = {}): CarbonConfig => ({
  host: '127.0.0.1',
  port: 2003,
  interval: 10,
  enableCgroupStats: true,
  enableApplicationMetrics: true,
  enableControllerMetrics: false,
  flatHostname: false,
  replay: false,
  ...more,
});

describe('the config folder', () => {
  it('has its sinks, and a line for each file that is not used', () => {
    writeFileSync(join(folder, 'main.carbon.yaml'), 'host: graphite\nenable_cgroup-stats: true\n');
    writeFileSync(join(folder, 'bad.carbon.yaml'), 'host: graphite\nintervall: 5\nport: 99999\n');
    writeFileSync(join(folder, 'notes.yaml'), '');
    const { sinks, warnings } = loadSinks(folder);
    expect([...sinks]).toEqual([
      ['main.carbon', { kind: 'carbon', ...sink({ host: 'graphite', enableApplicationMetrics: false }) }],
    ]);
    expect(warnings).toEqual([
      expect.stringMatching(/^not used: .*bad\.carbon\.yaml:2:1: intervall: unknown key .*interval/),
      expect.stringMatching(/^not used: .*bad\.carbon\.yaml:3:7: port: "99999"; expected a port from 1 to 65535/),
      expect.stringMatching(
        /notes\.yaml: not used: the name of a receiver ends in \.carbon\.yaml, \.remote-write\.yaml, \.otlp\.yaml/,
      ),
    ]);
    expect(loadSinks(join(folder, 'none'))).toEqual({ sinks: new Map(), warnings: [], broken: false });
  });
});

describe('lines', () => {
  const scanner = () => {
    const made = memoryScanner();
    const key = (labels: Record<string, string>, kind: number) => made.series(labels, kind);
    const web = { cgroup: 'lithos.box:web.0', pid: '10' };
    const ids = {
      user: key({ ...web, metric: 'user_time' }, counter),
      other: key({ ...web, metric: 'user_time', pid: '11' }, counter),
      read: key({ ...web, metric: 'read_bytes' }, counter),
      jobs: key({ ...web, metric: 'jobs', group: 'in coming/x' }, counter),
      queue: key({ ...web, metric: 'size', group: 'queue', state: 'up.down' }, integer),
      heat: key({ metric: 'heat', group: 'cpu', pid: '12', appname: 'sensor' }, float),
      kernel: key({ cgroup: 'system.nginx', metric: 'cgroup.memory.current' }, integer),
    };
    made.scan(10_000, {
      [ids.user]: 100,
      [ids.other]: 5,
      [ids.read]: 0,
      [ids.jobs]: 50,
      [ids.queue]: 1,
      [ids.heat]: 1,
    });
    // The counter of jobs was reset between these two.
    made.scan(12_000, {
      [ids.user]: 300,
      [ids.other]: 25,
      [ids.read]: 4096,
      [ids.jobs]: 2,
      [ids.queue]: 7,
      [ids.heat]: 1.5,
    });
    made.scan(14_000, {
      ...{ [ids.user]: 500, [ids.other]: 45, [ids.read]: 8192, [ids.jobs]: 6, [ids.queue]: -3, [ids.heat]: 36.5 },
      [ids.kernel]: 4096,
    });
    return made;
  };
  const moment = (cluster: string | null = 'main') => {
    const cantal = startCantal({ scanner: scanner(), intervalMs: 2000, version: '1' });
    cleanups.push(() => cantal.stop());
    const row = { cgroup: 'lithos.box:cmd.migrate.77', vsize: 1000, rss: 100, swap: 0, threads: 2 };
    const processes = [
      processRow({ pid: 10, cgroup: 'lithos.box:web.0', vsize: 1000, rss: 100, swap: 1, threads: 2 }),
      processRow({ pid: 11, cgroup: 'lithos.box:web.0', vsize: 500, rss: 50, swap: 2, threads: 3 }),
      processRow({ pid: 12, cgroup: null }),
      processRow({ pid: 77, ...row }),
    ];
    return { source: cantal.moment(), processes, cluster, hostname: 'node1.example', peers: { known: 4, stale: 1 } };
  };

  it('are named and computed as the specification says', () => {
    const lines = carbonLines(moment(), sink());
    const web = 'cantal.main.node1.example.cgroups.lithos.box:web.0';
    expect([...lines].sort()).toEqual(
      [
        `${web}.vsize 1500 14\n`,
        `${web}.rss 150 14\n`,
        `${web}.swap 3 14\n`,
        `${web}.num_processes 2 14\n`,
        `${web}.num_threads 5 14\n`,
        `${web}.user_cpu_percent 110 14\n`,
        `${web}.read_bps 2048 14\n`,
        `${web}.groups.in_coming_x.jobs 2 14\n`,
        `${web}.states.up.down.size -3 14\n`,
        `${web}.groups.queue.size -3 14\n`,
        'cantal.main.node1.example.cgroups.lithos.box:cmd.migrate.vsize 1000 14\n',
        'cantal.main.node1.example.cgroups.lithos.box:cmd.migrate.rss 100 14\n',
        'cantal.main.node1.example.cgroups.lithos.box:cmd.migrate.swap 0 14\n',
        'cantal.main.node1.example.cgroups.lithos.box:cmd.migrate.num_processes 1 14\n',
        'cantal.main.node1.example.cgroups.lithos.box:cmd.migrate.num_threads 2 14\n',
        'cantal.main.node1.example.apps.sensor.groups.cpu.heat 36.5 14\n',
        'cantal.main.node1.example.apps.cantal.groups.gossip.num_peers 4 14\n',
        'cantal.main.node1.example.apps.cantal.groups.gossip.num_stale 1 14\n',
      ].sort(),
    );
  });

  it('are as many as is enabled, under the names that were asked for', () => {
    const off = { enableCgroupStats: false, enableApplicationMetrics: false };
    expect(carbonLines(moment(), sink(off))).toEqual([]);
    expect(carbonLines(moment(null), sink({ ...off, enableControllerMetrics: true, flatHostname: true }))).toEqual([
      'cantal.no-cluster.node1_example.cgroups.system.nginx.controllers.memory.current 4096 14\n',
    ]);
  });

  it('are none before there are two samples', () => {
    const made = memoryScanner();
    const id = made.series({ metric: 'a', group: 'b', pid: '1', appname: 'c' }, integer);
    made.scan(1000, { [id]: 1 });
    const cantal = startCantal({ scanner: made, intervalMs: 2000, version: '1' });
    cleanups.push(() => cantal.stop());
    expect(carbonLines({ ...moment(), source: cantal.moment() }, sink())).toEqual([]);
  });

  it('carry any name in three words', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(cleaned(name)).toMatch(/^[\w.:@#%+=~-]+$/);
        expect(cleaned(name)).not.toMatch(/^\.|\.\.|\.$/);
      }),
    );
  });
});

describe('the queue', () => {
  it('keeps the newest, and counts what it drops, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ push: fc.nat({ max: 30 }) }),
      fc.record({ take: fc.nat({ max: 40 }) }),
      fc.constant({ confirm: true as const }),
      fc.constant({ back: true as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = lineQueue(20);
        const held = (): number => chunks.reduce((sum, count) => sum + count, 0);
        let next = 0;
        let gone = 0;
        const chunks: number[] = [];
        let heldAtPush = 0;
        for (const each of steps) {
          if ('push' in each) {
            queue.push(Array.from({ length: each.push }, () => `${next++}\n`));
            heldAtPush = held();
          } else if ('take' in each) {
            const lines = queue.take(each.take);
            if (lines !== null) chunks.push(lines.length);
          } else if ('confirm' in each) {
            queue.confirm();
            gone += chunks.shift() ?? 0;
          } else {
            queue.giveBack();
            chunks.length = 0;
          }
          expect(queue.size).toBeLessThanOrEqual(20);
          expect(queue.size).toBeGreaterThanOrEqual(held());
          expect(queue.size + queue.dropped + gone).toBe(next);
        }
        queue.giveBack();
        const rest = (queue.take(Number.POSITIVE_INFINITY) ?? []).map(Number);
        expect(rest).toEqual(rest.toSorted((a, b) => a - b));
        // Those that a write is under way with cannot be left out any more: new ones go instead.
        if (rest.length > 0 && heldAtPush === 0) expect(rest.at(-1)).toBe(next - 1);
      }),
    );
  });
});

/** A receiver that reads, or does not. */
async function receiver(reads: boolean, port = 0) {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    if (!reads) return void socket.pause();
    let rest = '';
    socket.on('data', (bytes) => {
      const parts = (rest + bytes).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
    });
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  cleanups.push(close);
  return { port: typeof address === 'object' && address !== null ? address.port : 0, lines, sockets, close };
}

async function until(what: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 250 && !what(); attempt++) await sleep(20);
  expect(what()).toBe(true);
}

describe('a connection', () => {
  it('comes back after 50 to 150 ms at first, and after 15 to 30 s at last', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 1000 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (failures, random) => {
          const delay = retryDelayMs(failures, random);
          expect(delay).toBeGreaterThanOrEqual(50);
          expect(delay).toBeLessThanOrEqual(30_000);
          if (failures === 0) expect(delay).toBeLessThanOrEqual(150);
          if (failures > 10) expect(delay).toBeGreaterThanOrEqual(15_000);
        },
      ),
    );
  });

  it('that was away sends what waited, the newest 10 000 lines, and has counted the others', async () => {
    const first = await receiver(true);
    const connection = carbonConnection({ host: '127.0.0.1', port: first.port });
    cleanups.push(() => connection.stop(0));
    connection.send(['a 1 1\n']);
    await until(() => first.lines.length === 1);
    await first.close();
    await until(() => !connection.status().connected);
    for (let batch = 0; batch < 12; batch++) {
      connection.send(Array.from({ length: 1000 }, (_, index) => `m${batch * 1000 + index} 1 1\n`));
    }
    expect(connection.status()).toMatchObject({ queued: 10_000, dropped: 2000 });
    const second = await receiver(true, first.port);
    await until(() => second.lines.length === 10_000);
    expect(second.lines[0]).toBe('m2000 1 1');
    expect(second.lines.at(-1)).toBe('m11999 1 1');
    expect(connection.status()).toMatchObject({ queued: 0, dropped: 2000, connected: true });
  });

  it('to a receiver that never reads is given up after the write timeout, and tried again', async () => {
    const { port, sockets } = await receiver(false);
    const connection = carbonConnection({ host: '127.0.0.1', port, writeTimeoutMs: 300 });
    cleanups.push(() => connection.stop(0));
    const long = `${'x'.repeat(5000)} 1 1\n`;
    const feeding = setInterval(() => connection.send(Array.from({ length: 500 }, () => long)), 10);
    cleanups.push(() => clearInterval(feeding));
    await until(() => connection.status().lastError === 'the receiver took nothing for 300 ms');
    await until(() => connection.status().connected);
    expect(sockets.size).toBeGreaterThan(0);
    expect(connection.status().queued).toBeLessThanOrEqual(10_000);
  });
});

describe('replay', () => {
  it('takes the newest scan where the receiver is up to date, and period by period what it missed', () => {
    const times = [
      60_000, 58_000, 40_000, 38_000, 36_000, 34_000, 32_000, 30_000, 28_000, 26_000, 24_000, 22_000, 20_000,
    ];
    const all: number[] = [];
    for (let sent = 20_000; ; ) {
      const index = nextScan(times, sent, 10_000);
      if (index === null) break;
      sent = times[index] ?? 0;
      all.push(sent);
    }
    // Between 40 and 58 s nobody scanned.
    expect(all).toEqual([30_000, 40_000, 58_000]);
    expect(nextScan(times, 51_000, 10_000)).toBe(0);
    expect(nextScan([], 0, 1000)).toBeNull();
  });

  it('ends, rises, and skips no more than a period of what there is, whatever was scanned when', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat({ max: 100_000 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.nat({ max: 100_000 }),
        (some, period, begun) => {
          const times = some.toSorted((a, b) => b - a);
          let sent = begun;
          for (let steps = 0; ; steps++) {
            expect(steps).toBeLessThanOrEqual(times.length);
            const index = nextScan(times, sent, period);
            if (index === null) break;
            const time = times[index] ?? 0;
            expect(time).toBeGreaterThan(sent);
            expect(times.filter((each) => each > sent + 1.5 * period && each < time)).toEqual([]);
            sent = time;
          }
          expect((times[0] ?? 0) - sent).toBeLessThan(period);
        },
      ),
    );
  });

  it('sends what a receiver missed as it would have been sent then', async () => {
    const first = await receiver(true);
    const made = memoryScanner();
    const cantal = startCantal({ scanner: made, intervalMs: 1000, version: '1' });
    cleanups.push(() => cantal.stop());
    const app = { pid: '7', cgroup: 'box' };
    const jobs = made.series({ ...app, metric: 'jobs', group: 'g' }, counter);
    const rss = made.series({ ...app, metric: 'rss' }, integer);
    let seconds = 0;
    const scan = () => {
      seconds += 1;
      made.scan(seconds * 1000, { [jobs]: seconds ** 2, [rss]: seconds * 100 });
      made.setProcesses([processRow({ pid: 7, cgroup: 'box', rss: seconds * 100 })]);
    };
    scan();
    scan();
    const moment = () => ({
      ...{ source: cantal.moment(), processes: made.processes(), cluster: null, hostname: 'h' },
      peers: { known: 0, stale: 0 },
    });
    const replaying = carbonSink(sink({ port: first.port, interval: 1, replay: true }), moment);
    cleanups.push(() => replaying.stop(0));
    const [status] = [() => (replaying.status() as SenderStatus).receivers[0]];
    await until(() => status()?.connected === true);
    scan();
    replaying.push();
    const ofGroup = (lines: readonly string[]) => lines.filter((line) => /\.jobs |\.rss |\.num_processes /.test(line));
    await until(() => ofGroup(first.lines).length === 3);
    await first.close();
    await until(() => status()?.connected === false);
    for (let index = 0; index < 5; index++) {
      scan();
      replaying.push();
    }
    expect(status()?.queued).toBe(0);
    const second = await receiver(true, first.port);
    await until(() => ofGroup(second.lines).length === 15);
    expect(ofGroup(second.lines)).toEqual(
      [4, 5, 6, 7, 8].flatMap((at) => [
        `cantal.no-cluster.h.cgroups.box.rss ${at * 100} ${at}`,
        `cantal.no-cluster.h.cgroups.box.num_processes 1 ${at}`,
        `cantal.no-cluster.h.cgroups.box.groups.g.jobs ${at ** 2 - (at - 1) ** 2} ${at}`,
      ]),
    );
  });
});

async function realCantal(): Promise<{ cantal: Cantal; pid: number }> {
  const values = Buffer.alloc(16);
  values.writeBigInt64LE(41n, 0);
  values.writeDoubleLE(36.6, 8);
  writeFileSync(join(folder, 'app.values'), values);
  writeFileSync(
    join(folder, 'app.meta'),
    `level 8 signed: {"metric":"size","group":"queue"}\nlevel 8 float: {"metric":"${heat}","group":"sensor"}\n`,
  );
  const env = { CANTAL_PATH: join(folder, 'app'), CANTAL_APPNAME: 'demo' };
  const app = spawn('/bin/sleep', ['1000'], { env, stdio: 'ignore' });
  cleanups.push(() => app.kill('SIGKILL'));
  await once(app, 'spawn');
  const cantal = startCantal({ scanner: createScanner({ intervalMs: 200 }), intervalMs: 200, version: '1' });
  cleanups.push(() => cantal.stop());
  await until(() => cantal.moment().scanTimes.length > 3);
  return { cantal, pid: app.pid ?? 0 };
}

describe.skipIf(skipped(hasCarbon, 'Graphite', withoutCarbon))('carbon-cache', () => {
  it('has on disk what the daemon pushed, over its own death too', async () => {
    const carbon = await carbonCache();
    cleanups.push(() => carbon.remove());
    await carbon.start();
    const { cantal } = await realCantal();
    const sent: string[] = [];
    const config = sink({ port: carbon.port, interval: 1 });
    const text = `host: 127.0.0.1\nport: ${carbon.port}\ninterval: 1\nenable-application-metrics: true\n`;
    writeFileSync(join(folder, 'main.carbon.yaml'), text);
    const moment = () => {
      const now = {
        ...{ source: cantal.moment(), processes: [], cluster: 'test', hostname: 'node1' },
        peers: { known: 2, stale: 0 },
      };
      sent.push(...carbonLines(now, { ...config, enableCgroupStats: false }));
      return now;
    };
    const pusher = startSinks({ folder, moment, version: '1', log: () => {} });
    cleanups.push(() => pusher.stop());
    const receivers = () => (pusher.status()[0] as unknown as SenderStatus).receivers;
    const verify = async () => {
      const owner = sent.find((line) => line.includes('.queue.size '))?.split('.groups.')[0] ?? '';
      expect(owner).toMatch(/^cantal\.test\.node1\.(apps\.demo|cgroups\.)/);
      for (const path of [`${owner}.groups.queue.size`, `${owner}.groups.sensor.${heat}`]) {
        const [, value = '', time = ''] =
          sent
            .findLast((line) => line.startsWith(`${path} `))
            ?.trim()
            .split(' ') ?? [];
        expect(await carbon.valueAt(path, Number(time)), `${path} at ${time}`).toBe(Number(value));
      }
      expect(await carbon.valueAt('cantal.test.node1.apps.cantal.groups.gossip.num_peers', lastTime())).toBe(2);
    };
    const lastTime = () => Number(sent.at(-1)?.trim().split(' ')[2]);
    await until(() => (receivers()[0]?.sent ?? 0) >= 6);
    await verify();
    await carbon.kill();
    const before = sent.length;
    await until(() => receivers()[0]?.connected === false && sent.length > before);
    const waited = sent.at(-1)?.trim().split(' ') ?? [];
    await carbon.start();
    await until(() => receivers()[0]?.connected === true);
    expect(await carbon.valueAt(waited[0] ?? '', Number(waited[2]))).toBe(Number(waited[1]));
    await verify();
  }, 60_000);

  it('has on disk what the bridge scraped, and one bad host delays nobody', async () => {
    const carbon = await carbonCache();
    cleanups.push(() => carbon.remove());
    await carbon.start();
    const { cantal } = await realCantal();
    const routes = exportRoutes(cantal, { hostname: 'node7', cluster: 'test' });
    const server = await startHttp({ host: '127.0.0.1', port: 0, routes });
    cleanups.push(() => server.stop());
    const silent = await receiver(false);
    const words = [
      'cantal',
      'graphite-bridge',
      '--carbon',
      `127.0.0.1:${carbon.port}`,
      '--once',
      '--pattern',
      `^${heat}$`,
    ];
    const hosts = [`127.0.0.1:${silent.port}`, `127.0.0.1:${server.port}`];
    const bin = join(packageRoot(), 'bin/stellwerk.js');
    const child = spawn(process.execPath, [bin, ...words, '--interval', '2', ...hosts], { stdio: 'pipe' });
    let said = '';
    child.stderr.on('data', (bytes) => {
      said += bytes;
    });
    const [code] = await once(child, 'exit');
    expect(said).toContain(`127.0.0.1:${silent.port}: did not answer in time`);
    expect(said).toMatch(/2 hosts, carbon 127\.0\.0\.1:\d+: 1 lines sent, 0 not sent\n/);
    expect(code).toBe(1);
    const reply = JSON.parse(JSON.stringify(await exported(server.port)));
    const [found] = bridgeLines(reply, { prefix: 'cantal', processes: false }) as readonly string[];
    const path = found?.split(' ')[0] ?? '';
    expect(path).toMatch(/^cantal\.test\.node7\.(apps\.demo|cgroups\..*)\.groups\.sensor\.heat\d+$/);
    const file = Math.floor(Date.now() / 1000);
    const values = await Promise.all(
      Array.from({ length: 8 }, (_, index) => index).map((index) => at(carbon, path, file - index)),
    );
    expect(values.filter((value) => value !== null)).toEqual([36.6]);
  }, 60_000);
});

const exported = async (port: number): Promise<unknown> =>
  (await fetch(`http://127.0.0.1:${port}/v1/metrics.json?pattern=%5E${heat}%24`)).json();

/** Whatever stands there already; it was waited for elsewhere. */
async function at(carbon: Awaited<ReturnType<typeof carbonCache>>, path: string, seconds: number) {
  return Promise.race([carbon.valueAt(path, seconds), sleep(1500).then(() => null)]);
}

describe('the bridge', () => {
  const reply = (metrics: object[]) => ({ host: 'a.b', cluster: null, timestamp: 2000, metrics });
  const naming = { prefix: 'cantal', processes: false };

  it('names metrics by their labels, sums processes of one name, and leaves single ones out', () => {
    const row = (labels: object, value: unknown, more: object = {}) => ({
      ...{ name: 'm', labels, kind: 'Integer', value, timestamp: 2000 },
      ...more,
    });
    const metrics = [
      row({ metric: 'memory.MemFree' }, 5),
      row({ metric: 'disk.time', device: 'sd a.1' }, '18446744073709551615'),
      row({ metric: 'rss', pid: '1', cgroup: 'x' }, 5),
      row({ metric: 'jobs', pid: '1', cgroup: 'x.y', group: 'g', state: 's.t' }, 5),
      row({ metric: 'jobs', pid: '2', cgroup: 'x.y', group: 'g', state: 's.t' }, 6),
      row({ metric: 'old', appname: 'z', pid: '3' }, 1, {
        samples: [
          [1000, 1],
          [3000, null],
          [4000, 2.5],
        ],
      }),
      row({ metric: 'gone' }, null),
    ];
    expect(bridgeLines(reply(metrics), naming)).toEqual([
      'cantal.no-cluster.a_b.memory.MemFree 5 2\n',
      'cantal.no-cluster.a_b.disk.time.device.sd_a_1 18446744073709552000 2\n',
      'cantal.no-cluster.a_b.cgroups.x.y.states.s.t.groups.g.jobs 11 2\n',
      'cantal.no-cluster.a_b.apps.z.old 1 1\n',
      'cantal.no-cluster.a_b.apps.z.old 2.5 4\n',
    ]);
    expect(bridgeLines(reply(metrics), { prefix: '', processes: true })).toContain(
      'no-cluster.a_b.cgroups.x.rss 5 2\n',
    );
  });

  it('says what is wrong with an answer, whatever it is', () => {
    expect(bridgeLines({ error: 'no' }, naming)).toMatch(/not the answer of a cantal/);
    expect(bridgeLines(reply([{ labels: { a: [] }, name: 'm', value: 1, timestamp: 1 }]), naming)).toMatch(/no text/);
    expect(bridgeLines(reply([{ labels: {}, name: { toString: [] }, value: 1, timestamp: 1 }]), naming)).toEqual([
      'cantal.no-cluster.a_b.unnamed 1 0\n',
    ]);
    fc.assert(
      fc.property(fc.anything(), fc.array(fc.anything()), (any, list) => {
        for (const value of [
          any,
          reply(list as object[]),
          reply([{ labels: any, name: any, value: any, timestamp: 1 }]),
        ]) {
          const lines = bridgeLines(value, naming);
          if (typeof lines === 'string') continue;
          for (const line of lines) expect(line).toMatch(/^[\w.:@#%+=~-]+ -?[\d.e+-]+ -?\d+\n$/);
        }
      }),
    );
  });

  it('refuses bad words with exit code 2', () => {
    const bin = join(packageRoot(), 'bin/stellwerk.js');
    const run = (...words: string[]) =>
      spawnSync(process.execPath, [bin, 'cantal', 'graphite-bridge', ...words], { encoding: 'utf8' });
    expect(run('host', '--carbon', 'b:2')).toMatchObject({ status: 2, stderr: expect.stringContaining('HOST:PORT') });
    expect(run('a:1', '--carbon', 'b:2', '--pattern', '(')).toMatchObject({ status: 2 });
    expect(run('--carbon', 'b:2')).toMatchObject({ status: 2 });
  });
});
