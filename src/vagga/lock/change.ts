import type { Lock } from './lock-file.ts';
import { type Lockable, lockableName } from './pinned.ts';
import { type Entry, entryIn, entryText } from './resolve.ts';

// What a lock becomes, and how it differs from what is wanted: no file and no network here.

/** An entry that was asked for; null: it needs none. */
export type Answers = ReadonlyMap<string, Entry | null>;

export interface Change {
  readonly kind: 'new' | 'changed' | 'gone' | 'missing';
  readonly name: string;
  readonly before: Entry | null;
  readonly now: Entry | null;
}

/** `all`: what the project fetches, by any key. What nothing fetches any more is gone; what was answered is taken. */
export function nextLock(
  lock: Lock,
  all: Iterable<Lockable>,
  answers: Answers,
): { readonly lock: Lock; readonly changes: readonly Change[] } {
  const downloads = new Map<string, { sha256: string; size: number }>();
  const git = new Map<string, { commit: string }>();
  const images = new Map<string, { digest: string }>();
  const changes: Change[] = [];
  const kept = new Set<string>();
  for (const lockable of all) {
    const name = lockableName(lockable);
    kept.add(`${lockable.kind} ${name}`);
    const before = entryIn(lock, lockable);
    const answer = answers.get(`${lockable.kind} ${name}`);
    const entry = answer === undefined ? before : answer;
    if (entry === null) continue;
    if (entry.kind === 'download') downloads.set(name, { sha256: entry.sha256, size: entry.size });
    else if (entry.kind === 'git') git.set(name, { commit: entry.commit });
    else images.set(name, { digest: entry.digest });
    if (before === null) changes.push({ kind: 'new', name, before, now: entry });
    else if (entryText(before) !== entryText(entry)) changes.push({ kind: 'changed', name, before, now: entry });
  }
  for (const name of unused(lock, kept)) changes.push({ kind: 'gone', name, before: null, now: null });
  return { lock: { downloads, git, images }, changes };
}

/** Where the lock and the project, or what its sources have now (`answers`), do not agree. */
export function lockProblems(lock: Lock, all: Iterable<Lockable>, answers: Answers): readonly Change[] {
  const problems: Change[] = [];
  const wanted = new Set<string>();
  for (const lockable of all) {
    const name = lockableName(lockable);
    const key = `${lockable.kind} ${name}`;
    wanted.add(key);
    const before = entryIn(lock, lockable);
    const now = answers.get(key) ?? null;
    if (before === null) {
      if (now !== null || !answers.has(key)) problems.push({ kind: 'missing', name, before, now });
    } else if (now !== null && entryText(before) !== entryText(now)) {
      problems.push({ kind: 'changed', name, before, now });
    }
  }
  for (const name of unused(lock, wanted)) problems.push({ kind: 'gone', name, before: null, now: null });
  return problems;
}

function unused({ downloads, git, images }: Lock, wanted: ReadonlySet<string>): readonly string[] {
  const of = (kind: Lockable['kind'], names: Iterable<string>): readonly string[] =>
    [...names].filter((name) => !wanted.has(`${kind} ${name}`));
  return [...of('download', downloads.keys()), ...of('git', git.keys()), ...of('image', images.keys())];
}

export function changeText({ kind, name, before, now }: Change): string {
  const [was, is] = [before, now].map((entry) => (entry === null ? '' : entryText(entry)));
  switch (kind) {
    case 'new':
      return `${name}: ${is}`;
    case 'changed':
      return `${name}: ${is}, was ${was}`;
    case 'gone':
      return `${name}: no container fetches it`;
    case 'missing':
      return `${name}: not locked`;
    default:
      return kind satisfies never;
  }
}
