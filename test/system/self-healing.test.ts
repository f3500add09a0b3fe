import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Overview, OverviewNode } from '../../src/agent/api.ts';
import { hashJson, type JsonObject } from '../../src/verwalter/canonical.ts';
import { countInstances } from '../../src/verwalter/guard.ts';
import type { Schedule } from '../../src/verwalter/schedule.ts';
import { skipped } from '../skipped.ts';
import { namespacesOf } from './netns-cluster.ts';
import { numbersYaml, writeConfig, writeImage } from './self-healing/config.ts';
import { putFile, type WholeNodes, wholeNodes } from './whole-nodes.ts';

/** STELLWERK_TRUE_TIMES=1: a minute of errors, ten of pause, a round each 5 s, as the example has it. By hand. */
const isTrue = process.env.STELLWERK_TRUE_TIMES === '1';
const afterSeconds = isTrue ? 60 : 3;
const pauseSeconds = isTrue ? 600 : 4;
const numbers = [1, 2, 3, 4, 5] as const;
const wanted = 50;
const perNode = wanted / numbers.length;
/** Far more than any of it takes: what the machine does besides must not decide. */
const patience = 60_000 + (isTrue ? 1_000 * (afterSeconds + pauseSeconds) : 0);
const prefix = `swh${process.pid % 100_000}`;
const figures = (instances: number) => ({ instances, afterSeconds, pauseSeconds });

const reason = ((): string | null => {
  if (process.getuid?.() !== 0) return 'namespaces need root';
  for (const [program, ...words] of [
    ['ip', '-V'],
    ['curl', '-V'],
    ['nsenter', '-V'],
    ['unshare', '--mount', '--pid', '--fork', '--mount-proc', 'perl', '-e', '1'],
    ['/usr/bin/python3', '-V'],
  ] as const) {
    try {
      execFileSync(program, words, { stdio: 'ignore' });
    } catch {
      return `${program} cannot be used`;
    }
  }
  try {
    execFileSync('ip', ['netns', 'add', `${prefix}-probe`], { stdio: 'ignore' });
    return null;
  } catch {
    return 'the kernel makes no network namespace';
  } finally {
    if (namespacesOf(prefix).length > 0) execFileSync('ip', ['netns', 'del', `${prefix}-probe`]);
  }
})();

const placed = (schedule: Overview['schedule'] | Schedule, host: string): number => {
  const data = (schedule?.data ?? {}) as {
    nodes?: Record<string, { roles: { django?: { daemons: { django: { instances: number } } } } }>;
  };
  return data.nodes?.[host]?.roles.django?.daemons.django.instances ?? 0;
};

const runningOn = (node: OverviewNode | undefined): number =>
  node?.containers.filter(({ process: name, phase }) => name === 'django' && phase === 'running').length ?? 0;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

