import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { type LithosHost, lithosHost } from './lithos-host.ts';

const self = process.getuid?.() ?? 0;
const hasWrk = spawnSync('wrk', ['--version']).error === undefined;

let host: LithosHost;
afterEach(() => host.remove());

/** Serves HTTP on a socket that it inherits, one request per connection. */
const server = (fd: number): string => `import socket, threading
s = socket.socket(fileno=${fd})
def serve(c):
    try:
        c.recv(4096)
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    except OSError: pass
    c.close()
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
`;

const python = (program: string): string =>
  `executable: /usr/bin/python3\narguments: [-c, ${JSON.stringify(program).replaceAll('\\\\\\\\', '\\\\')}]\n`;

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

function tries(port: number): Promise<'connected' | string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
  });
}

async function serving(port: number, more = ''): Promise<void> {
  host = lithosHost(self);
  host.sandbox(`allow-tcp-ports: [${port}]\n`);
  host.container('web', `${python(server(5))}tcp-ports:\n  ${port}: { fd: 5 }\nrestart-timeout: 0.01\n${more}`);
  host.want({ web: 2 });
  await host.start();
  await host.until(
    'two running',
    ({ containers }) => containers.filter(({ phase }) => phase === 'running').length === 2,
  );
  for (let wait = 0; (await tries(port)) !== 'connected' && wait < 100; wait++) await sleep(20);
}

const answer = async (port: number): Promise<string> => await (await fetch(`http://127.0.0.1:${port}/`)).text();

