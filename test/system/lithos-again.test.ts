import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { seeded } from '../../src/sim/random.ts';
import { skipped } from '../skipped.ts';
import { identityOf, type LithosHost, lithosHost, lives } from './lithos-host.ts';

const isRoot = process.getuid?.() === 0;
const self = process.getuid?.() ?? 0;

let host: LithosHost;
afterEach(() => host.remove());

const allRunning = (count: number): Promise<true> =>
  host.until(`${count} running`, ({ containers }) => {
    return containers.length === count && containers.every(({ phase }) => phase === 'running');
  });

const identities = async (): Promise<ReadonlyMap<string, string>> =>
  new Map([...(await host.running())].map(([name, each]) => [name, identityOf(each)]));

const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** A tree that starts again keeps its pid; its start time of the status tells the images apart. */
async function again(signal: NodeJS.Signals): Promise<void> {
  const { startTimeMs } = await host.status();
  host.kill(signal);
  await host.until('a new image', (status) => status.startTimeMs > startTimeMs);
}

/** Until no signal is left that would start it again. */
async function settled(): Promise<void> {
  const imageOf = (): Promise<number> => host.until('an answer', ({ startTimeMs }) => startTimeMs);
  for (let image = await imageOf(), last = 0; image !== last; image = await imageOf()) {
    last = image;
    await sleep(1_000);
  }
}

async function twoSleepers(): Promise<void> {
  host = lithosHost(self);
  host.want({ sleeper: 2 });
  await host.start();
  await allRunning(2);
}

describe('a tree starts again in its own process', () => {
  it.each(['SIGHUP', 'SIGQUIT', 'SIGSEGV', 'SIGABRT', 'SIGBUS'] as const)(
    'on %s, and its containers go on',
    async (signal) => {
      await twoSleepers();
      const before = await identities();
      const pid = host.treePid();
      await again(signal);
      expect((await host.status()).pid).toBe(pid);
      expect(await identities()).toEqual(before);
      for (const each of (await host.running()).values()) expect(each).toMatchObject({ adopted: true, restarts: 0 });
      expect(await host.endTree('SIGTERM')).toBe(0);
      for (let wait = 0; wait < 50 && host.leftovers().length > 0; wait++) await sleep(20);
      expect(host.leftovers()).toEqual([]);
    },
  );

  it('a thousand times in a burst, losing nothing and leaking no descriptor', async () => {
    await twoSleepers();
    const before = await identities();
    await again('SIGQUIT');
    const files = openFiles(host.treePid());
    for (let burst = 0; burst < 20; burst++) {
      for (let signal = 0; signal < 50; signal++) host.kill('SIGQUIT');
      await sleep(50);
    }
    await settled();
    expect(await identities()).toEqual(before);
    expect(openFiles(host.treePid())).toBeLessThanOrEqual(files + 2);
  });

  it('and remembers how often things were started, and how they ended', async () => {
    host = lithosHost(self);
    host.container('failing', 'executable: /usr/bin/sh\narguments: [-c, "exit 3"]\nrestart-timeout: 0.2\n');
    host.want({ failing: 1 });
    await host.start();
    await host.until('three restarts', ({ containers: [each] }) => (each?.restarts ?? 0) >= 3);
    await again('SIGHUP');
    const [after] = (await host.status()).containers;
    expect(after?.restarts).toBeGreaterThanOrEqual(3);
    expect(after?.lastEnd).toMatchObject({ exitCode: 3 });
    await host.endTree('SIGKILL');
    await host.start();
    expect((await host.status()).containers[0]?.restarts).toBeGreaterThanOrEqual(3);
  });

  it('from the program that is installed by then', async () => {
    const installed = mkdtempSync(join(tmpdir(), 'installed-'));
    try {
      for (const part of ['bin', 'dist', 'package.json'])
        cpSync(join(packageRoot(), part), join(installed, part), { recursive: true });
      for (const part of ['build', 'node_modules']) symlinkSync(join(packageRoot(), part), join(installed, part));
      host = lithosHost(0, { program: join(installed, 'bin', 'stellwerk.js') });
      host.want({ sleeper: 2 });
      await host.start();
      await allRunning(2);
      const [before, { version }, pid] = [await identities(), await host.status(), host.treePid()];
      for (const name of readdirSync(join(installed, 'dist'))) {
        if (!name.endsWith('.js')) continue;
        const file = join(installed, 'dist', name);
        const text = readFileSync(file, 'utf8').replaceAll(JSON.stringify(version), '"next-version"');
        rmSync(file);
        writeFileSync(file, text);
      }
      // A switch has the new program read the new config.
      const next = host.file({ sleeper: 3 });
      expect(host.lithos('switch', '--master', host.master, 'box', next)).toMatchObject({ code: 0 });
      await host.until('the new program', (status) => status.version === 'next-version');
      await allRunning(3);
      expect(host.treePid()).toBe(pid);
      for (const [name, identity] of before) expect((await identities()).get(name)).toBe(identity);
    } finally {
      rmSync(installed, { recursive: true, force: true });
    }
  });
});

