import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { surveyJson } from '../../src/lithos/ps/json.ts';
import { openProc, type Proc } from '../../src/lithos/ps/proc.ts';
import { type SurveyedTree, survey } from '../../src/lithos/ps/survey.ts';

interface Fake {
  readonly pid: number;
  readonly ppid: number;
  readonly words: readonly string[];
  readonly uid?: number;
  readonly folder?: string;
  readonly comm?: string;
}

/** A folder that looks like /proc. Process N has started after N seconds, has N threads and N KiB of memory. */
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ps-survey-'));
  mkdirSync(join(dir, 'proc'));
  writeFileSync(join(dir, 'proc', 'stat'), 'cpu 1 2 3\nbtime 1700000000\n');
  writeFileSync(join(dir, 'proc', 'uptime'), '1000.00 1.00\n');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function run({ pid, ppid, words, uid = 0, folder = '/', comm = 'x' }: Fake): void {
  const path = join(dir, 'proc', String(pid));
  mkdirSync(path);
  const zeros = (count: number): string => Array.from({ length: count }, () => '0').join(' ');
  writeFileSync(
    join(path, 'stat'),
    `${pid} (${comm}) S ${ppid} ${zeros(9)} 1 2 3 4 20 0 ${pid} 0 ${pid * 100} ${zeros(30)}\n`,
  );
  writeFileSync(join(path, 'cmdline'), words.map((word) => `${word}\0`).join(''));
  writeFileSync(join(path, 'status'), `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nVmRSS:\t${pid} kB\nVmSwap:\t1 kB\n`);
  symlinkSync(folder, join(path, 'cwd'));
}

function master(name: string): string {
  const file = join(dir, `${name}.yaml`);
  writeFileSync(file, `runtime-dir: ${dir}/${name}\n`);
  return file;
}

const treeWords = (config: string): readonly string[] => ['node', '/opt/stellwerk.js', 'lithos', 'tree', '-C', config];
const knotWords = (tree: string, leaf: string): readonly string[] => [
  '/opt/knot',
  '--plan',
  `${dir}/${tree}/state/${leaf}/plan`,
];

/** knot, init and program. */
function runContainer(pid: number, ppid: number, words: readonly string[], uid = 0): void {
  run({ pid, ppid, words, uid });
  run({ pid: pid + 1, ppid: pid, words, uid, comm: 'init' });
  run({ pid: pid + 2, ppid: pid + 1, words: ['sleep', '9'], uid });
}

const proc = (): Proc => openProc(join(dir, 'proc'));
const short = (trees: readonly SurveyedTree[]) =>
  trees.map(({ pid, config, containers }) => [pid, config, containers.map(({ name }) => name)]);

