import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';

const program = join(packageRoot(), 'bin/stellwerk.js');
let folder = '';
const cleanups: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cantal-agent-'));
});
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
  rmSync(folder, { recursive: true, force: true });
});

interface Agent {
  readonly port: number;
  readonly child: ChildProcess;
  said(): string;
  get(path: string, host?: string): Promise<Response>;
  /** Exit code after a signal. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

async function launch(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Agent> {
  const port = await freePort();
  const child = spawn(process.execPath, [program, 'cantal-agent', '-p', String(port), '-i', '200', ...words], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (bytes) => {
    said += bytes;
  });
  const exit = once(child, 'exit');
  await until(
    () => said.includes('cantal-agent 0') || child.exitCode !== null,
    () => said,
  );
  return {
    port,
    child,
    said: () => said,
    get: (path, host = '127.0.0.1') => fetch(`http://${host}:${port}${path}`),
    async end(signal) {
      child.kill(signal);
      const [code] = (await exit) as [number | null];
      return code;
    },
  };
}

async function until(what: () => boolean, tell: () => string = () => ''): Promise<void> {
  for (let attempt = 0; attempt < 1500 && !what(); attempt++) await sleep(20);
  expect(what(), tell()).toBe(true);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

const run = (...words: readonly string[]) =>
  spawnSync(process.execPath, [program, 'cantal', 'agent', ...words], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });

/** Node has no datagram sockets of this kind; Python has. */
const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;
const canNotify =
  existsSync(join(packageRoot(), 'node_modules/ffi-napi/build/Release/ffi_bindings.node')) &&
  spawnSync('sh', ['-c', 'ldconfig -p | grep -q libsystemd.so.0 && python3 --version']).status === 0;

describe('cantal-agent', () => {
  it('watches alone: no UDP socket, no folder; a snapshot where it may; receivers anew at SIGHUP', async () => {
    const storage = join(folder, 'storage');
    const config = join(folder, 'config');
    mkdirSync(config);
    const more = ['-n', 'node-7', '-d', storage, '-c', config, '-h', '127.0.0.2', '--bind-localhost'];
    const agent = await launch([...more, '--override-machine-id', 'ab'.repeat(16)]);
    const status = (await (await agent.get('/status', '127.0.0.2')).json()) as Record<string, unknown>;
    expect(status).toMatchObject({ id: 'ab'.repeat(16), name: 'node-7', cluster_name: null, num_peers: 0 });
    expect((await agent.get('/v1')).status).toBe(200);
    expect((await agent.get('/v1/peers')).status).toBe(404);
    const hex = agent.port.toString(16).toUpperCase().padStart(4, '0');
    expect(readFileSync('/proc/net/udp', 'utf8')).not.toContain(`:${hex} `);
    expect(await (await agent.get('/v1/sinks')).json()).toEqual({ sinks: [] });

    writeFileSync(join(config, 'main.carbon.yaml'), 'host: 127.0.0.1\nport: 1\nenable-cgroup-stats: true\n');
    agent.child.kill('SIGHUP');
    let sinks: readonly object[] = [];
    for (let attempt = 0; attempt < 200 && sinks.length === 0; attempt++) {
      ({ sinks } = (await (await agent.get('/v1/sinks')).json()) as { sinks: object[] });
    }
    expect(sinks).toMatchObject([{ name: 'main', kind: 'carbon', host: '127.0.0.1', port: 1 }]);
    expect(await agent.end('SIGTERM')).toBe(0);
    expect(readdirSync(storage)).toContain('current.history');
    expect(readdirSync(storage)).not.toContain('peers.json');
  });

  it('of one cluster find each other, never lead, and remember each other where they may', async () => {
    const first = await launch(['--cluster-name', 'c', '--override-machine-id', '1'.repeat(32)]);
    const more = ['--join', `127.0.0.1:${first.port}`, '-d', folder];
    const second = await launch(['--cluster-name', 'c', '--override-machine-id', '2'.repeat(32), ...more]);
    let peers: readonly object[] = [];
    for (let attempt = 0; attempt < 500 && peers.length === 0; attempt++) {
      ({ peers } = (await (await first.get('/all_peers')).json()) as { peers: object[] });
      await sleep(20);
    }
    expect(peers).toMatchObject([{ id: '2'.repeat(32), primary_addr: `127.0.0.1:${second.port}` }]);
    const election = (await (await first.get('/v1/election')).json()) as Record<string, unknown>;
    expect(JSON.stringify(election)).not.toContain('"leader":"1');
    expect(await second.end('SIGTERM')).toBe(0);
    const remembered = JSON.parse(readFileSync(join(folder, 'peers.json'), 'utf8')) as object;
    expect(remembered).toEqual({ ip_addresses: [`127.0.0.1:${first.port}`], nodes: 1 });
  });

  it.skipIf(skipped(canNotify, 'systemd’s notifications', 'libsystemd, ffi-napi or python3 is missing'))(
    'tells systemd that it is up, of each finished scan, and of its end',
    async () => {
      const path = join(folder, 'notify');
      const python = spawn('python3', ['-c', listener, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      cleanups.push(() => python.kill('SIGKILL'));
      let heard = '';
      python.stdout.on('data', (bytes) => {
        heard += bytes;
      });
      await until(() => heard.includes('bound'));
      const agent = await launch([], { NOTIFY_SOCKET: path, WATCHDOG_USEC: '100000' });
      const told = () => heard.split('\n').slice(1, -1);
      await until(
        () => told().filter((line) => line === 'WATCHDOG=1').length >= 5,
        () => heard + agent.said(),
      );
      // A watchdog of 0.1 s would end an agent that scans each 0.2 s.
      expect(told()[0]).toMatch(/^READY=1 STATUS=cantal-agent .* WATCHDOG_USEC=600000$/);
      const { health } = (await (await agent.get('/status')).json()) as { health: { scans: number } };
      expect(told().filter((line) => line === 'WATCHDOG=1').length).toBeLessThanOrEqual(health.scans + 1);
      agent.child.kill('SIGHUP');
      await until(() => told().some((line) => /^RELOADING=1 MONOTONIC_USEC=\d+ /.test(line)));
      await until(() => told().filter((line) => line.startsWith('READY=1')).length === 2);
      expect(await agent.end('SIGTERM')).toBe(0);
      await until(
        () => told().at(-1)?.startsWith('STOPPING=1') === true,
        () => heard,
      );
    },
  );

  it('ends with 2 for what it cannot start with, and 3 for a port that is taken', async () => {
    expect(run('--interval', '50')).toMatchObject({ status: 2, stderr: expect.stringContaining('from 100 to 60000') });
    expect(run('--http-token-file', join(folder, 'none'))).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/FATAL cannot start: ENOENT.*none/),
    });
    expect(run('--cluster-name', 'c', '-h', '10.0.0.1')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--cluster-key'),
    });
    const server = createServer().listen(0, '127.0.0.1');
    cleanups.push(() => server.close());
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(run('-p', String(port))).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('another program has it'),
    });
  });

  it('ends with 81 where no snapshot can be made, which nobody tries without a folder for it', async () => {
    const preload = join(folder, 'preload.cjs');
    writeFileSync(
      preload,
      `const open = process.dlopen;
      process.dlopen = (module, file, ...more) => {
        open.call(process, module, file, ...more);
        if (!file.endsWith('scanner.node')) return;
        const make = module.exports.createScanner;
        module.exports.createScanner = (options) => {
          const scanner = make(options);
          const value = () => Promise.reject(new Error('out of memory, says the test'));
          return Object.defineProperty(scanner, 'saveHistory', { value });
        };
      };`,
    );
    const env = { NODE_OPTIONS: `--require ${preload}` };
    const storing = await launch(['-d', join(folder, 'storage')], env);
    expect(await storing.end('SIGTERM')).toBe(81);
    expect(storing.said()).toMatch(/FATAL the storage has ended: .*says the test/);
    const other = await launch([], env);
    expect(await other.end('SIGTERM')).toBe(0);
  });

  it('ends with 83 where its event loop does', async () => {
    const preload = join(folder, 'preload.cjs');
    writeFileSync(preload, `process.on('SIGUSR2', () => { throw new Error('a bug, says the test'); });`);
    const agent = await launch([], { NODE_OPTIONS: `--require ${preload}` });
    expect(await agent.end('SIGUSR2')).toBe(83);
    expect(agent.said()).toMatch(/FATAL the event loop has ended: Error: a bug, says the test/);
  });

  it('prints one scan as JSON with --once, of the tree that it is given', () => {
    const { status, stdout } = run('--once', '--no-process-metrics');
    expect(status).toBe(0);
    const { metrics, processes } = JSON.parse(stdout) as { metrics: [Record<string, string>][]; processes: object[] };
    expect(metrics.some(([labels]) => labels.metric === 'load_avg_1min')).toBe(true);
    expect(metrics.some(([labels]) => labels.metric === 'vsize')).toBe(false);
    expect(processes.length).toBeGreaterThan(0);
    writeFileSync(join(folder, 'uptime'), '12.5 3.25\n');
    const { stdout: recorded } = run('--once', '--proc-root', folder, '--sys-root', folder);
    expect(JSON.parse(recorded).metrics).toContainEqual([{ metric: 'uptime' }, ['Float', 12.5]]);
  });

  it('says with --check-config what a start would stumble over', () => {
    writeFileSync(join(folder, 'a.otlp.yaml'), 'url: http://127.0.0.1:4318/v1/metrics\n');
    expect(run('--check-config', '-c', folder)).toMatchObject({ status: 0, stdout: 'fine; receivers: a.otlp\n' });
    // What is no receiver's file is warned of, as at the start.
    writeFileSync(join(folder, 'notes.txt'), '');
    expect(run('--check-config', '-c', folder)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('notes.txt: not used'),
    });
    writeFileSync(join(folder, 'b.remote-write.yaml'), 'url: prometheus\npattern: "("\n');
    const { status, stderr } = run('--check-config', '-c', folder, '--http-token-file', join(folder, 'none'));
    expect(status).toBe(2);
    expect(stderr).toMatch(/b\.remote-write\.yaml:1:6: url: "prometheus"; expected an address as http/);
    expect(stderr).toMatch(/b\.remote-write\.yaml:2:10: pattern: /);
    expect(stderr).toContain('none');
    expect(run('--check-config', '-c', join(folder, 'absent'))).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('does not exist'),
    });
  });
});
