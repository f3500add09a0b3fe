import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { type LithosHost, lithosHost } from './lithos-host.ts';

const isRoot = process.getuid?.() === 0;
const hasIp = spawnSync('ip', ['-V']).error === undefined;
const bridge = `lib${process.pid % 100_000}`;

let host: LithosHost;

const ip = (...words: readonly string[]) => spawnSync('ip', words, { encoding: 'utf8' });
const interfaces = (): readonly string[] =>
  readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .flatMap((line) => /^\s*(li_[^:]+):/.exec(line)?.[1] ?? []);

/** The kernel takes interfaces away some time after the last process of their network. */
async function interfacesLeft(): Promise<readonly string[]> {
  for (let wait = 0; wait < 150 && interfaces().length > 0; wait++) await sleep(20);
  return interfaces();
}

const net = (more = ''): string =>
  `bridged-network: { bridge: ${bridge}, network: 10.77.0.0/24, default-gateway: 10.77.0.1${more} }\n`;

const server = `executable: /usr/bin/python3
arguments:
  - -c
  - |
    import socket
    s = socket.socket(fileno=3)
    while True:
        c, a = s.accept()
        c.sendall(a[0].encode())
        c.close()
tcp-ports: { 80: { fd: 3 } }
`;

function wants(entries: Readonly<Record<string, readonly string[]>>): void {
  const text = Object.entries(entries).map(
    ([name, addresses]) =>
      `${name}: { image: app, config: /config/${name}.yaml, instances: ${addresses.length}, ip-addresses: [${addresses}] }\n`,
  );
  writeFileSync(host.processes, text.join(''));
}

/** What a program in a container's network gets from there. */
const connectFrom = (pid: number, to: string): string =>
  spawnSync(
    'nsenter',
    [
      '-t',
      `${pid}`,
      '-n',
      'python3',
      '-c',
      `import socket; s=socket.create_connection(("${to}", 80), 1); print(s.recv(99).decode())`,
    ],
    { encoding: 'utf8' },
  ).stdout.trim();

async function connectSoon(pid: number, to: string): Promise<string> {
  for (let wait = 0; wait < 50; wait++) {
    const told = connectFrom(pid, to);
    if (told !== '') return told;
    await sleep(50);
  }
  return '';
}

const pidsOf = async (): Promise<readonly number[]> =>
  [...(await host.running()).values()].flatMap(({ pid }) => (pid === null ? [] : [pid]));