describe('a listening socket', () => {
  it.skipIf(skipped(hasWrk, 'a load while everything is restarted', 'wrk is missing (apt-get install wrk)'))(
    'refuses no connection while programs and trees are restarted a hundred times under load',
    async () => {
      const port = await freePort();
      await serving(port);
      const mostSeconds = 120;
      // A connection per request: one that lives through the test would show nothing.
      const load = spawn('wrk', [
        '-t1',
        '-c8',
        `-d${mostSeconds}s`,
        '--timeout',
        '20s',
        '-H',
        'Connection: close',
        `http://127.0.0.1:${port}/`,
      ]);
      let report = '';
      load.stdout.on('data', (chunk: Buffer) => (report += chunk));
      const ended = new Promise((resolve) => load.on('close', resolve));
      const probes: string[] = [];
      let probing = true;
      const probe = (async () => {
        while (probing) {
          probes.push(await tries(port));
          await sleep(5);
        }
      })();
      const until = Date.now() + mostSeconds * 1000 - 10_000;
      let restarts = 0;
      for (let round = 0; restarts < 100 && Date.now() < until; round++) {
        if (round % 20 === 19) host.kill('SIGHUP');
        else if (round % 20 === 9) {
          await host.endTree('SIGKILL');
          await host.start();
        } else {
          const victims = [...(await host.running().catch(() => new Map())).values()];
          const victim = victims[round % Math.max(1, victims.length)];
          if (victim?.pid != null) {
            process.kill(victim.pid, 'SIGKILL');
            restarts += 1;
          }
        }
        await sleep(60);
      }
      probing = false;
      await probe;
      // It ends early, with its report.
      load.kill('SIGINT');
      await ended;
      process.stdout.write(`${restarts} restarts of programs, ${probes.length} probes\n${report}`);
      expect(restarts).toBe(100);
      expect(probes.filter((each) => each === 'ECONNREFUSED')).toEqual([]);
      expect(report).not.toMatch(/connect [1-9]/);
      expect(Number(/(\d+) requests in/.exec(report)?.[1])).toBeGreaterThan(100);
    },
    150_000,
  );

  it('is there again after the tree was killed, from those who have it', async () => {
    const port = await freePort();
    await serving(port);
    expect((await host.status()).sockets).toEqual([`0.0.0.0:${port}`]);
    await host.endTree('SIGKILL');
    expect(await tries(port)).toBe('connected');
    await host.start();
    expect((await host.status()).sockets).toEqual([`0.0.0.0:${port}`]);
    for (const { knotPid } of (await host.running()).values()) if (knotPid !== null) process.kill(knotPid, 'SIGKILL');
    expect(await tries(port)).toBe('connected');
    await host.until('both again', ({ containers }) =>
      containers.every(({ phase, restarts }) => phase === 'running' && restarts > 0),
    );
    expect(await answer(port)).toBe('ok');
  });

  it('is closed once nobody wants it', async () => {
    const port = await freePort();
    await serving(port);
    host.want({ sleeper: 1 });
    await host.client().reload();
    await host.until('gone', ({ containers, sockets }) => containers.length === 1 && sockets.length === 0);
    expect(await tries(port)).toBe('ECONNREFUSED');
  });

  it('that somebody else has is told, and tried for again', async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, '0.0.0.0', resolve));
    host = lithosHost(self);
    host.sandbox(`allow-tcp-ports: [${port}]\n`);
    host.container('web', `${python(server(3))}tcp-ports:\n  ${port}: { fd: 3 }\nrestart-timeout: 0.1\n`);
    host.want({ web: 1 });
    await host.start();
    const [failed] = await host.until('refused', ({ containers }) => containers[0]?.lastEnd?.failure && containers);
    expect(failed?.lastEnd?.failure?.message).toContain(`open sockets: bind: 0.0.0.0: Address already in use`);
    await new Promise((resolve) => other.close(resolve));
    await host.until('running', ({ containers }) => containers[0]?.phase === 'running');
    for (let wait = 0; (await tries(port)) !== 'connected' && wait < 100; wait++) await sleep(20);
    expect(await answer(port)).toBe('ok');
  });

  it('comes by systemd’s protocol where a variable asks for it', async () => {
    const port = await freePort();
    host = lithosHost(self);
    host.sandbox(`allow-tcp-ports: [${port}]\n`);
    const program = `import os
print(os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"], os.environ["LISTEN_PID"] == str(os.getpid()), flush=True)
${server(3)}`;
    host.container('web', `variables: { listen: !TcpPort { activation: systemd } }\n${python(program)}`);
    writeFileSync(host.processes, `web: { image: app, config: /config/web.yaml, variables: { listen: ${port} } }\n`);
    await host.start();
    await host.until('words', () => host.output().includes('\n1 '));
    expect(host.output()).toContain('\n1 listen True\n');
    expect(await answer(port)).toBe('ok');
  });

  it('is of one’s own with reuse-port, and goes with its program', async () => {
    const port = await freePort();
    host = lithosHost(self);
    host.sandbox(`allow-tcp-ports: [${port}]\n`);
    host.container(
      'web',
      `${python(server(4))}tcp-ports:\n  ${port}: { fd: 4, reuse-port: true }\nrestart-timeout: 60\n`,
    );
    host.want({ web: 2 });
    await host.start();
    await host.until(
      'two running',
      ({ containers }) => containers.filter(({ phase }) => phase === 'running').length === 2,
    );
    const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n');
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    expect(lines.filter((line) => line.includes(`00000000:${hex} 00000000:0000 0A`))).toHaveLength(2);
    for (const { pid } of (await host.running()).values()) if (pid !== null) process.kill(pid, 'SIGKILL');
    await host.until('waiting', ({ containers }) => containers.every(({ phase }) => phase === 'waiting'));
    expect(await tries(port)).toBe('ECONNREFUSED');
  });

  it('outside of allow-tcp-ports is refused by the check and the tree', async () => {
    host = lithosHost(self);
    host.container('web', `${python(server(3))}tcp-ports:\n  81: { fd: 3 }\n`);
    host.want({ web: 1, sleeper: 1 });
    const { code, err } = host.lithos('check', '-C', host.master);
    expect(code).toBe(1);
    expect(err).toContain(`${join(host.dir, 'images/app/config/web.yaml')}:`);
    expect(err).toContain('tcp-ports.81: Port 81 is not allowed');
    await host.start();
    await host.until('the other', ({ containers }) => containers.length === 1 && containers[0]?.process === 'sleeper');
  });
});
