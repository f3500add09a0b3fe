import { basename, isAbsolute, join, normalize } from 'node:path';
import type { ProcessRow } from './proc.ts';

/** A supervisor, by its command line. */
export interface TreeProcess {
  readonly row: ProcessRow;
  /** Master config as it was named: relative to the working folder of the process. */
  readonly config: string;
}

/** A container, by the command line of its knot. */
export interface KnotProcess {
  readonly row: ProcessRow;
  readonly stateDir: string;
  /** `SANDBOX/PROCESS.N`, or `SANDBOX/cmd.NAME.PID`. */
  readonly name: string;
  readonly sandbox: string;
  /** Of a command: `cmd.NAME`. */
  readonly process: string;
  /** Of a command: the pid of who gave it. */
  readonly instance: number;
  readonly heads: readonly Head[];
}

/** The program of a container. */
export interface Head {
  readonly row: ProcessRow;
  /** It and everything else in its container but the init. */
  readonly all: readonly ProcessRow[];
}

export interface Forest {
  readonly trees: readonly TreeProcess[];
  readonly knots: readonly KnotProcess[];
}

export const usualMaster = '/etc/lithos/master.yaml';

/** Trees in the order of their pids, knots in that of their names. */
export function findForest(rows: readonly ProcessRow[]): Forest {
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  const children = byParent(rows);
  const parentOf = ({ ppid }: ProcessRow): readonly string[] => byPid.get(ppid)?.words ?? [];

  const trees = rows.flatMap((row) => {
    const config = treeConfigOf(row.words);
    // Between fork and exec a knot still looks like the tree that starts it.
    const isFork = config !== null && sameWords(parentOf(row), row.words);
    return config === null || isFork ? [] : [{ row, config }];
  });
  const knots = rows.flatMap((row) => {
    const plan = planOf(row.words);
    const isFork = plan !== null && planOf(parentOf(row))?.path === plan.path;
    // An init whose knot has just been killed dies with it.
    if (plan === null || isFork || row.comm === initName) return [];
    const { stateDir, sandbox, process, instance } = plan;
    const name = `${sandbox}/${process}.${instance}`;
    return [{ row, stateDir, sandbox, process, instance, name, heads: headsOf(row, plan.path, children) }];
  });
  return { trees: trees.sort((a, b) => a.row.pid - b.row.pid), knots: knots.sort(byName) };
}

/** An init keeps the command line of its knot and takes this name (native/container/init.cc). */
const initName = 'init';

const byName = (a: KnotProcess, b: KnotProcess): number =>
  compare(a.sandbox, b.sandbox) || compare(a.process, b.process) || a.instance - b.instance || a.row.pid - b.row.pid;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const sameWords = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((word, index) => word === b[index]);

type Children = ReadonlyMap<number, readonly ProcessRow[]>;

function byParent(rows: readonly ProcessRow[]): Children {
  const children = new Map<number, ProcessRow[]>();
  for (const row of rows) {
    const siblings = children.get(row.ppid);
    if (siblings === undefined) children.set(row.ppid, [row]);
    else siblings.push(row);
  }
  return children;
}

/**
 * A knot has one child, the init. Its oldest child is the program: what the program has left behind also becomes a
 * child of the init, but later.
 */
function headsOf(knot: ProcessRow, plan: string, children: Children): readonly Head[] {
  return (children.get(knot.pid) ?? []).flatMap((init) => {
    // Until exec the program looks like its knot, and no program runs yet.
    const programs = (children.get(init.pid) ?? []).filter(({ words }) => planOf(words)?.path !== plan);
    const [first] = programs.toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid);
    return first === undefined ? [] : [{ row: first, all: withDescendants(programs, children) }];
  });
}

function withDescendants(roots: readonly ProcessRow[], children: Children): readonly ProcessRow[] {
  const found = [...roots];
  const seen = new Set(roots.map(({ pid }) => pid));
  for (const { pid } of found) {
    for (const child of children.get(pid) ?? []) {
      // Pids are read one after the other: reuse in between could make a circle.
      if (seen.has(child.pid)) continue;
      seen.add(child.pid);
      found.push(child);
    }
  }
  return found;
}

/**
 * The master config of `node … stellwerk[.js] lithos tree …` and `node … lithos[.js] tree …`, null for any other
 * command line.
 */
export function treeConfigOf(words: readonly string[]): string | null {
  if (!/^node(?:js)?\d*$/.test(basename(words[0] ?? ''))) return null;
  for (const [index, word] of words.entries()) {
    if (index === 0 || word.startsWith('-')) continue;
    const rest = treeWords(word, words.slice(index + 1));
    if (rest !== null) return configOption(rest);
    // Options of node itself come before the script, and some take the next word.
    const before = words[index - 1] ?? '';
    if (!before.startsWith('-') || before.includes('=')) return null;
  }
  return null;
}

/** What follows `tree`, null where this script and these words run no tree. */
function treeWords(script: string, words: readonly string[]): readonly string[] | null {
  const program = basename(script, '.js');
  const own = program === 'stellwerk' && words[0] === 'lithos' ? words.slice(1) : program === 'lithos' ? words : [];
  return own[0] === 'tree' ? own.slice(1) : null;
}

/** The last one counts. The value after another option cannot be `-C`: it would have begun with `-`. */
function configOption(words: readonly string[]): string {
  let config = usualMaster;
  for (const [index, word] of words.entries()) {
    if (word === '-C' || word === '--config') config = words[index + 1] ?? config;
    else if (word.startsWith('--config=')) config = word.slice('--config='.length);
    else if (word.startsWith('-C')) config = word.slice(2);
  }
  return config;
}

/** An absolute path; null where it would take the working folder and nobody knows it. */
export function absoluteConfig(config: string, folder: string | null): string | null {
  if (isAbsolute(config)) return normalize(config);
  return folder === null ? null : join(folder, config);
}

interface Plan {
  readonly path: string;
  readonly stateDir: string;
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
}

/** `knot --plan STATE_DIR/SANDBOX/PROCESS.N/plan`, of a command …/cmd.NAME.PID/plan; null for any other line. */
export function planOf(words: readonly string[]): Plan | null {
  const [program, option, path] = words;
  if (program === undefined || path === undefined || words.length !== 3) return null;
  if (basename(program) !== 'knot' || option !== '--plan') return null;
  const names =
    /^(?<stateDir>\/.*)\/(?<sandbox>[\w-]+)\/(?<process>(?:cmd\.)?[\w-]+)\.(?<instance>\d{1,15})\/plan$/s.exec(
      path,
    )?.groups;
  if (names === undefined) return null;
  const { stateDir = '', sandbox = '', process = '', instance = '' } = names;
  return { path, stateDir, sandbox, process, instance: Number(instance) };
}

/** A tree as its master config describes it, as far as that can be read. */
export interface KnownTree {
  readonly pid: number;
  readonly uid: number | null;
  readonly stateDir: string | null;
}

/**
 * The tree that a knot belongs to: its parent, or the one with its state dir; null: no tree runs. Anybody can write
 * such command lines; with the uid they cannot put themselves under another user's tree.
 */
export function treeOf<T extends KnownTree>(
  trees: readonly T[],
  knot: { readonly ppid: number; readonly uid: number | null; readonly stateDir: string },
): T | null {
  const own = trees.filter(({ uid }) => uid === knot.uid);
  return own.find(({ pid }) => pid === knot.ppid) ?? own.find(({ stateDir }) => stateDir === knot.stateDir) ?? null;
}
