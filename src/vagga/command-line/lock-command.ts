import { Command } from 'commander';
import type { SourcePlaces } from '../build/download.ts';
import { exitCodes } from '../exit-codes.ts';
import { type Answers, changeText, lockProblems, nextLock } from '../lock/change.ts';
import { loadLock, lockName, saveLock } from '../lock/lock-file.ts';
import { lockablesOf } from '../lock/lockables.ts';
import type { Lockable } from '../lock/pinned.ts';
import { type Entry, entryIn, resolveEntry, sumOfAddress } from '../lock/resolve.ts';
import { Refusal } from '../refusal.ts';
import { proxyVariables } from '../run/environment.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';

interface LockFlags {
  readonly check?: true;
  readonly offline?: true;
  readonly update?: true;
}

export const lockBuiltIn: BuiltIn = {
  summary: `write ${lockName}: exact digests of what builds fetch`,
  command: (context) =>
    new Command('_lock')
      .argument('[containers...]', 'whose entries are written or updated; without: all')
      .option('--update', 'ask every source anew, and take what is there now')
      .option('--check', 'change nothing; exit 1 where lock, vagga.yaml and sources do not agree')
      .option('--offline', 'with --check: ask no source')
      .action(async (names: readonly string[], flags: LockFlags) => {
        if (flags.check === true && flags.update === true) {
          throw new Refusal('arguments', '--check and --update; expected one of the two');
        }
        if (flags.offline === true && flags.check !== true)
          throw new Refusal('arguments', '--offline goes with --check');
        const { project } = context;
        for (const name of names) {
          if (!project.containers.has(name)) throw new Refusal('launcher', `there is no container ${name}`);
        }
        if (flags.check === true) context.end(await check(context, names, flags.offline === true));
        else await write(context, names, flags.update === true);
      }),
};

const allOf = ({ project }: BuiltInContext): ReadonlyMap<string, Lockable> =>
  lockablesOf(project, [...project.containers.keys()]);
const selected = (context: BuiltInContext, names: readonly string[]): ReadonlyMap<string, Lockable> =>
  names.length === 0 ? allOf(context) : lockablesOf(context.project, names);

async function write(context: BuiltInContext, names: readonly string[], update: boolean): Promise<void> {
  const { project, print, place } = context;
  const lock = loadLock(project.root);
  const asked = new Map(
    [...selected(context, names)].filter(([, lockable]) => update || entryIn(lock, lockable) === null),
  );
  const answers = await answersOf(asked, (lockable) => resolveEntry(placesOf(context), lockable, update));
  const next = nextLock(lock, allOf(context).values(), answers);
  for (const change of next.changes) print(`${change.kind === 'gone' ? 'removed' : 'locked'} ${changeText(change)}\n`);
  const { downloads, git, images } = next.lock;
  const entries = downloads.size + git.size + images.size;
  if (next.changes.length > 0) saveLock(project.root, next.lock);
  place.tell(
    next.changes.length > 0
      ? `${lockName} has ${entries} ${entries === 1 ? 'entry' : 'entries'}`
      : entries === 0
        ? `nothing to lock: no step fetches anything without its digest`
        : `${lockName} is as it was, with ${entries} ${entries === 1 ? 'entry' : 'entries'}`,
  );
}

async function check(context: BuiltInContext, names: readonly string[], offline: boolean): Promise<number> {
  const { project, print, place } = context;
  const lock = loadLock(project.root);
  const wanted = selected(context, names);
  const answers = offline
    ? new Map<string, Entry | null>()
    : await answersOf(wanted, (lockable) =>
        lockable.kind === 'download'
          ? sumOfAddress(placesOf(context), lockable.url)
          : resolveEntry(placesOf(context), lockable, true),
      );
  // With names given, what other containers fetch is not looked at.
  const problems = lockProblems(lock, wanted.values(), answers).filter(
    ({ kind }) => kind !== 'gone' || names.length === 0,
  );
  for (const problem of problems) print(`${changeText(problem)}\n`);
  if (problems.length === 0) return exitCodes.ok;
  place.tell(
    `${lockName} does not agree: "vagga _lock" adds and removes entries, "vagga _lock --update" takes changes`,
  );
  return exitCodes.failed;
}

async function answersOf(
  lockables: ReadonlyMap<string, Lockable>,
  ask: (lockable: Lockable) => Promise<Entry | null>,
): Promise<Answers> {
  const answers = new Map<string, Entry | null>();
  for (const [key, lockable] of lockables) {
    try {
      answers.set(key, await ask(lockable));
    } catch (error) {
      throw new Refusal('launcher', (error as Error).message);
    }
  }
  return answers;
}

function placesOf({ project, place }: BuiltInContext): SourcePlaces {
  const { settings, store } = place;
  return {
    project: project.root,
    cache: store.cache,
    externalVolumes: settings.externalVolumes,
    environment: settings.proxyEnvVars ? proxyVariables(process.env) : new Map(),
    lock: loadLock(project.root),
  };
}
