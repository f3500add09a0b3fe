import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { containerAddon, isFailure } from '../native/container.ts';
import type { DesiredInstance } from './desired.ts';
import { type KnotStatus, parseKnotStatus } from './knot-status.ts';
import { startTimeOf } from './process-identity.ts';
import type { FoundKnot } from './supervise/state.ts';

/** lithos 2.4, for a knot whose plan cannot be read any more. */
const usualKillTimeoutMs = 5_000;

export const stateDirOf = (stateDir: string, name: string): string => join(stateDir, name);

/**
 * Writes what the knot reads and what the next tree recognises it by. The status of an earlier run goes first, so that
 * it cannot be taken for this one's.
 */
export function writeInstance(
  dir: string,
  instance: DesiredInstance,
  cgroups: readonly string[],
  more: readonly string[] = [],
): string {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  rmSync(join(dir, 'status'), { force: true });
  const words = ['state-dir', dir, ...cgroups.flatMap((cgroup) => ['cgroup', cgroup]), ...more, ...instance.planWords];
  const plan = join(dir, 'plan');
  replaceFile(plan, words.join('\0'), 0o600);
  replaceFile(join(dir, 'instance.json'), instance.instanceJson, 0o644);
  return plan;
}

function replaceFile(path: string, text: string, mode: number): void {
  const next = `${path}.new`;
  rmSync(next, { force: true });
  writeFileSync(next, text, { mode, flag: 'wx' });
  renameSync(next, path);
}

export function readStatus(dir: string): KnotStatus | null {
  const text = readIfThere(join(dir, 'status'));
  return text === null ? null : parseKnotStatus(text);
}

/** The values of a key in a plan: words are in no fixed order, but keys of this kind take one word each. */
export function planValues(words: readonly string[], key: string): readonly string[] {
  return words.flatMap((word, index) => (word === key && index + 1 < words.length ? [words[index + 1] ?? ''] : []));
}

export const normalExitCodesOf = (words: readonly string[]): readonly number[] =>
  planValues(words, 'normal-exit-code').map(Number);

/** What lies in the state dir: knots that live, and names of which nothing lives. */
export interface Found {
  readonly knots: readonly FoundKnot[];
  readonly dead: readonly string[];
  /** Held by a knot that has not told about itself yet: look again. */
  readonly unclear: readonly string[];
}

export function findKnots(stateDir: string): Found {
  const knots: FoundKnot[] = [];
  const dead: string[] = [];
  const unclear: string[] = [];
  for (const sandbox of foldersOf(stateDir)) {
    for (const leaf of foldersOf(join(stateDir, sandbox))) {
      const name = `${sandbox}/${leaf}`;
      // A name has no dots: `cmd.NAME.PID` of a command is none, and lives without us.
      const { process, instance } = /^(?<process>[\w-]+)\.(?<instance>\d+)$/.exec(leaf)?.groups ?? {};
      const knot = process === undefined ? null : findKnot(stateDir, name);
      if (knot !== null && process !== undefined) {
        knots.push({ name, sandbox, process, instance: Number(instance), ...knot });
      } else if (!knotHolds(join(stateDir, name))) dead.push(name);
      else if (process !== undefined) unclear.push(name);
    }
  }
  return { knots, dead, unclear };
}

/** A knot is alive where the process with its pid started when it says that it did. */
export function findKnot(stateDir: string, name: string): Pick<FoundKnot, 'knot' | 'status'> | null {
  const dir = stateDirOf(stateDir, name);
  const status = readStatus(dir);
  if (status === null || status.phase === 'ended' || startTimeOf(status.knotPid) !== status.knotStartTime) return null;
  const words = (readIfThere(join(dir, 'plan')) ?? '').split('\0');
  const killTimeoutMs = Number(planValues(words, 'kill-timeout-ms')[0] ?? usualKillTimeoutMs);
  return {
    status,
    knot: {
      pid: status.knotPid,
      instanceJson: readIfThere(join(dir, 'instance.json')) ?? '',
      killTimeoutMs: Number.isFinite(killTimeoutMs) ? killTimeoutMs : usualKillTimeoutMs,
      normalExitCodes: normalExitCodesOf(words),
    },
  };
}

/** Whether a knot lives there, known or not: it holds a flock(2) for its whole life. */
export function knotHolds(dir: string): boolean {
  const addon = containerAddon();
  const lock = addon.tryLock(join(dir, 'lock'));
  if (isFailure(lock)) return false;
  if (lock === null) return true;
  addon.closeFd(lock);
  return false;
}

/** Removes the state of an instance; the folder of its sandbox goes with the last one. */
export function forgetInstance(stateDir: string, name: string): void {
  const dir = stateDirOf(stateDir, name);
  rmSync(dir, { recursive: true, force: true });
  try {
    rmdirSync(dirname(dir));
  } catch {
    // Others are still in it.
  }
}

function foldersOf(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch {
    return [];
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
