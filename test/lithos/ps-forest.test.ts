import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { absoluteConfig, findForest, planOf, treeConfigOf, treeOf } from '../../src/lithos/ps/forest.ts';
import type { ProcessRow } from '../../src/lithos/ps/proc.ts';

const row = (pid: number, ppid: number, line: string, more: Partial<ProcessRow> = {}): ProcessRow => ({
  pid,
  ppid,
  comm: '',
  threads: 1,
  userTicks: 0,
  systemTicks: 0,
  childUserTicks: 0,
  childSystemTicks: 0,
  startTicks: pid,
  words: line === '' ? [] : line.split(' '),
  ...more,
});

const tree = 'node /opt/stellwerk/bin/stellwerk.js lithos tree -C /etc/a.yaml';
const knot = (leaf: string): string => `/opt/knot --plan /run/lithos/state/${leaf}/plan`;

describe('the command line of a tree', () => {
  it.each([
    ['node /opt/bin/stellwerk.js lithos tree', '/etc/lithos/master.yaml'],
    ['/usr/bin/node /usr/local/bin/lithos tree -C /etc/b.yaml', '/etc/b.yaml'],
    ['node20 /x/stellwerk lithos tree --log-stderr --config c.yaml', 'c.yaml'],
    ['node --enable-source-maps --require ./a.cjs /x/stellwerk.js lithos tree --config=/d.yaml', '/d.yaml'],
    ['node /x/lithos tree -C/e.yaml --log-level info', '/e.yaml'],
    ['node /x/lithos tree -C /first.yaml -C /last.yaml', '/last.yaml'],
    ['node /x/lithos tree -C', '/etc/lithos/master.yaml'],
  ])('%s', (line, config) => expect(treeConfigOf(line.split(' '))).toBe(config));

  it.each([
    'node /x/stellwerk.js lithos ps',
    'node /x/stellwerk.js tree',
    'node /x/other.js lithos tree',
    'node /x/lithos check tree',
    'sudo node /x/lithos tree',
    'vi /x/lithos tree',
    'node',
    'node --version',
  ])('%s: is of none', (line) => expect(treeConfigOf(line.split(' '))).toBeNull());

  it('of no words is of none', () => expect(treeConfigOf([])).toBeNull());

  it('names a config from its own working folder', () => {
    expect(absoluteConfig('a.yaml', '/srv')).toBe('/srv/a.yaml');
    expect(absoluteConfig('../a.yaml', '/srv/x')).toBe('/srv/a.yaml');
    expect(absoluteConfig('/etc/../a.yaml', null)).toBe('/a.yaml');
    expect(absoluteConfig('a.yaml', null)).toBeNull();
  });
});

describe('the command line of a knot', () => {
  it('names state dir, sandbox, process and instance', () => {
    expect(planOf(knot('box/web.12').split(' '))).toMatchObject({
      stateDir: '/run/lithos/state',
      sandbox: 'box',
      process: 'web',
      instance: 12,
    });
    expect(planOf(knot('box/cmd.migrate.4711').split(' '))).toMatchObject({ process: 'cmd.migrate', instance: 4711 });
    expect(planOf(['knot', '--plan', '/a b/\n/box/web.0/plan'])?.stateDir).toBe('/a b/\n');
  });

  it.each([
    'knot --plan /run/box/web/plan',
    'knot --plan /box/web.0/plan',
    'knot --plan run/state/box/web.0/plan',
    'knot --plan /run/state/box/..0/plan',
    'knot --plan /run/state/box/web.0/plan more',
    'knots --plan /run/state/box/web.0/plan',
    'knot /run/state/box/web.0/plan',
  ])('%s: is of none', (line) => expect(planOf(line.split(' '))).toBeNull());
});