describe('two hundred kills of the tree at random moments', () => {
  const seed = Number(process.env.KILL_SEED ?? 200);
  const kills = Number(process.env.KILLS ?? 200);

  it('under a changing config lose no container, start none twice and leave no orphan', async () => {
    const random = seeded(seed);
    const moments = new Map<string, number>();
    host = lithosHost(self);
    host.container('steady', 'executable: /usr/bin/sleep\narguments: ["100001"]\n');
    host.want({ steady: 3 });
    await host.start();
    await allRunning(3);
    const steady = await identities();
    let others = 0;
    let logged = 0;
    for (let kill = 0; kill < kills; kill++) {
      const told = random() < 0.4;
      if (told) await host.until('an answer', () => true);
      if (told || random() < 0.4) {
        others = told ? (others > 6 ? 0 : 12) : Math.floor(random() * 13);
        host.want({ steady: 3, sleeper: others });
      }
      if (told) {
        // Aimed at the middle of starting and stopping.
        void host
          .client()
          .reload()
          .catch(() => {});
        await sleep(random() * 60);
      } else await sleep(random() * (random() < 0.5 ? 600 : 60));
      await host.endTree('SIGKILL');
      const moment = momentOf(host.log().slice(logged), told ? 3 + others : null);
      logged = host.log().length;
      moments.set(moment, (moments.get(moment) ?? 0) + 1);
      expect(doubles(), `seed ${seed}, kill ${kill}, ${moment}`).toEqual([]);
      if (kill % 10 < 9) {
        host.launch();
        continue;
      }
      await host.start();
      await allRunning(3 + others);
      expect(knots().length, `seed ${seed}, kill ${kill}`).toBe(3 + others);
      const now = await identities();
      for (const [name, identity] of steady) expect(now.get(name), `seed ${seed}, kill ${kill}`).toBe(identity);
    }
    process.stdout.write(
      `seed ${seed}: killed ${[...moments].map(([moment, count]) => `${count} × ${moment}`).join(', ')}\n`,
    );
    expect(await host.endTree('SIGTERM')).toBe(0);
    for (let wait = 0; wait < 100 && host.leftovers().length > 0; wait++) await sleep(20);
    expect(host.leftovers()).toEqual([]);
    // More than one kind of moment, or the test shows little.
    expect(moments.size).toBeGreaterThanOrEqual(3);
  }, 400_000);

  /** What the tree was about, as far as its log since its start and its files tell. */
  function momentOf(log: string, wanted: number | null): string {
    const state = join(host.dir, 'run', 'state', 'box');
    const phases = readdirSafe(state).map((name) => {
      try {
        const { phase } = JSON.parse(readFileSync(join(state, name, 'status'), 'utf8')) as { phase: string };
        return phase;
      } catch {
        return 'made ready';
      }
    });
    for (const phase of ['made ready', 'starting', 'stopping', 'ended']) {
      if (phases.includes(phase)) return `while an instance was ${phase}`;
    }
    // Some are there and some are not: it was killed between two of them.
    if (wanted !== null && phases.length !== wanted) {
      return `in the middle of ${phases.length < wanted ? 'starting' : 'stopping'} containers`;
    }
    if (log.includes('supervises')) return 'at rest';
    return log.includes('adopted') ? 'after adopting' : 'before it adopted';
  }

  /** Living knots of this host. The init of each container is a fork of its knot, and looks like it. */
  function knots(): readonly number[] {
    const all = pids()
      .filter((pid) => new RegExp(`^\\S*/knot\\0.*${host.dir}/`).test(readSafe(`/proc/${pid}/cmdline`)))
      .map(Number);
    return all.filter((pid) => !all.includes(parentOf(pid)));
  }

  /** proc_pid_stat(5) field 4. */
  function parentOf(pid: number): number {
    const stat = readSafe(`/proc/${pid}/stat`);
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  }

  /** Names of which more than one program runs. */
  function doubles(): readonly string[] {
    const names = pids().flatMap((pid) => {
      if (!readSafe(`/proc/${pid}/cmdline`).startsWith('/usr/bin/sleep')) return [];
      const root = readSafe(`/proc/${pid}/environ`);
      const name = /(?:^|\0)LITHOS_NAME=([^\0]*)/.exec(root)?.[1];
      return name === undefined || !readSafe(`/proc/${pid}/mountinfo`).includes(host.dir.split('/').at(-1) ?? '')
        ? []
        : [name];
    });
    return names.filter((name, index) => names.indexOf(name) < index);
  }
});

