import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { identityOf, type LithosHost, lithosHost, lives } from './lithos-host.ts';

const isRoot = process.getuid?.() === 0;
const self = process.getuid?.() ?? 0;
/** Any ordinary user does; this one exists everywhere. */
const nobody = 65_534;

let host: LithosHost;
afterEach(() => host.remove());

async function startWith(wanted: Readonly<Record<string, number>>, user = self): Promise<void> {
  host = lithosHost(user);
  host.want(wanted);
  await host.start();
}

const allRunning = (count: number): Promise<true> =>
  host.until(`${count} running`, ({ containers }) => {
    return containers.length === count && containers.every(({ phase }) => phase === 'running');
  });

async function story(user: number): Promise<void> {
  await startWith({ sleeper: 4 }, user);
  await allRunning(4);
  const before = await host.running();
  for (const each of before.values()) expect(lives(each)).toBe(true);

  await host.endTree('SIGKILL');
  await sleep(200);
  for (const each of before.values()) expect(lives(each)).toBe(true);
  await host.start();
  await allRunning(4);
  for (const [name, each] of await host.running()) {
    expect(identityOf(each)).toBe(identityOf(before.get(name) ?? each));
    expect(each).toMatchObject({ adopted: true, restarts: 0 });
  }

  const victim = before.get('box/sleeper.1');
  if (victim?.pid == null) throw new Error('box/sleeper.1 does not run');
  const killedAt = Date.now();
  process.kill(victim.pid, 'SIGKILL');
  const next = await host.until('restarted', ({ containers }) =>
    containers.find(({ name, phase, pid }) => name === victim.name && phase === 'running' && pid !== victim.pid),
  );
  expect(next).toMatchObject({ restarts: 1, adopted: false, lastEnd: { signal: 9, exitCode: null, failure: null } });
  expect(next.lastEnd?.atMs).toBeGreaterThanOrEqual(killedAt - 50);

  expect(await host.endTree('SIGTERM')).toBe(0);
  expect([...(await waitGone())]).toEqual([]);
}

/** The kernel takes a moment to bury the dead. */
async function waitGone(): Promise<string[]> {
  for (let wait = 0; wait < 50 && host.leftovers().length > 0; wait++) await sleep(20);
  return host.leftovers();
}

describe('a tree and its containers', () => {
  it('start, survive the tree, are adopted, restarted, and end with it', () => story(self));

  it('do the same for an ordinary user', async (context) => {
    if (skipped(isRoot, 'trees of another user', 'the tests run as an ordinary user already')) {
      host = lithosHost(self);
      context.skip();
    }
    await story(nobody);
  });

  it('change only where their definition does', async () => {
    await startWith({ sleeper: 3 });
    await allRunning(3);
    const before = await host.running();
    const more = host.lithos('switch', '--master', host.master, '-v', 'box', host.file({ sleeper: 5 }));
    expect(more).toMatchObject({ code: 0, out: '2 instances changed\n  box/sleeper.3\n  box/sleeper.4\n' });
    await allRunning(5);
    const fewer = host.lithos('switch', '--master', host.master, 'box', host.file({ sleeper: 2 }));
    expect(fewer.code).toBe(0);
    await allRunning(2);
    for (const [name, each] of await host.running()) {
      expect(identityOf(each)).toBe(identityOf(before.get(name) ?? each));
    }
    const { out } = host.lithos('ps', '-C', host.master);
    expect(out).toMatch(
      /box\n {4}sleeper {2}app\n {6}\.0 {2}pid \d+ {2}up \d+ s {2}\[1\/1\] {2}\S+ .iB\n {6}\.1 {2}pid \d/,
    );
  });

  it('go on when a new config is refused, and it says where it is wrong', async () => {
    await startWith({ sleeper: 2 });
    await allRunning(2);
    const before = await host.running();
    const bad = join(host.dir, 'bad.yaml');
    writeFileSync(bad, 'sleeper: { image: app, config: /config/sleeper.yaml, instances: 2 }\nother:\n  imgae: app\n');
    const { code, err } = host.lithos('switch', '--master', host.master, 'box', bad);
    expect(code).toBe(1);
    expect(err).toContain(`${bad}:3:`);
    expect(err).toContain('nothing was changed');
    // Past the check, straight into the file: the last good state goes on, and the status tells why.
    writeFileSync(host.processes, readFileSync(bad));
    const { problems } = await host.client().reload();
    expect(problems.some(({ file, line }) => file === host.processes && line === 3)).toBe(true);
    await sleep(300);
    expect([...(await host.running()).values()].map(identityOf)).toEqual([...before.values()].map(identityOf));
  });

  it('are not restarted faster than their restart-timeout, and the reason is shown', async () => {
    await startWith({ failing: 1 });
    const third = await host.until('two restarts', ({ containers: [each] }) => (each?.restarts ?? 0) >= 2 && each);
    expect(third.lastEnd).toMatchObject({ exitCode: 3, signal: null });
    const starts = [...host.log().matchAll(/\[([^\]]+)\]\[ERROR\] box\/failing\.0: ended with exit code 3/g)].map(
      ([, time]) => Date.parse(time ?? ''),
    );
    const gaps = starts.slice(1).map((time, index) => time - (starts[index] ?? 0));
    expect(gaps.length).toBeGreaterThan(0);
    for (const gap of gaps) expect(gap).toBeGreaterThan(900);
  });

  it('die with their knot, and are started again', async () => {
    await startWith({ sleeper: 1 });
    await allRunning(1);
    const [before] = [...(await host.running()).values()];
    if (before?.knotPid == null) throw new Error('no knot');
    process.kill(before.knotPid, 'SIGKILL');
    const after = await host.until('another knot', ({ containers: [each] }) =>
      each?.phase === 'running' && each.knotPid !== before.knotPid ? each : null,
    );
    expect(lives(before)).toBe(false);
    expect(after.restarts).toBe(1);
  });

  it('that do not hear SIGTERM are killed at their kill-timeout', async () => {
    await startWith({ deaf: 1 });
    await allRunning(1);
    await sleep(200);
    const since = Date.now();
    expect(await host.endTree('SIGTERM')).toBe(0);
    expect(Date.now() - since).toBeGreaterThan(400);
    expect(await waitGone()).toEqual([]);
  });

  it('run on after SIGUSR2, for an upgrade', async () => {
    await startWith({ sleeper: 2 });
    await allRunning(2);
    const before = await host.running();
    expect(await host.endTree('SIGUSR2')).toBe(0);
    for (const each of before.values()) expect(lives(each)).toBe(true);
    await host.start();
    await host.client().shutdown();
    expect(await host.endTree('SIGTERM')).toBe(0);
    expect(await waitGone()).toEqual([]);
  });

  it('do not get more memory than their limit', async (context) => {
    await startWith({ hungry: 1 });
    if ((await host.status()).containers[0]?.cgroup == null || /limits do not hold/.test(host.log())) {
      skipped(false, 'the memory limit', 'this user or kernel gives no cgroup for it');
      context.skip();
    }
    const end = await host.until('the kernel’s end of it', ({ containers: [each] }) => each?.lastEnd);
    expect(end).toMatchObject({ signal: 9, exitCode: null, oomKilled: true });
    expect(host.log()).toContain('box/hungry.0: out of memory: killed by the kernel');
    expect(host.lithos('ps', '-C', host.master).out).toMatch(/out of memory|OOM/i);
  });
});

