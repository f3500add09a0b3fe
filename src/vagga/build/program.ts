import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ContainerSpec, IdMapping } from '../../native/container.ts';
import type { StepOf } from '../config/steps.ts';
import { defaultPath } from '../run/environment.ts';
import { identityMap } from '../run/id-map.ts';
import { baseMounts } from '../run/mounts.ts';
import { plainSpec, runQuietly } from '../run/process.ts';
import { programCandidates } from '../run/words.ts';
import type { BuildJob, BuildState } from './job.ts';

/** Environment of the steps: vagga 3. */
export function buildEnvironment(job: BuildJob, state: BuildState): Readonly<Record<string, string>> {
  return Object.fromEntries([
    ['TERM', 'dumb'],
    ['HOME', '/tmp'],
    ['PATH', defaultPath],
    ...job.environment,
    ...state.env,
  ]);
}

/** A program inside the root that is built; throws where it does not end with 0. stdout goes to stderr. */
export async function runInRoot(
  job: BuildJob,
  state: BuildState,
  words: readonly string[],
  change: Partial<ContainerSpec> = {},
): Promise<void> {
  const env = buildEnvironment(job, state);
  const [program = ''] = words;
  const end = await runQuietly(
    plainSpec({
      argv: words,
      programs: programCandidates(program, env.PATH),
      env,
      cwd: '/work',
      root: job.root,
      writableRoot: true,
      namespaces: { user: false, mount: true, pid: true, ipc: true, uts: false, cgroup: false, net: false },
      mounts: [
        ...baseMounts(job.project, job.unmaskedProc),
        ...[...state.binds].map(
          ([target, { source, readonly }]) => ({ kind: 'bind', source, target, readonly, exec: true }) as const,
        ),
      ],
      stdio: [-1, 2, 2],
      ...change,
    }),
  );
  if (!('kind' in end)) {
    const absent = end.step === 'execute' && end.code === 'ENOENT';
    throw new Error(absent ? `${program}: no such program in the container` : end.message);
  }
  if (end.exitCode !== 0) throw new Error(`${words.join(' ')}: ended with exit code ${end.exitCode}`);
}

/** What such a program says on stdout; its stderr is ours. */
export async function captureInRoot(job: BuildJob, state: BuildState, words: readonly string[]): Promise<string> {
  const { output, problem } = await withOutput(job, (fd) => runInRoot(job, state, words, { stdio: [-1, fd, 2] }));
  if (problem !== null) throw problem;
  return output;
}

/** A talkative program inside: what it says comes to stderr only where it fails. */
export async function runSilently(job: BuildJob, state: BuildState, words: readonly string[]): Promise<void> {
  const { output, problem } = await withOutput(job, (fd) => runInRoot(job, state, words, { stdio: [-1, fd, fd] }));
  if (problem === null) return;
  process.stderr.write(output);
  throw problem;
}

async function withOutput(
  job: BuildJob,
  run: (fd: number) => Promise<void>,
): Promise<{ readonly output: string; readonly problem: Error | null }> {
  const file = join(dirname(job.root), '.output');
  const fd = openSync(file, 'a+');
  rmSync(file);
  try {
    const problem = await run(fd).then(
      () => null,
      (error: Error) => error,
    );
    return { output: readFileSync(`/proc/self/fd/${fd}`, 'utf8'), problem };
  } finally {
    closeSync(fd);
  }
}

export const shellWords = (script: string): readonly string[] => ['/bin/sh', '-exc', script];

export async function runAs(job: BuildJob, state: BuildState, step: StepOf<'RunAs'>): Promise<void> {
  const groups = step.supplementaryGids.map((text) => {
    if (!/^\d{1,10}$/.test(text)) throw new Error(`supplementary-gids: expected an id, found "${text}"`);
    return Number(text);
  });
  const net = step.isolateNetwork;
  const namespaces = { user: false, mount: true, pid: true, ipc: true, uts: false, cgroup: false, net };
  await runInRoot(job, state, shellWords(step.script), {
    cwd: step.workDir,
    namespaces,
    uid: step.userId,
    gid: step.groupId,
    supplementaryGroups: groups,
    keepCapabilities: step.userId === 0 ? plainSpec({ argv: [], env: {}, cwd: '/', namespaces }).keepCapabilities : [],
    ...(step.externalUserId === null ? {} : nested(step.userId, step.externalUserId, namespaces)),
  });
}

/** A user namespace in ours, whose `inside` is our `outside`; groups are the same. */
function nested(inside: number, outside: number, namespaces: ContainerSpec['namespaces']): Partial<ContainerSpec> {
  const uidMap: readonly IdMapping[] = [{ inside, outside, count: 1 }];
  const gidMap = identityMap(readFileSync('/proc/self/gid_map', 'utf8'));
  return { namespaces: { ...namespaces, user: true }, uidMap, gidMap };
}