describe('a survey', () => {
  it('sums what is in a container, its init and its knot left out', () => {
    run({ pid: 10, ppid: 1, words: treeWords(master('a')) });
    runContainer(20, 10, knotWords('a', 'box/web.0'));
    run({ pid: 30, ppid: 22, words: ['worker'] });
    const [tree] = survey(proc(), null).trees;
    expect(tree).toMatchObject({ pid: 10, stateDir: `${dir}/a/state`, socket: `${dir}/a/tree.sock`, upMs: 990_000 });
    expect(tree?.containers).toEqual([
      {
        name: 'box/web.0',
        sandbox: 'box',
        process: 'web',
        instance: 0,
        knotPid: 20,
        programs: [
          {
            pid: 22,
            processes: 2,
            threads: 52,
            rssBytes: 52 * 1024,
            swapBytes: 2 * 1024,
            startedAtMs: 1_700_000_022_000,
            upMs: 978_000,
            userMs: 20,
            systemMs: 40,
            childUserMs: 60,
            childSystemMs: 80,
          },
        ],
      },
    ]);
  });

  it('gives each tree its own containers, and lists those whose tree has gone', () => {
    const [a, b] = [master('a'), master('b')];
    run({ pid: 10, ppid: 1, words: treeWords(a) });
    run({ pid: 11, ppid: 1, words: treeWords('b.yaml'), folder: dir });
    runContainer(20, 10, knotWords('a', 'box/web.0'));
    runContainer(30, 1, knotWords('a', 'box/web.1'));
    runContainer(40, 1, knotWords('b', 'box/web.0'));
    runContainer(50, 1, knotWords('gone', 'box/web.0'));
    expect(short(survey(proc(), null).trees)).toEqual([
      [10, a, ['box/web.0', 'box/web.1']],
      [11, b, ['box/web.0']],
      [null, null, ['box/web.0']],
    ]);
    expect(short(survey(proc(), b).trees)).toEqual([[11, b, ['box/web.0']]]);
    const gone = master('gone');
    expect(short(survey(proc(), gone).trees)).toEqual([[null, gone, ['box/web.0']]]);
  });

  it('finds the tree of a config by any of its names', () => {
    const a = master('a');
    symlinkSync(a, join(dir, 'link.yaml'));
    run({ pid: 10, ppid: 1, words: treeWords(a) });
    expect(short(survey(proc(), join(dir, 'link.yaml')).trees)).toEqual([[10, a, []]]);
  });

  it('keeps the containers of a tree whose config cannot be read any more, and says why', () => {
    const a = master('a');
    run({ pid: 10, ppid: 1, words: treeWords(a) });
    runContainer(20, 10, knotWords('a', 'box/web.0'));
    writeFileSync(a, 'bogus: 1\n');
    for (const config of [null, a]) {
      const { trees, problems } = survey(proc(), config);
      expect(short(trees)).toEqual([[10, a, ['box/web.0']]]);
      expect(trees[0]?.problems[0]).toMatchObject({ file: a, line: 1 });
      expect(problems).toEqual([]);
    }
  });

  it('says what is wrong with a config that no tree runs with', () => {
    const { trees, problems } = survey(proc(), join(dir, 'absent.yaml'));
    expect(trees).toEqual([]);
    expect(problems[0]?.file).toBe(join(dir, 'absent.yaml'));
  });

  it('says that a relative config cannot be looked up', () => {
    run({ pid: 10, ppid: 1, words: treeWords('a.yaml') });
    rmSync(join(dir, 'proc', '10', 'cwd'));
    const [tree] = survey(proc(), null).trees;
    expect(tree).toMatchObject({ pid: 10, config: 'a.yaml', stateDir: null });
    expect(tree?.problems[0]?.message).toContain('relative to the working folder');
  });

  it('does not put another user’s processes under a tree', () => {
    const a = master('a');
    run({ pid: 10, ppid: 1, words: treeWords(a) });
    runContainer(20, 1, knotWords('a', 'box/forged.0'), 1000);
    expect(short(survey(proc(), a).trees)).toEqual([
      [10, a, []],
      [null, a, ['box/forged.0']],
    ]);
  });

  it('has JSON whatever vanishes, and whenever', () => {
    run({ pid: 10, ppid: 1, words: treeWords(master('a')) });
    for (const pid of [20, 30, 40]) runContainer(pid, 10, knotWords('a', `box/web.${pid}`));
    const whole = proc();
    const pids = whole.processes().map(({ pid }) => pid);
    expect(pids).toHaveLength(10);
    const gone = fc.subarray(pids).map((each) => new Set(each));
    fc.assert(
      fc.property(gone, gone, (early, late) => {
        const vanishing: Proc = {
          ...whole,
          processes: () => whole.processes().filter(({ pid }) => !early.has(pid)),
          detail: (pid) => (late.has(pid) ? null : whole.detail(pid)),
        };
        const document = JSON.parse(surveyJson(survey(vanishing, null)));
        for (const { children } of document.trees) {
          for (const { pid, ok, processes } of children) {
            expect([early.has(pid), late.has(pid)]).toEqual([false, false]);
            const runs = [pid + 1, pid + 2].every((each) => !early.has(each)) && !late.has(pid + 2);
            expect([ok, processes.length]).toEqual([runs, runs ? 1 : 0]);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