describe('a tree', () => {
  it('is alone with its runtime folder', async () => {
    await startWith({});
    const { code, err } = host.lithos('tree', '-C', host.master);
    expect(code).toBe(1);
    expect(err).toContain(`Master pid is ${host.treePid()}. And there is alive process with that pid`);
  });

  it('answers nobody but root, its own user and control-users', async (context) => {
    if (skipped(isRoot, 'tree.sock and other users', 'needs root, to be two users')) {
      host = lithosHost(self);
      context.skip();
    }
    host = lithosHost(0);
    appendFileSync(host.master, `control-users: [${nobody}]\n`);
    await host.start();
    const ask = (uid: number) =>
      spawnSync('curl', ['-s', '--unix-socket', join(host.dir, 'run', 'tree.sock'), 'http://tree/v1/status'], {
        uid,
        gid: uid,
        encoding: 'utf8',
      }).stdout;
    spawnSync('chmod', ['755', host.dir, join(host.dir, 'run')]);
    expect(JSON.parse(ask(nobody))).toMatchObject({ containers: [] });
    expect(JSON.parse(ask(nobody - 1))).toEqual({ error: `uid ${nobody - 1} may not use this` });
  });

  it('says all that is wrong with a master config, and exits 1', () => {
    host = lithosHost(self);
    writeFileSync(host.master, 'runtime-dir: relative\nbogus: 1\n');
    const { code, err } = host.lithos('tree', '-C', host.master);
    expect(code).toBe(1);
    expect(err).toContain('master.yaml:1:');
    expect(err).toContain('master.yaml:2:');
    expect(host.lithos('tree', '-C', join(host.dir, 'absent.yaml'))).toMatchObject({ code: 1 });
    expect(existsSync(join(host.dir, 'run'))).toBe(false);
  });

  it('that is not there is named by those who ask for it', () => {
    host = lithosHost(self);
    host.want({});
    const { code, err } = host.lithos('ps', '-C', host.master);
    expect(code).toBe(1);
    expect(err).toContain('no tree is running');
    const switched = host.lithos('switch', '--master', host.master, 'box', host.file({ sleeper: 1 }));
    expect(switched.code).toBe(0);
    expect(switched.err).toContain('warning: no tree is running');
    expect(readFileSync(host.processes, 'utf8')).toContain('sleeper');
  });
});