describe.skipIf(skipped(reason === null, 'five whole nodes that heal themselves', reason ?? ''))(
  'five whole nodes',
  () => {
    let nodes: WholeNodes;
    let made: WholeNodes | null = null;
    let bootedMs = 0;

    beforeAll(async () => {
      made = wholeNodes({
        ...{ count: numbers.length, prefix, sandboxes: ['django', 'notes'] },
        agentOptions: ['--interval', '1000', '--round-interval', isTrue ? '5 s' : '1 s', '--per-cpu-metrics'],
        image: writeImage,
      });
      nodes = made;
      writeConfig(nodes, figures(wanted));
      bootedMs = performance.now();
      await Promise.all(numbers.map((number) => nodes.boot(number)));
    });

    afterAll(async () => {
      await made?.stop();
      expect(made?.leftovers() ?? []).toEqual([]);
    });

    /** Until `probe` throws no longer; what it threw last says why it never did. */
    const until = async <T>(what: string, probe: () => Promise<T>, limitMs = patience): Promise<T> => {
      const end = performance.now() + limitMs;
      for (;;) {
        try {
          return await probe();
        } catch (error) {
          if (performance.now() > end) {
            const log = nodes.agentLog(1).split('\n').slice(-20).join('\n');
            throw new Error(`${what}: never: ${(error as Error).message}\n${log}`);
          }
          await sleep(150);
        }
      }
    };

    const status = async (number: number): Promise<Record<string, unknown>> => {
      const { status: code, body } = await nodes.get(number, '/v1/status');
      if (code !== 200) throw new Error(`status of n${number}: ${code}`);
      return body as Record<string, unknown>;
    };
    const leaderOf = (seen: Overview): number => {
      const found = seen.nodes.find(({ leader }) => leader);
      if (found === undefined) throw new Error('nobody leads');
      return Number(found.hostname.slice(1));
    };
    // Where the machine is very busy, leaders come and go.
    const leader = (): Promise<number> => until('one leads', async () => leaderOf(await nodes.overview(1)));
    const hosts = (except: readonly number[] = []): readonly number[] =>
      numbers.filter((number) => !except.includes(number));

    /** Containers of a node by name, each as pid and start time: what makes a process the same one. */
    const processesOf = async (number: number): Promise<ReadonlyMap<string, string>> => {
      const { containers } = await nodes.tree(number);
      const running = containers.filter(({ phase }) => phase === 'running');
      return new Map(running.map(({ name, pid, startTime }) => [name, `${pid}@${startTime}`]));
    };

    /** So many run in all, each node has what the schedule says, and every one of them holds and has rendered it. */
    const settled =
      (total: number, except: readonly number[] = []) =>
      async (): Promise<Overview> => {
        const asked = hosts(except)[0] ?? 1;
        const seen = await nodes.overview(asked);
        const those = hosts(except).map((number) => seen.nodes.find(({ hostname }) => hostname === `n${number}`));
        const text = those.map(
          (node) => `${node?.hostname} ${runningOn(node)}/${placed(seen.schedule, node?.hostname ?? '')}`,
        );
        const sum = those.reduce((all, node) => all + runningOn(node), 0);
        const whole = those.every(
          (node) =>
            node?.renderedHash === seen.schedule?.hash &&
            runningOn(node) === placed(seen.schedule, node?.hostname ?? ''),
        );
        if (sum !== total || !whole) throw new Error(`${sum} of ${total} run as scheduled: ${text.join(', ')}`);
        return seen;
      };

    const scheduleOf = async (number: number): Promise<Schedule> =>
      (await nodes.get(number, '/v1/schedule')).body as Schedule;
    const changesOf = ({ data }: Schedule): readonly string[] => data.changes as readonly string[];
    const breakNode = (number: number): void => writeFileSync(join(nodes.stateDir(number), 'broken'), '');
    const repair = (number: number): void => rmSync(join(nodes.stateDir(number), 'broken'), { force: true });
    const runtime = (...path: string[]): string => join(nodes.configDir, 'runtime', ...path);

    test('elect one leader, which all follow in one epoch, and run ten instances each', async () => {
      const seen = await until('all run', settled(wanted));
      say(`50 instances on 5 nodes after ${seconds(performance.now() - bootedMs)}`);
      for (const number of numbers) expect(placed(seen.schedule, nodes.name(number))).toBe(perNode);
      await until('all follow one leader in one epoch', async () => {
        const all = await Promise.all(numbers.map((number) => nodes.overview(number)));
        const leaderships = new Set(all.map((each) => `n${leaderOf(each)} in epoch ${each.epoch}`));
        if (leaderships.size > 1) throw new Error([...leaderships].join(', '));
      });
    });

    test('decide the same again: the hash stays, the stamp is newer, nothing is rendered', async () => {
      const first = await until('the counts are known', async () => {
        const [one, two] = [await scheduleOf(1), await sleep(2500).then(() => scheduleOf(1))];
        if (one.hash !== two.hash) throw new Error('decisions still change');
        return two;
      });
      const index = (number: number): string => {
        const log = join(nodes.dir, nodes.name(number), 'log', 'verwalter', '.index');
        return readdirSync(log)
          .filter((name) => name.endsWith('.json'))
          .map((name) => readFileSync(join(log, name), 'utf8'))
          .join('');
      };
      const before = numbers.map(index);
      const second = await until('a newer stamp of the same on every node', async () => {
        const held = await Promise.all(numbers.map(scheduleOf));
        if (held.some(({ timestamp }) => timestamp <= first.timestamp)) throw new Error('not all have it');
        return held;
      });
      for (const { hash } of second) expect(hash).toBe(first.hash);
      expect(numbers.map(index)).toEqual(before);
    });

    test('give a schedule to all followers within seconds of new metadata', async () => {
      const { hash: old } = await scheduleOf(1);
      const renamedAtMs = Date.now();
      putFile(runtime('django', 'numbers.yaml'), numbersYaml(figures(wanted + 5)));
      // Later rounds decide the same with a newer stamp.
      let madeAtMs = 0;
      let heldMs = 0;
      let renderedMs = 0;
      await until('all hold and have rendered it', async () => {
        const seen = await nodes.overview(1);
        const { schedule } = seen;
        if (schedule === null || schedule.hash === old) throw new Error('there is no new schedule');
        if (madeAtMs === 0) madeAtMs = schedule.timestamp;
        const held = seen.nodes.filter(({ scheduleHash }) => scheduleHash === schedule.hash).length;
        const rendered = seen.nodes.filter(({ renderedHash }) => renderedHash === schedule.hash).length;
        if (heldMs === 0 && held === numbers.length) heldMs = seen.now - madeAtMs;
        if (rendered < numbers.length) throw new Error(`${held} hold it, ${rendered} have rendered it`);
        renderedMs = seen.now - madeAtMs;
      });
      say(
        `metadata renamed into place → round ${seconds(madeAtMs - renamedAtMs)}; from then on all 5 hold the schedule after ${seconds(heldMs)}, have rendered it after ${seconds(renderedMs)}`,
      );
      await until('55 run', settled(wanted + 5));
      putFile(runtime('django', 'numbers.yaml'), numbersYaml(figures(wanted)));
      await until('50 run', settled(wanted));
    });

    test('go on with what they had when a metadata file is half written, and name its line', async () => {
      writeFileSync(runtime('django', 'numbers.yaml'), 'instances: 50\nmax_per_node: [15\n');
      writeFileSync(runtime('notes', 'extra.yaml'), 'seen: 1\n');
      await until('the file is named, the other one read', async () => {
        const { errors } = (await status(await leader())) as { errors: Record<string, string> };
        if (!/numbers\.yaml:[23]: /.test(errors.runtime ?? '')) throw new Error(JSON.stringify(errors));
        const input = (await nodes.get(await leader(), '/v1/scheduler_input')).body as {
          runtime: { django: { numbers: { instances: number } }; notes: JsonObject };
        };
        expect(input.runtime.notes).toMatchObject({ extra: { seen: 1 } });
        expect(input.runtime.django.numbers.instances).toBe(wanted);
      });
      putFile(runtime('django', 'numbers.yaml'), numbersYaml(figures(wanted)));
      rmSync(runtime('notes', 'extra.yaml'));
      await until('nothing is wrong', async () => {
        const { errors } = await status(await leader());
        if (Object.keys(errors as object).length > 0) throw new Error(JSON.stringify(errors));
      });
      await until('50 run', settled(wanted));
    });

    test('leave a node out where ten are wanted, five run and 77 requests a second fail, for the time that is set', async () => {
      const sick = hosts([await leader()])[1] ?? 2;
      const host = nodes.name(sick);
      const brokenAtMs = Date.now();
      breakNode(sick);
      const schedule = await until(`${host} is left out`, async () => {
        const now = await scheduleOf(await leader());
        if (placed(now, host) > 0) {
          const { state } = now.data as unknown as { state: { django: { health: JsonObject } } };
          throw new Error(`it has ${placed(now, host)}: ${JSON.stringify(state.django.health)}`);
        }
        return now;
      });
      const [sentence] = changesOf(schedule);
      say(`${host} broken → left out after ${seconds(schedule.timestamp - brokenAtMs)}: ${sentence}`);
      expect(schedule.timestamp - brokenAtMs).toBeGreaterThanOrEqual(afterSeconds * 1000);
      expect(sentence).toMatch(
        new RegExp(
          `^${host}: django is blacklisted for ${isTrue ? '10 min' : `${pauseSeconds} s`}: [5-9] of 10 running, \\d\\d errors a second$`,
        ),
      );
      const { explain } = schedule.data as unknown as {
        explain: { django: Record<string, { placed: boolean; reasons: string[] }> };
      };
      expect(explain.django[host]).toMatchObject({ placed: false });
      expect(explain.django[host]?.reasons[0]).toMatch(/^blacklisted: \d of 10 running, \d\d errors a second$/);
      // In the same round the others have all of it.
      expect(
        hosts([sick])
          .map((number) => placed(schedule, nodes.name(number)))
          .reduce((a, b) => a + b),
      ).toBe(wanted);
      await until('all 50 run elsewhere', settled(wanted, [sick]));
      say(`all 50 run on the others ${seconds(Date.now() - schedule.timestamp)} after that round began`);
      repair(sick);
      const tried = await until('one instance is tried', async () => {
        const now = await scheduleOf(await leader());
        if (placed(now, host) === 0) throw new Error('none yet');
        return now;
      });
      expect(placed(tried, host)).toBe(1);
      expect(tried.timestamp - schedule.timestamp).toBeGreaterThanOrEqual(pauseSeconds * 1000);
      await until('ten run there again', async () => {
        const seen = await settled(wanted)();
        if (placed(seen.schedule, host) !== perNode) throw new Error(`it has ${placed(seen.schedule, host)}`);
      });
      say(
        `one instance tried after ${seconds(tried.timestamp - schedule.timestamp)} of pause, ten again after ${seconds(Date.now() - schedule.timestamp)}`,
      );
    });

    test('render a role that leaves a node once more: its instances end, its files go, the other node keeps both', async () => {
      const [first = 1, second = 2] = hosts([await leader()]);
      const motd = (number: number): string => join(nodes.dir, nodes.name(number), 'notes', 'motd.txt');
      const notesOf = async (number: number): Promise<number> =>
        [...(await processesOf(number)).keys()].filter((name) => name.startsWith('notes/')).length;
      const on = (...those: number[]): void =>
        putFile(runtime('notes', 'on.yaml'), `nodes: [${those.map(nodes.name).join(', ')}]\ntext: welcome to\n`);
      on(first, second);
      await until('the role is on both', async () => {
        for (const number of [first, second]) {
          if (!existsSync(motd(number)) || (await notesOf(number)) !== 1) throw new Error(`not on n${number}`);
        }
      });
      expect(readFileSync(motd(first), 'utf8')).toBe(`welcome to n${first}\n`);
      on(second);
      await until('the role has left', async () => {
        if (existsSync(motd(first)) || (await notesOf(first)) !== 0) throw new Error('it is still there');
        const { roles } = (await status(first)) as { roles: { role: string }[] };
        if (roles.some(({ role }) => role === 'notes')) throw new Error('it is still known');
      });
      const log = (await nodes.get(first, '/v1/render_log?role=notes')).body as string;
      expect(log.match(/rendering it as removed/g)).toHaveLength(1);
      expect(existsSync(motd(second))).toBe(true);
      expect(await notesOf(second)).toBe(1);
    });

    test('hold a schedule that would stop most of all instances though nobody asked, until somebody decides', async () => {
      const main = join(nodes.configDir, 'scheduler', 'v1', 'main.lua');
      const good = readFileSync(main, 'utf8');
      putFile(
        main,
        good.replace(
          '  return output\n',
          '  for _, node in pairs(schedule.nodes) do node.roles.django.daemons.django.instances = 2 end\n  return output\n',
        ),
      );
      const held = await until('the guard holds it', async () => {
        const now = (await status(await leader())) as {
          held: { hash: string; before: number; after: number } | null;
          errors: JsonObject;
        };
        if (now.held === null) throw new Error('nothing is held');
        expect(now.errors.guard).toEqual(expect.any(String));
        return now.held;
      });
      expect(held.after).toBeLessThanOrEqual(held.before / 2);
      // The one before stays, though it may have been decided again while the new scheduler was tried.
      const present = await scheduleOf(await leader());
      putFile(main, good);
      expect(present.hash).not.toBe(held.hash);
      expect(countInstances(present.data)).toBe(held.before);
      await until('the guard holds nothing', async () => {
        const { held: still } = await status(await leader());
        if (still !== null) throw new Error('it still does');
      });
      await until('50 run, as before', settled(wanted));
    });

    describe('one of which is cut off', () => {
      let cut = 0;
      let before: ReadonlyMap<string, string> = new Map();

      test('keep its containers there, untouched; it says that it has no leader, and refuses actions with 503', async () => {
        cut = hosts([await leader()])[2] ?? 3;
        before = await processesOf(cut);
        expect(before.size).toBeGreaterThanOrEqual(perNode);
        nodes.linkDown(cut);
        const alone = await until('it says so', async () => {
          const now = await status(cut);
          if (now.schedule_status !== 'unstable') throw new Error(String(now.schedule_status));
          return now;
        });
        expect(alone).toMatchObject({ fetch_state: 'unstable', leadership: { role: 'none' } });
        for (const path of ['/v1/action', '/v1/wait_action'])
          expect(await nodes.post(cut, path, { ask: 1 })).toMatchObject({ status: 503 });
        expect(await processesOf(cut)).toEqual(before);
        // The others have a leader all the while.
        expect(leaderOf(await nodes.overview(hosts([cut])[0] ?? 1))).not.toBe(cut);
      });

      test('restarted, renders nothing of the schedule that it finds on its disk', async () => {
        await nodes.killAgent(cut);
        const file = join(nodes.storageDir(cut), 'schedule', 'schedule.json');
        const stored = JSON.parse(readFileSync(file, 'utf8')) as Schedule;
        // As if it had been away for long: what it has is outdated, and would stop what runs.
        const data = JSON.parse(
          JSON.stringify(stored.data).replaceAll(/"instances":\d+/g, '"instances":0'),
        ) as JsonObject;
        const old: Schedule = { ...stored, data, hash: hashJson(data) };
        writeFileSync(file, JSON.stringify(old));
        nodes.startAgent(cut);
        await until('it knows the old schedule', async () => {
          const now = await status(cut);
          expect(now).toMatchObject({ schedule_id: old.hash, schedule_status: 'unstable', rendered_id: null });
        });
        // Past its start time-out: if it took itself for the whole cluster, it would lead now.
        await until('it asks for votes in vain', async () => {
          const { counts } = (await nodes.get(cut, '/v1/election')).body as { counts: { asked: number } };
          if (counts.asked < 1) throw new Error(JSON.stringify(counts));
        });
        expect(await status(cut)).toMatchObject({ rendered_id: null, schedule_status: 'unstable' });
        expect(await processesOf(cut)).toEqual(before);
      });

      test('follows again when it is back, its containers untouched', async () => {
        nodes.linkUp(cut);
        const backAtMs = Date.now();
        const seen = await until('all run as scheduled', settled(wanted));
        say(`n${cut} follows again and has rendered ${seconds(Date.now() - backAtMs)} after its link is up`);
        expect(await status(cut)).toMatchObject({ schedule_status: 'ok', rendered_id: seen.schedule?.hash });
        expect(placed(seen.schedule, nodes.name(cut))).toBe(perNode);
        expect(await processesOf(cut)).toEqual(before);
      });
    });

    test('elect another leader when theirs is killed, answer its waiting action with 503, and touch no container', async () => {
      const old = await leader();
      const others = hosts([old]);
      const before = await Promise.all(numbers.map(processesOf));
      const { epoch } = await nodes.overview(others[0] ?? 1);
      const asked = nodes.post(others[0] ?? 1, '/v1/wait_action', { fail: true });
      await until('the action waits on the leader', async () => {
        const { body } = await nodes.get(old, '/v1/pending_actions');
        if (Object.keys(body as object).length === 0) throw new Error('it does not');
      });
      const killedAtMs = Date.now();
      await nodes.killAgent(old);
      expect(await asked).toMatchObject({ status: 503 });
      const next = await until('another leads', async () => {
        const seen = await nodes.overview(others[0] ?? 1);
        if (leaderOf(seen) === old || seen.epoch <= epoch) throw new Error('none yet');
        return seen;
      });
      say(`leader killed → n${leaderOf(next)} leads after ${seconds(Date.now() - killedAtMs)}`);
      const fresh = await until('it has decided', async () => {
        const now = await scheduleOf(leaderOf(next));
        if (now.origin !== next.leaderId) throw new Error('not yet');
        return now;
      });
      say(`its first schedule ${seconds(fresh.timestamp - killedAtMs)} after the kill`);
      const answer = await nodes.post(others[1] ?? 1, '/v1/wait_action', { ask: 7 });
      expect(answer).toEqual({ status: 200, body: { asked: 7 } });
      nodes.startAgent(old);
      await until('all run as scheduled', settled(wanted));
      expect(await Promise.all(numbers.map(processesOf))).toEqual(before);
    });

    test('run the instances of a lost node elsewhere', async () => {
      const leads = await leader();
      const lost = hosts([leads])[0] ?? 1;
      const rest = hosts([lost]);
      const lostAtMs = Date.now();
      await nodes.cutPower(lost);
      const asked = rest[0] ?? 1;
      let deadMs = 0;
      const schedule = await until('it has nothing in the schedule', async () => {
        const seen = await nodes.overview(asked);
        const node = seen.nodes.find(({ hostname }) => hostname === nodes.name(lost));
        if (deadMs === 0 && node?.liveness === 'dead') deadMs = Date.now() - lostAtMs;
        const sum = rest.reduce((all, number) => all + placed(seen.schedule, nodes.name(number)), 0);
        if (sum !== wanted) throw new Error(`${sum} on the others`);
        return seen.schedule;
      });
      await until('all 50 run on four nodes', settled(wanted, [lost]));
      say(
        `n${lost} without power → dead to gossip after ${deadMs === 0 ? '?' : seconds(deadMs)}, scheduled elsewhere after ${seconds((schedule?.timestamp ?? 0) - lostAtMs)}, all run after ${seconds(Date.now() - lostAtMs)}`,
      );
    });
  },
);