const pids = (): readonly string[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

function readSafe(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function readdirSafe(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

describe.skipIf(skipped(isRoot, 'the tree as process 1 of a pid namespace', 'needs root'))('as process 1', () => {
  it('the tree reaps thousands of orphans while it supervises', async () => {
    host = lithosHost(0, { within: ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] });
    host.want({ sleeper: 2 });
    await host.start();
    await allRunning(2);
    expect((await host.status()).pid).toBe(1);
    const before = await host.running();
    const outer = childrenOf(host.treePid())[0] ?? 0;
    expect(readFileSync(`/proc/${outer}/status`, 'utf8')).toMatch(/^NSpid:\s+\d+\s+1$/m);
    const script = 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); (true &) ; done; (sleep 0.3; exit 3) &';
    expect(spawnSync('nsenter', ['-t', `${outer}`, '-p', '-m', 'sh', '-c', script]).status).toBe(0);
    await sleep(1_500);
    const zombies = childrenOf(outer).filter((pid) => /^State:\s+Z/m.test(readSafe(`/proc/${pid}/status`)));
    expect(zombies).toEqual([]);
    const after = await host.running();
    for (const [name, each] of before) expect(after.get(name)?.pid).toBe(each.pid);
    // Containers die and are started again as ever.
    const victim = childrenOf(outer)[0] ?? 0;
    process.kill(victim, 'SIGKILL');
    await host.until('a restart', ({ containers }) => containers.some(({ restarts }) => restarts > 0));
    await allRunning(2);
    process.kill(outer, 'SIGTERM');
    for (let wait = 0; wait < 100 && host.leftovers().length > 0; wait++) await sleep(20);
    expect(host.leftovers()).toEqual([]);
  });

  const childrenOf = (pid: number): readonly number[] =>
    readSafe(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
});

describe('a clean start', () => {
  it('removes what a command or an instance that is gone has left in the state folder', async () => {
    await twoSleepers();
    const state = join(host.dir, 'run', 'state', 'box');
    await host.endTree('SIGKILL');
    for (const name of ['cmd.gone.1', 'other.7'])
      cpSync(join(state, 'sleeper.0'), join(state, name), { recursive: true });
    for (const name of ['cmd.gone.1', 'other.7']) writeFileSync(join(state, name, 'status'), '{}');
    for (const each of (await host.running().catch(() => new Map())).values()) expect(lives(each)).toBe(true);
    await host.start();
    await allRunning(2);
    expect(readdirSync(state).sort()).toEqual(['sleeper.0', 'sleeper.1']);
  });
});