const isUsable = isRoot && hasIp;
describe.skipIf(skipped(isUsable, 'bridged networks', 'needs root and ip (apt-get install iproute2)'))(
  'a bridged network',
  () => {
    beforeEach(() => {
      host = lithosHost(0);
      host.container('web', server);
      expect(ip('link', 'add', bridge, 'type', 'bridge').status).toBe(0);
      ip('addr', 'add', '10.77.0.1/24', 'dev', bridge);
      ip('link', 'set', bridge, 'up');
    });
    afterEach(async () => {
      await host.endTree('SIGTERM');
      await host.remove();
      ip('link', 'del', bridge);
    });

    it('gives each instance its address, reaches gateway and neighbours, and leaves no interface', async () => {
      host.sandbox(net());
      wants({ web: ['10.77.0.2', '10.77.0.3'] });
      expect(host.lithos('check', '-C', host.master)).toMatchObject({ code: 0, err: '' });
      await host.start();
      await host.until('two', ({ containers }) => containers.filter(({ phase }) => phase === 'running').length === 2);
      const [first = 0, second = 0] = await pidsOf();
      expect(interfaces()).toHaveLength(2);
      for (const name of interfaces()) expect(name).toMatch(/^li_[0-9a-f]{6}_000[23]$/);
      const inside = spawnSync('nsenter', ['-t', `${first}`, '-n', 'ip', '-br', 'addr'], { encoding: 'utf8' }).stdout;
      expect(inside).toMatch(/^lo\s+UNKNOWN\s+127\.0\.0\.1\/8/m);
      expect(inside).toMatch(/^li-[0-9a-f]{6}-0002\S*\s+UP\s+10\.77\.0\.2\/24/m);
      const routes = spawnSync('nsenter', ['-t', `${first}`, '-n', 'ip', 'route'], { encoding: 'utf8' }).stdout;
      expect(routes).toContain('default via 10.77.0.1');
      expect(await connectSoon(first, '10.77.0.3')).toBe('10.77.0.2');
      expect(await connectSoon(second, '10.77.0.2')).toBe('10.77.0.3');
      // From the host, through the bridge.
      expect(await connectSoon(process.pid, '10.77.0.2')).toBe('10.77.0.1');
      await host.endTree('SIGTERM');
      expect(await interfacesLeft()).toEqual([]);
    });

    it('keeps isolated containers from each other, and lets them reach the gateway', async () => {
      host.sandbox(net(', isolated: true'));
      wants({ web: ['10.77.0.2', '10.77.0.3'] });
      await host.start();
      await host.until('two', ({ containers }) => containers.filter(({ phase }) => phase === 'running').length === 2);
      const [first = 0] = await pidsOf();
      expect(await connectSoon(process.pid, '10.77.0.3')).toBe('10.77.0.1');
      expect(connectFrom(first, '10.77.0.3')).toBe('');
    });

    it('runs only the instances that have an address, and says so', async () => {
      host.sandbox(net());
      writeFileSync(
        host.processes,
        'web: { image: app, config: /config/web.yaml, instances: 3, ip-addresses: [10.77.0.2, 10.77.0.9] }\n',
      );
      expect(host.lithos('check', '-C', host.master)).toMatchObject({
        code: 1,
        err: expect.stringContaining('web.ip-addresses: 2 address(es) for 3 instances: the others do not run'),
      });
      await host.start();
      await host.until(
        'two',
        ({ containers }) => containers.length === 2 && containers.every(({ phase }) => phase === 'running'),
      );
    });

    it('refuses addresses outside of it, of another family, twice, and none', () => {
      host.sandbox(net());
      const told = (addresses: string): string => {
        writeFileSync(host.processes, `web: { image: app, config: /config/web.yaml, ip-addresses: [${addresses}] }\n`);
        return host.lithos('check', '-C', host.master).err;
      };
      expect(told('10.78.0.2')).toContain('web.ip-addresses[0]: 10.78.0.2 is not in 10.77.0.0/24');
      expect(told('"fd00::2"')).toContain('fd00::2 is of another family than 10.77.0.0');
      expect(told('10.77.0.2, 10.77.0.2')).toContain('web.ip-addresses[1]: 10.77.0.2 is there twice');
      expect(told('')).toContain(
        'web.ip-addresses: missing; a Daemon in a bridged network needs an address per instance',
      );
    });

    it('has a command after its set-up, on the host but in the container’s network', async () => {
      const script = join(host.dir, 'after');
      writeFileSync(script, `#!/bin/sh\nip -br addr > ${host.dir}/seen\necho "$1" >> ${host.dir}/seen\n`, {
        mode: 0o755,
      });
      host.sandbox(net(`, after-setup-command: [${script}, "@{container_ip}"]`));
      wants({ web: ['10.77.0.2'] });
      await host.start();
      await host.until('one', ({ containers: [each] }) => each?.phase === 'running');
      const seen = readFileSync(join(host.dir, 'seen'), 'utf8');
      expect(seen).toContain('10.77.0.2/24');
      expect(seen).not.toContain(bridge);
      expect(seen.trim().split('\n').at(-1)).toBe('10.77.0.2');
    });

    it('that cannot be set up stops the start, names the reason and leaves no interface', async () => {
      host.sandbox(net(', after-setup-command: [/usr/bin/false]'));
      wants({ web: ['10.77.0.2'] });
      await host.start();
      const end = await host.until('an end', ({ containers: [each] }) => each?.lastEnd);
      expect(end.failure?.message).toContain('after-setup-command: /usr/bin/false ended with exit code 1');
      await sleep(100);
      await host.endTree('SIGTERM');
      expect(await interfacesLeft()).toEqual([]);
    });

    it('without its bridge says which', async () => {
      host.sandbox(net().replace(bridge, 'nobridge'));
      wants({ web: ['10.77.0.2'] });
      await host.start();
      const end = await host.until('an end', ({ containers: [each] }) => each?.lastEnd);
      expect(end.failure?.message).toContain('nobridge');
      expect(await interfacesLeft()).toEqual([]);
    });

    it('opens external ports on the host, others only inside', async () => {
      host.sandbox(`${net()}allow-tcp-ports: [18477]\n`);
      host.container('web', server.replace('80: { fd: 3 }', '80: { fd: 3 }, 18477: { fd: 4, external: true }'));
      wants({ web: ['10.77.0.2'] });
      await host.start();
      await host.until('one', ({ containers: [each] }) => each?.phase === 'running');
      expect((await host.status()).sockets).toEqual(['0.0.0.0:18477']);
      expect(await connectSoon(process.pid, '10.77.0.2')).toBe('10.77.0.1');
    });
  },
);
