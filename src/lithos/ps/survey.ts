import { realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ConfigProblem } from '../../config/problem.ts';
import { loadMaster } from '../config/master.ts';
import { absoluteConfig, findForest, type Head, type KnotProcess, treeOf, usualMaster } from './forest.ts';
import { type Boot, msOfTicks, type Proc, type ProcessRow } from './proc.ts';

/** What runs, from /proc alone. */
export interface Survey {
  readonly trees: readonly SurveyedTree[];
  /** Of the config that was asked for, where it is wrong and no tree runs with it. */
  readonly problems: readonly ConfigProblem[];
}

export interface SurveyedTree {
  /** Null: no tree runs, its containers do. */
  readonly pid: number | null;
  /** Null where no file is known that gives `stateDir`. */
  readonly config: string | null;
  readonly stateDir: string | null;
  readonly socket: string | null;
  readonly upMs: number | null;
  /** Why the config cannot be read now. */
  readonly problems: readonly ConfigProblem[];
  readonly containers: readonly SurveyedContainer[];
}

export interface SurveyedContainer {
  /** `SANDBOX/PROCESS.N`, or `SANDBOX/cmd.NAME.PID`. */
  readonly name: string;
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
  readonly knotPid: number;
  readonly programs: readonly SurveyedProgram[];
}

/** Sums are over the program and all else in its container. Bytes and milliseconds. */
export interface SurveyedProgram {
  readonly pid: number;
  readonly processes: number;
  readonly threads: number;
  readonly rssBytes: number;
  readonly swapBytes: number;
  /** Since 1970. */
  readonly startedAtMs: number;
  readonly upMs: number;
  readonly userMs: number;
  readonly systemMs: number;
  readonly childUserMs: number;
  readonly childSystemMs: number;
}

interface LivingTree {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number | null;
  readonly config: string;
  readonly stateDir: string | null;
  readonly socket: string | null;
  readonly upMs: number;
  readonly problems: readonly ConfigProblem[];
}

interface LivingKnot {
  readonly knot: KnotProcess;
  readonly ppid: number;
  readonly uid: number;
  readonly stateDir: string;
}

/** Of all trees, or of the one with this master config. Throws where `proc` is no /proc. */
export function survey(proc: Proc, config: string | null): Survey {
  const boot = proc.boot();
  const forest = findForest(proc.processes());
  const trees = forest.trees.flatMap(({ row, config: named }): readonly LivingTree[] => {
    const detail = proc.detail(row.pid);
    if (detail === null) return [];
    const path = absoluteConfig(named, proc.folder(row.pid));
    return [{ pid: row.pid, ppid: row.ppid, uid: detail.uid, upMs: upMs(row, boot), ...placesOf(named, path) }];
  });
  const knots = forest.knots.flatMap((knot): readonly LivingKnot[] => {
    const detail = proc.detail(knot.row.pid);
    return detail === null ? [] : [{ knot, ppid: knot.row.ppid, uid: detail.uid, stateDir: knot.stateDir }];
  });

  const owned = new Map<LivingTree | null, LivingKnot[]>();
  for (const knot of knots) {
    const tree = treeOf(trees, knot);
    const others = owned.get(tree);
    if (others === undefined) owned.set(tree, [knot]);
    else others.push(knot);
  }
  const containersOf = (of: readonly LivingKnot[] = []): readonly SurveyedContainer[] =>
    of.map(({ knot }) => containerOf(knot, proc, boot));
  const living = trees.map((tree): SurveyedTree & { readonly config: string } => {
    const { pid, config: path, stateDir, socket, upMs: up, problems } = tree;
    return { pid, config: path, stateDir, socket, upMs: up, problems, containers: containersOf(owned.get(tree)) };
  });
  const left = leftBehind(owned.get(null) ?? [], containersOf);
  return config === null
    ? { trees: [...living, ...withUsualConfig(left)], problems: [] }
    : onlyOf(resolve(config), living, left);
}

