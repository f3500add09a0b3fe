import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { knotRun } from './knot-run.ts';
import { busyboxMissing, hasBusybox, ownMaps } from './root.ts';

const isRoot = process.getuid?.() === 0;
const signalNumber = { term: 15 } as const;

let run: ReturnType<typeof knotRun>;
beforeAll(() => {
  run = knotRun();
});
afterAll(() => run.remove());
beforeEach(() => run.freshState());
afterEach(() => run.endAll());

const shell = (script: string): readonly string[] => ['/bin/sh', '-c', script];
const forever = 'while :; do sleep 0.05; done';

describe.skipIf(skipped(hasBusybox, 'knot', busyboxMissing))('output of a knot', () => {
  it('has a line where a run begins and one where it ends', async () => {
    await run.start(shell('echo one; echo two >&2')).ended;
    expect(readFileSync(join(run.state(), 'out'), 'utf8')).toMatch(
      /^\S+Z: ----- Starting web\/worker\.0 -----\none\ntwo\n\S+Z: ----- Process web\/worker\.0 ended with exit code 0, uptime 0s -----\n$/,
    );
  });

  it('goes on in a new file once the old one was moved away, and on SIGUSR1', async () => {
    const { pid } = run.start(shell(`n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done`));
    await run.until('a first line', () => run.output().includes('1\n'));
    const out = join(run.state(), 'out');
    renameSync(out, `${out}.old`);
    await run.until('a new file', () => existsSync(out) && run.output() !== '');
    renameSync(out, `${out}.older`);
    process.kill(pid, 'SIGUSR1');
    await run.until('a new file', () => existsSync(out) && run.output() !== '');
    const all = [`${out}.old`, `${out}.older`, out].map((file) => run.output(file)).join('');
    const numbers = all.trim().split('\n').map(Number);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it('is rotated at its size, and the oldest file goes', async () => {
    run.start(
      shell(`n=0; while [ $n -lt 12 ]; do n=$((n+1)); echo line $n ${'x'.repeat(400)}; sleep 0.02; done; ${forever}`),
      [...['output-most-bytes', '1000', 'output-files', '2']],
    );
    await run.until('all lines', () => run.output().includes('line 12 '));
    const files = readdirSync(run.state()).filter((name) => name.startsWith('out'));
    expect(files.sort()).toEqual(['out', 'out.1', 'out.2']);
  });

  it('may be written to a file inside, with the ids of the program and never outside', async () => {
    const data = join(run.state(), 'data');
    mkdirSync(data);
    if (isRoot) chownSync(data, ownMaps().uidMap[0]?.outside ?? 0, ownMaps().gidMap[0]?.outside ?? 0);
    const inside = ['bind', data, '/data', 'rw', 'noexec', 'output-inside', '/data/app.log'];
    const { pid } = run.start(shell(`echo hello; ${forever}`), inside);
    await run.until('a line', () => run.output(join(data, 'app.log')) === 'hello\n');
    expect(statSync(join(data, 'app.log')).uid).toBe(ownMaps().uidMap[0]?.outside);
    renameSync(join(data, 'app.log'), join(data, 'old.log'));
    process.kill(pid, 'SIGUSR1');
    await run.until('a new file', () => existsSync(join(data, 'app.log')));
  });

  it('is refused a place inside that the program may not write to', async () => {
    const { ended, messages } = run.start(shell(forever), ['output-inside', '/etc/app.log']);
    expect(await ended).toBe(1);
    expect(messages()).toContain('open output: openat2: /etc/app.log: Read-only file system');
  });

  it('can be opened again by the program as /dev/stdout', async () => {
    await run.start(shell('echo first > /dev/stdout; echo second > /dev/stderr')).ended;
    expect(run.output()).toBe('first\nsecond\n');
  });
});

describe.skipIf(skipped(hasBusybox, 'knot', busyboxMissing))('restart-process-only', () => {
  it('starts the program again in the same container, not before its time', async () => {
    const { pid, ended } = run.start(shell('readlink /proc/self/ns/mnt; exit 3'), ['restart-in-place-ms', '150']);
    const first = await run.until('a restart', () => (run.status()?.restarts ?? 0) >= 1 && run.status());
    const third = await run.until('three', () => (run.status()?.restarts ?? 0) >= 3 && run.status());
    expect(third.startedAtMs - first.startedAtMs).toBeGreaterThanOrEqual(290);
    expect(run.status()).toMatchObject({ exitCode: 3, signal: null });
    process.kill(pid, 'SIGTERM');
    expect(await ended).toBe(0);
    expect(new Set(run.output().trim().split('\n')).size).toBe(1);
    expect(run.output().trim().split('\n').length).toBeGreaterThanOrEqual(4);
  });

  it('ends with the program when it was asked to', async () => {
    const { pid, ended } = run.start(shell(`trap 'exit 0' TERM; echo ready; ${forever}`), [
      'restart-in-place-ms',
      '10',
    ]);
    await run.until('ready', () => run.output() === 'ready\n');
    process.kill(pid, 'SIGTERM');
    expect(await ended).toBe(0);
    expect(run.status()).toMatchObject({ phase: 'ended', exitCode: 0, restarts: 0 });
  });
});

describe.skipIf(skipped(hasBusybox, 'knot', busyboxMissing))('sockets of a knot', () => {
  it('are passed to the program under the numbers that it wants, and no others', async () => {
    const server = createServer((socket) => socket.end('from the test'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const other = openSync('/dev/null', 'r');
    run.start(shell(`ls -l /proc/self/fd | cat; ${forever}`), ['pass-fd', '3', '7'], [fd, other]);
    const text = await run.until('a list', () => run.output().includes('7 ->') && run.output());
    expect([...text.matchAll(/ (\d+) -> (\S+)/g)].map(([, number, to]) => `${number} ${to?.split(':')[0]}`)).toEqual([
      ...['0 /dev/null', '1 pipe', '2 pipe', '7 socket'],
    ]);
    closeSync(other);
    server.close();
  });

  it('are opened in a network of the container’s own', async () => {
    run.start(shell(`ls -l /proc/self/fd | cat; cat /proc/net/tcp /proc/net/tcp6; ${forever}`), [
      ...['listen', '0.0.0.0', '80', '3', '128', 'reuse-addr', 'no-reuse-port', 'block'],
      ...['listen', '::', '80', '4', '128', 'reuse-addr', 'no-reuse-port', 'non-block'],
    ]);
    const text = await run.until('a list', () => run.output().includes('sl  local') && run.output());
    expect(text).toMatch(/ 3 -> socket/);
    expect(text).toMatch(/ 4 -> socket/);
    await run.until('both', () => (run.output().match(/:0050 \S+ 0A/g) ?? []).length === 2);
  });

  it('name what is in the way', async () => {
    const line = ['listen', '127.0.0.1', '80', '3', '128', 'reuse-addr', 'no-reuse-port', 'block'];
    const { ended, messages } = run.start(shell('true'), [...line, ...line]);
    expect(await ended).toBe(1);
    expect(messages()).toContain('open sockets: bind: 127.0.0.1: Address already in use');
  });
});

describe.skipIf(skipped(hasBusybox, 'knot', busyboxMissing))('a knot itself', () => {
  it('keeps no capability but that for signals, and may gain none', async () => {
    const { pid } = run.start(['/bin/sleep', '1000']);
    await run.running();
    const status = await run.until('confined', () => {
      const text = readFileSync(`/proc/${pid}/status`, 'utf8');
      return /^NoNewPrivs:\s+1$/m.test(text) && text;
    });
    const effective = /^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? 'none';
    expect(Number.parseInt(effective, 16) & ~(1 << 5)).toBe(0);
  });

  it('hands secrets over and keeps no file and no copy of them', async () => {
    const file = join(run.state(), 'secrets');
    writeFileSync(file, 'TOKEN=gold-and-silver\0OTHER=2', { mode: 0o600 });
    const { pid } = run.start(shell(`echo ${'$'}{#TOKEN} $OTHER; ${forever}`), ['secrets-file', file]);
    await run.until('the secrets', () => run.output() === '15 2\n');
    expect(existsSync(file)).toBe(false);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('gold-and-silver');
    await run.running();
    if (isRoot) expect(memoryHolds(pid, 'gold-and-silver')).toBe(false);
    if (isRoot) expect(memoryHolds(pid, 'web/worker.0')).toBe(true);
  });

  it('ends like its program when it runs in the foreground, and shows what it writes', async () => {
    const seven = run.start(shell('echo hi; exit 7'), ['foreground', 'output-copy']);
    expect(await seven.ended).toBe(7);
    expect(seven.ownOutput()).toBe('hi\n');
    expect(await run.start(shell('kill -TERM $$'), ['foreground']).ended).toBe(128 + signalNumber.term);
  });

  it.skipIf(skipped(isRoot, 'a folder that only an idmapped mount opens', 'needs root'))(
    'shows ids of the disk as ids inside where mounts are idmapped',
    async () => {
      const data = join(run.state(), 'data');
      mkdirSync(data, { mode: 0o700 });
      writeFileSync(join(data, 'file'), 'kept', { mode: 0o600 });
      chmodSync(run.state(), 0o755);
      await run.start(shell('cat /data/file; echo more > /data/new'), ['bind', data, '/data', 'rw', 'noexec']).ended;
      expect(run.output()).toContain('Permission denied');
      run.freshState();
      const second = run.start(shell('cat /data/file; echo more > /data/new'), [
        ...['bind', data, '/data', 'rw', 'noexec', 'idmapped'],
      ]);
      await second.ended;
      expect(second.messages()).toContain('ended with exit code 0');
      expect(run.output()).toBe('kept\n');
      expect(statSync(join(data, 'new')).uid).toBe(0);
    },
  );
});

/** Looks through the readable and writable memory of a process (proc_pid_mem(5)). */
function memoryHolds(pid: number, text: string): boolean {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm);
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const [, from, to] of maps) {
      const start = Number.parseInt(from ?? '0', 16);
      const bytes = Buffer.alloc(Number.parseInt(to ?? '0', 16) - start);
      readAt(fd, bytes, start);
      if (bytes.includes(text)) return true;
    }
    return false;
  } finally {
    closeSync(fd);
  }
}

function readAt(fd: number, bytes: Buffer, position: number): void {
  try {
    readSync(fd, bytes, 0, bytes.length, position);
  } catch {
    // A guard page.
  }
}
