import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemory } from '../../src/cluster/memory.ts';

let folder: string;
let lines: string[];
const log = (line: string) => lines.push(line);
const open = (wallMs: number) => openMemory(folder, wallMs, log);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stellwerk-memory-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a life is later than every one before, also when the clock went back', async () => {
  expect((await open(5_000)).life).toBe(5_000);
  expect((await open(9_000)).life).toBe(9_000);
  expect((await open(1_000)).life).toBe(9_001);
  expect((await open(1_000)).life).toBe(9_002);
  expect(lines).toEqual([]);
});

test('the peers are there after a restart; of many writes the newest stays', async () => {
  const memory = await open(1);
  expect(memory.peers).toEqual([]);
  const writes = [1, 2, 3, 4].map((port) => memory.remember([`127.0.0.1:${port}`, '[::1]:9'], 2));
  await Promise.all(writes);
  expect(await open(2)).toMatchObject({ peers: ['127.0.0.1:4', '[::1]:9'], others: 2 });
  expect(readFileSync(join(folder, 'peers.json'), 'utf8')).toBe(
    '{"ip_addresses":["127.0.0.1:4","[::1]:9"],"nodes":2}\n',
  );
  expect(readdirSync(folder).sort()).toEqual(['life', 'peers.json']);
});

test.each([
  ['life', '', 'not the number of a start'],
  ['life', '12', 'not the number of a start'],
  ['life', '999999999999999\n', 'not the number of a start'],
  ['peers.json', '{"ip_addresses":["127.0.0.1', /JSON/],
  ['peers.json', '[]', 'no list "ip_addresses"'],
  ['peers.json', '{"ip_addresses":["127.0.0.1:1","node2:1"]}', 'ip_addresses[1] is no IP:PORT'],
])('a damaged %s %j is said, and the start goes on without it', async (name, text, reason) => {
  writeFileSync(join(folder, name), text);
  const memory = await open(7_000);
  expect(memory).toMatchObject({ life: 7_000, peers: [] });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(reason);
  expect(lines[0]).toContain(join(folder, name));
  await memory.remember(['127.0.0.1:1'], 1);
  expect(await open(7_000)).toMatchObject({ life: 7_001, peers: ['127.0.0.1:1'] });
});

test.each([
  ['{"ip_addresses":["127.0.0.1:1"]}', 0],
  ['{"ip_addresses":["127.0.0.1:1"],"nodes":7}', 1],
  ['{"ip_addresses":["127.0.0.1:1"],"nodes":-1}', 0],
  ['{"ip_addresses":["127.0.0.1:1"],"nodes":"1"}', 0],
])('%s speaks of %d others', async (text, others) => {
  writeFileSync(join(folder, 'peers.json'), text);
  expect(await open(1)).toMatchObject({ peers: ['127.0.0.1:1'], others });
});

test('arbitrary bytes in both files never keep a node from its start', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array(), fc.uint8Array(), async (life, peers) => {
      writeFileSync(join(folder, 'life'), life);
      writeFileSync(join(folder, 'peers.json'), peers);
      const memory = await open(7_000);
      expect(Number.isSafeInteger(memory.life)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test('a folder that cannot be written is said, and the start goes on', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  folder = join(file, 'below');
  const memory = await open(5);
  await memory.remember(['127.0.0.1:1'], 1);
  expect(memory).toMatchObject({ life: 5, peers: [] });
  expect(lines.join('\n')).toMatch(/cannot be written, going on/);
  folder = file;
  rmSync(file);
  mkdirSync(file);
});
