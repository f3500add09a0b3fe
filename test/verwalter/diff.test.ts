import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/verwalter/canonical.ts';
import { diffSchedules, type Move } from '../../src/verwalter/diff.ts';
import { diffCommand } from '../../src/verwalter/diff-command.ts';

/** By node and daemon, all of one role `web`; a daemon may be a count or an object. */
const schedule = (nodes: Record<string, Record<string, number | JsonObject>>, more: JsonObject = {}): JsonObject => ({
  nodes: Object.fromEntries(
    Object.entries(nodes).map(([node, daemons]) => [
      node,
      {
        roles: {
          web: {
            template: 't',
            daemons: Object.fromEntries(
              Object.entries(daemons).map(([name, value]) => [
                name,
                typeof value === 'number' ? { instances: value } : value,
              ]),
            ),
          },
        },
      },
    ]),
  ),
  ...more,
});
const ofDaemons = (moves: readonly Move[]): readonly unknown[] =>
  moves.filter(({ daemon }) => daemon !== null).map(({ role: _, ...move }) => move);

describe('the difference of two schedules', () => {
  it('is a start, a stop or another number', () => {
    const before = schedule({ a: { main: 2 }, b: { main: 1, old: 3 } });
    const after = schedule({ a: { main: 4 }, b: { main: 1, new: 1 } });
    expect(ofDaemons(diffSchedules(before, after))).toEqual([
      { node: 'a', daemon: 'main', kind: 'changed', before: 2, after: 4 },
      { node: 'b', daemon: 'new', kind: 'started', before: 0, after: 1 },
      { node: 'b', daemon: 'old', kind: 'stopped', before: 3, after: 0 },
    ]);
  });

  it('is a move where a daemon goes from one node and comes to another', () => {
    const before = schedule({ a: { main: 2 }, b: { main: 3 } });
    const after = schedule({ b: { main: 3 }, c: { main: 1 }, d: { main: 1 } });
    expect(ofDaemons(diffSchedules(before, after))).toEqual([
      { node: 'c', daemon: 'main', kind: 'moved', before: 2, after: 1, fromNode: 'a' },
      { node: 'd', daemon: 'main', kind: 'started', before: 0, after: 1 },
    ]);
  });

  it('is a change where image or variables are others, the role’s own and those merged into it too', () => {
    const before = schedule({ a: { main: { instances: 1, image: 'v1' } } });
    expect(diffSchedules(before, schedule({ a: { main: { instances: 1, image: 'v2' } } }))).toEqual([
      { role: 'web', node: 'a', daemon: 'main', kind: 'changed', before: 1, after: 1 },
    ]);
    expect(diffSchedules(before, { ...before, vars: { zone: 'eu' } })).toEqual([
      { role: 'web', node: 'a', daemon: null, kind: 'changed', before: 1, after: 1 },
    ]);
    expect(diffSchedules(before, { ...before, state: { anything: 1 } })).toEqual([]);
  });

  it('is a start or a stop of the role itself where it has no daemons', () => {
    const files = { nodes: { a: { roles: { dns: { template: 't' } } } } };
    expect(diffSchedules({}, files)).toEqual([
      { role: 'dns', node: 'a', daemon: null, kind: 'started', before: 0, after: 1 },
    ]);
    expect(diffSchedules(files, {})).toMatchObject([{ role: 'dns', daemon: null, kind: 'stopped' }]);
  });

  it('tells why: what explain says of role and node, else the sentences that name the role', () => {
    const before = schedule({});
    const explained = { explain: { web: { a: { placed: true, reasons: ['most free memory', 'zone eu'] } } } };
    const [first] = diffSchedules(before, schedule({ a: { main: 1 } }, explained));
    expect(first?.why).toBe('most free memory; zone eu');
    const changes = { changes: ['web-cache moved', 'web: 3 more', 'b: web started'] };
    const moves = diffSchedules(before, schedule({ a: { main: 1 }, b: { main: 1 } }, changes));
    expect(moves.filter(({ daemon }) => daemon === 'main').map(({ why }) => why)).toEqual([
      'web: 3 more; b: web started',
      'b: web started',
    ]);
  });

  it('accounts for every instance, and is empty only where nothing is different', () => {
    const counts = fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'd'),
      fc.dictionary(fc.constantFrom('x', 'y'), fc.nat(3)),
    );
    const total = (nodes: Record<string, Record<string, number>>): number =>
      Object.values(nodes).reduce((sum, daemons) => sum + Object.values(daemons).reduce((a, b) => a + b, 0), 0);
    fc.assert(
      fc.property(counts, counts, (old, now) => {
        const moves = diffSchedules(schedule(old), schedule(now)).filter(({ daemon }) => daemon !== null);
        expect(moves.reduce((sum, { before, after }) => sum + after - before, 0)).toBe(total(now) - total(old));
        expect(diffSchedules(schedule(old), schedule(structuredClone(old)))).toEqual([]);
        const back = diffSchedules(schedule(now), schedule(old)).filter(({ daemon }) => daemon !== null);
        expect(back.length).toBe(moves.length);
      }),
    );
  });
});

describe('verwalter diff', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'verwalter-diff-'));
    writeFileSync(join(folder, 'a.json'), JSON.stringify({ hash: 'x', data: schedule({ a: { main: 2 } }) }));
    writeFileSync(join(folder, 'b.json'), JSON.stringify(schedule({ b: { main: 2 } })));
    writeFileSync(join(folder, 'broken.json'), '{');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const diff = async (a: string, b: string) => {
    const said: string[] = [];
    const terminal = {
      print: (text: string) => said.push(text),
      complain: (text: string) => said.push(text),
      progress: null,
    };
    const options = { url: 'http://127.0.0.1:1', json: false };
    return { code: await diffCommand(join(folder, a), join(folder, b), options, terminal), text: said.join('') };
  };

  it('prints a table of moves of two files, and exits 1 where they differ', async () => {
    expect(await diff('a.json', 'b.json')).toEqual({
      code: 1,
      text: 'moved  web/main  a → b  2 → 2\n1 moved\n',
    });
    expect(await diff('a.json', 'a.json')).toEqual({ code: 0, text: 'nothing moves\n' });
  });
  it('says which file is no schedule', async () => {
    expect(await diff('a.json', 'broken.json')).toMatchObject({
      code: 2,
      text: expect.stringContaining('broken.json: '),
    });
    expect(await diff('none.json', 'a.json')).toMatchObject({ code: 2, text: expect.stringContaining('none.json') });
  });
});
