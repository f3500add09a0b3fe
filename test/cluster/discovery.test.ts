import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { splitAddr } from '../../src/cluster/addr.ts';
import { parseJoin, parseJoinFile, startDiscovery } from '../../src/cluster/discovery.ts';

let folder = '';
const stops: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'discovery-'));
});
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  rmSync(folder, { recursive: true, force: true });
});

const timing = { everyMs: 20, aloneEveryMs: 20 };

async function until(what: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 200 && !what(); attempt++) await sleep(10);
  expect(what()).toBe(true);
}

test('a target is an address, a name or a file', () => {
  expect(parseJoin('10.0.0.1:8379')).toEqual({ kind: 'address', addr: '10.0.0.1:8379' });
  expect(parseJoin('[::1]:8379')).toEqual({ kind: 'address', addr: '[::1]:8379' });
  expect(parseJoin('nodes.example_net.:80')).toEqual({ kind: 'name', name: 'nodes.example_net.', port: 80 });
  expect(parseJoin('@/etc/nodes')).toEqual({ kind: 'file', path: '/etc/nodes' });
  for (const bad of [
    '',
    '@',
    'a',
    'a:',
    'a:0',
    'a:65536',
    ':80',
    '1.2.3:80',
    'a b:80',
    'a..b:80',
    '-a:80',
    '300.1.1.1:80',
  ]) {
    expect(parseJoin(bad), bad).toBeNull();
  }
});

test('any file gives addresses that can be used, names, and the line of each mistake', () => {
  const line = fc.oneof(fc.string(), fc.constantFrom('1.2.3.4:5', 'a.b:1', '# x', '', '  ::1:2 # y', '1.2.3.4'));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const { hosts, problems } = parseJoinFile('/f', lines.join('\n'));
      for (const host of hosts) if (host.kind === 'address') expect(splitAddr(host.addr)).not.toBeNull();
      for (const problem of problems) expect(problem).toMatch(/^\/f:\d+: ".*": expected IP:PORT or NAME:PORT$/);
      const meant = lines
        .join('\n')
        .split('\n')
        .filter((each) => each.replace(/#.*/, '').trim() !== '');
      expect(hosts.length + problems.length).toBe(meant.length);
    }),
  );
});

test('a name is all its addresses, each introduced once while others are alive, and new ones as they come', async () => {
  const told: string[] = [];
  const addresses = ['10.0.0.1', 'fd00::2'];
  const { stop } = startDiscovery({
    ...timing,
    targets: [{ kind: 'name', name: 'nodes', port: 80 }],
    addHost: (addr) => told.push(addr),
    hasPeers: () => told.length > 0,
    log: () => {},
    resolve: async (name) => (name === 'nodes' ? [...addresses] : []),
  });
  stops.push(stop);
  await until(() => told.length === 2);
  await sleep(100);
  expect(told).toEqual(['10.0.0.1:80', '[fd00::2]:80']);
  addresses.push('10.0.0.3');
  await until(() => told.length === 3);
  expect(told[2]).toBe('10.0.0.3:80');
});

test('whoever is alone goes on knocking', async () => {
  const told: string[] = [];
  const { stop } = startDiscovery({
    ...timing,
    targets: [{ kind: 'address', addr: '10.0.0.1:80' }],
    addHost: (addr) => told.push(addr),
    hasPeers: () => false,
    log: () => {},
  });
  stops.push(stop);
  await until(() => told.length > 3);
});

test('a file is read again as it changes; what is wrong with it is said once, and again when it is something else', async () => {
  const told = new Set<string>();
  const said: string[] = [];
  const path = join(folder, 'nodes');
  const { stop } = startDiscovery({
    ...timing,
    targets: [{ kind: 'file', path }],
    addHost: (addr) => told.add(addr),
    hasPeers: () => true,
    log: (line) => said.push(line),
    resolve: () => Promise.reject(new Error('no such name')),
  });
  stops.push(stop);
  await until(() => said.length === 1);
  expect(said[0]).toMatch(/^--join @.*nodes: ENOENT.*; tried again$/);
  writeFileSync(path, '# ours\n10.0.0.1:80\n10.0.0.2\nelsewhere:81 # a name\n');
  await until(() => said.length === 3 && told.size === 1);
  expect(said.slice(1).sort()).toEqual([
    '--join elsewhere:81: no such name; tried again',
    `${path}:3: "10.0.0.2": expected IP:PORT or NAME:PORT`,
  ]);
  writeFileSync(path, '10.0.0.1:80\n10.0.0.2:80\n');
  await until(() => told.size === 2);
  await sleep(100);
  expect(said).toHaveLength(3);
});

test('a name of the system is found through the system', async () => {
  const told: string[] = [];
  const { stop } = startDiscovery({
    ...timing,
    targets: [{ kind: 'name', name: 'localhost', port: 80 }],
    addHost: (addr) => told.push(addr),
    hasPeers: () => true,
    log: () => {},
  });
  stops.push(stop);
  await until(() => told.length > 0);
  expect(['127.0.0.1:80', '[::1]:80']).toContain(told[0]);
});