describe('a forest', () => {
  it('has trees, their containers and the programs in them', () => {
    const { trees, knots } = findForest([
      row(10, 1, tree),
      row(20, 10, knot('box/web.0'), { comm: 'knot' }),
      row(21, 20, knot('box/web.0'), { comm: 'init' }),
      row(22, 21, 'nginx'),
      row(23, 22, 'nginx worker'),
      row(24, 23, 'cgi'),
      row(30, 1, knot('box/cmd.migrate.9')),
      row(31, 30, knot('box/cmd.migrate.9')),
      row(40, 1, 'bash'),
    ]);
    expect(trees.map(({ row: { pid }, config }) => [pid, config])).toEqual([[10, '/etc/a.yaml']]);
    expect(knots.map(({ name }) => name)).toEqual(['box/cmd.migrate.9', 'box/web.0']);
    expect(knots[1]?.heads.map((head) => [head.row.pid, head.all.map(({ pid }) => pid)])).toEqual([[22, [22, 23, 24]]]);
    expect(knots[0]?.heads).toEqual([]);
  });

  it('does not take forks that have not called exec for trees, knots or programs', () => {
    const { trees, knots } = findForest([
      row(10, 1, tree),
      row(11, 10, tree),
      row(20, 10, knot('box/web.0')),
      row(21, 20, knot('box/web.0')),
      row(22, 21, knot('box/web.0')),
    ]);
    expect(trees.map((each) => each.row.pid)).toEqual([10]);
    expect(knots.map((each) => [each.row.pid, each.heads])).toEqual([[20, []]]);
  });

  it('does not take an init for a knot when its own has been killed', () => {
    const orphan = row(21, 1, knot('box/web.0'), { comm: 'init' });
    expect(findForest([orphan, row(22, 21, 'nginx')]).knots).toEqual([]);
  });

  it('has the oldest child of an init for the program, and counts what was left to the init', () => {
    const { knots } = findForest([
      row(20, 1, knot('box/web.0')),
      row(21, 20, knot('box/web.0')),
      // The pids have gone round.
      row(5, 21, 'orphan', { startTicks: 900 }),
      row(6, 5, 'child of the orphan', { startTicks: 901 }),
      row(22, 21, 'program', { startTicks: 500 }),
    ]);
    const [head] = knots[0]?.heads ?? [];
    expect(head?.row.pid).toBe(22);
    expect(head?.all.map(({ pid }) => pid).sort()).toEqual([22, 5, 6]);
  });

  it('sorts instances by their number', () => {
    const leaves = ['box/b.10', 'box/b.9', 'box/a.3', 'ant/z.0'];
    const { knots } = findForest(leaves.map((leaf, index) => row(100 - index, 1, knot(leaf))));
    expect(knots.map(({ name }) => name)).toEqual(['ant/z.0', 'box/a.3', 'box/b.9', 'box/b.10']);
  });

  it('of any rows, circles among them, has each process in a container at most once', () => {
    const lines = fc.constantFrom('', tree, 'sh', knot('a/b.0'), knot('a/b.1'), 'node lithos tree', 'knot --plan /x');
    const rows = fc.array(
      fc
        .tuple(fc.nat({ max: 12 }), fc.nat({ max: 12 }), lines, fc.nat({ max: 3 }))
        .map(([pid, ppid, line, startTicks]) => row(pid, ppid, line, { startTicks })),
      { maxLength: 14 },
    );
    fc.assert(
      fc.property(rows, (all) => {
        const unique = [...new Map(all.map((each) => [each.pid, each])).values()];
        for (const { heads } of findForest(unique).knots) {
          for (const { row: program, all: members } of heads) {
            expect(members).toContain(program);
            expect(new Set(members).size).toBe(members.length);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('of any command lines never throws', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.string({ unit: 'binary' }))), (lines) => {
        const { trees, knots } = findForest(lines.map((words, index) => row(index + 1, index, '', { words })));
        expect(trees.length + knots.length).toBeLessThanOrEqual(lines.length);
      }),
    );
  });
});

describe('a knot', () => {
  const trees = [
    { pid: 10, uid: 0, stateDir: '/run/a' },
    { pid: 11, uid: 0, stateDir: '/run/b' },
    { pid: 12, uid: 7, stateDir: null },
  ];

  it('belongs to its parent, else to the tree with its state dir', () => {
    expect(treeOf(trees, { ppid: 11, uid: 0, stateDir: '/run/a' })?.pid).toBe(11);
    expect(treeOf(trees, { ppid: 1, uid: 0, stateDir: '/run/a' })?.pid).toBe(10);
    expect(treeOf(trees, { ppid: 12, uid: 7, stateDir: '/run/c' })?.pid).toBe(12);
    expect(treeOf(trees, { ppid: 1, uid: 0, stateDir: '/run/c' })).toBeNull();
  });

  it('of another user cannot put itself under a tree', () => {
    expect(treeOf(trees, { ppid: 1, uid: 1000, stateDir: '/run/a' })).toBeNull();
    expect(treeOf(trees, { ppid: 10, uid: 1000, stateDir: '/run/a' })).toBeNull();
  });
});