function placesOf(named: string, path: string | null): Pick<LivingTree, 'config' | 'stateDir' | 'socket' | 'problems'> {
  if (path === null) {
    const message =
      'this path is relative to the working folder of the tree, which cannot be looked up (only root can)';
    const problem = { file: named, line: 0, column: 0, key: '', message };
    return { config: named, stateDir: null, socket: null, problems: [problem] };
  }
  const loaded = loadMaster(path);
  if (loaded.kind === 'refused') return { config: path, stateDir: null, socket: null, problems: loaded.problems };
  const { stateDir, runtimeDir } = loaded.master;
  return { config: path, stateDir, socket: join(runtimeDir, 'tree.sock'), problems: [] };
}

function leftBehind(
  knots: readonly LivingKnot[],
  containersOf: (knots: readonly LivingKnot[]) => readonly SurveyedContainer[],
): readonly SurveyedTree[] {
  const stateDirs = [...new Set(knots.map(({ stateDir }) => stateDir))].sort();
  return stateDirs.map((stateDir) => ({
    pid: null,
    config: null,
    stateDir,
    socket: null,
    upMs: null,
    problems: [],
    containers: containersOf(knots.filter((knot) => knot.stateDir === stateDir)),
  }));
}

function withUsualConfig(left: readonly SurveyedTree[]): readonly SurveyedTree[] {
  if (left.length === 0) return left;
  const loaded = loadMaster(usualMaster);
  const usual = loaded.kind === 'loaded' ? loaded.master.stateDir : null;
  return left.map((tree) => (tree.stateDir === usual ? { ...tree, config: usualMaster } : tree));
}

function onlyOf(
  config: string,
  living: readonly (SurveyedTree & { readonly config: string })[],
  left: readonly SurveyedTree[],
): Survey {
  const asked = realPath(config);
  const trees = living.filter((tree) => realPath(tree.config) === asked);
  const loaded = loadMaster(config);
  if (loaded.kind === 'refused') return { trees, problems: trees.length > 0 ? [] : loaded.problems };
  const { stateDir } = loaded.master;
  return {
    trees: [...trees, ...left.flatMap((tree) => (tree.stateDir === stateDir ? [{ ...tree, config }] : []))],
    problems: [],
  };
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** The clock of the rows is read before them: a process can be younger. */
const upMs = ({ startTicks }: ProcessRow, { uptimeMs }: Boot): number => Math.max(0, uptimeMs - msOfTicks(startTicks));

function containerOf(knot: KnotProcess, proc: Proc, boot: Boot): SurveyedContainer {
  const { name, sandbox, process, instance, row, heads } = knot;
  const programs = heads.flatMap((head) => programOf(head, proc, boot) ?? []);
  return { name, sandbox, process, instance, knotPid: row.pid, programs };
}

/** Null where the program has vanished; other processes that have are left out. */
function programOf({ row, all }: Head, proc: Proc, boot: Boot): SurveyedProgram | null {
  const found = all.flatMap((each) => {
    const detail = proc.detail(each.pid);
    return detail === null ? [] : [{ ...each, ...detail }];
  });
  if (!found.some(({ pid }) => pid === row.pid)) return null;
  type Key = 'threads' | 'rssBytes' | 'swapBytes' | `${'user' | 'system' | 'childUser' | 'childSystem'}Ticks`;
  const sum = (key: Key): number => found.reduce((total, each) => total + each[key], 0);
  return {
    pid: row.pid,
    processes: found.length,
    threads: sum('threads'),
    rssBytes: sum('rssBytes'),
    swapBytes: sum('swapBytes'),
    startedAtMs: boot.bootedAtMs + msOfTicks(row.startTicks),
    upMs: upMs(row, boot),
    userMs: msOfTicks(sum('userTicks')),
    systemMs: msOfTicks(sum('systemTicks')),
    childUserMs: msOfTicks(sum('childUserTicks')),
    childSystemMs: msOfTicks(sum('childSystemTicks')),
  };
}
