import { chmodSync, closeSync, openSync, readSync } from 'node:fs';
import { Command } from 'commander';
import { ownCapsule } from '../capsule/own-capsule.ts';
import { runInCapsule } from '../capsule/run.ts';
import { allIds } from '../config/common.ts';
import { containersOf } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { proxyVariables } from '../run/environment.ts';
import { plainSpec, runAtTerminal } from '../run/process.ts';
import { programCandidates } from '../run/words.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';
import { runInside } from './run-inside.ts';

// Built-in commands around the capsule: vagga 2.7, 5.2.

interface Fetched {
  readonly sha256?: string;
  readonly refresh?: true;
}

export const capsuleBuiltIns: Readonly<Record<string, BuiltIn>> = {
  _build_shell: {
    summary: 'a shell in the capsule: the host’s programs, the project at /work, and vagga _capsule',
    command: (context) =>
      new Command('_build_shell').action(async () => {
        context.end(await inNewCapsule(context, ['/bin/sh']));
      }),
  },
  _capsule: {
    summary: 'what works in a capsule: build and run containers, fetch files and scripts',
    command: (context) => {
      const command = new Command('_capsule').passThroughOptions().enablePositionalOptions();
      for (const sub of [build(context), run(context), script(context), download(context)]) command.addCommand(sub);
      return command;
    },
  },
};

const containersFor = ({ place, options }: BuiltInContext, force: boolean) =>
  containersOf(place, { force, build: options.build, versionCheck: options.versionCheck });

function build(context: BuiltInContext): Command {
  return new Command('build')
    .description('build a container, if it is not built yet')
    .argument('<container>')
    .option('--force', 'build although it is there')
    .option('--print-version', 'print NAME.HASH of what was built')
    .action(async (name: string, flags: { force?: true; printVersion?: true }) => {
      const folder = await containersFor(context, flags.force ?? false).ready(name);
      if (flags.printVersion === true) context.print(`${folder.slice(folder.lastIndexOf('/') + 1)}\n`);
    });
}

function run(context: BuiltInContext): Command {
  return new Command('run')
    .description('run a program in a container, which is built where need be')
    .argument('<container>')
    .argument('<program>')
    .argument('[args...]')
    .passThroughOptions()
    .action(async (name: string, program: string, args: readonly string[]) => {
      context.end(await runInside(context, containersFor(context, false), name, [program, ...args], 'read-only'));
    });
}

const withFetchOptions = (command: Command): Command =>
  command
    .option('--sha256 <sum>', 'refuse the file unless it has this sum')
    .option('--refresh', 'fetch it again although it is in the cache');

function download(context: BuiltInContext): Command {
  return withFetchOptions(new Command('download'))
    .description('fetch a file and print where the cache has it')
    .argument('<url>')
    .action(async (url: string, flags: Fetched) => {
      context.print(`${await fetched(context, url, flags)}\n`);
    });
}

function script(context: BuiltInContext): Command {
  return withFetchOptions(new Command('script'))
    .description('fetch a script and run it in the capsule')
    .argument('<url>', 'http://, https://, or ./FILE of the project')
    .argument('[args...]')
    .passThroughOptions()
    .action(async (url: string, args: readonly string[], flags: Fetched) => {
      if (ownCapsule() === null) {
        const sum = flags.sha256 === undefined ? [] : ['--sha256', flags.sha256];
        const again = flags.refresh === true ? ['--refresh'] : [];
        context.end(await inNewCapsule(context, ['vagga', '_capsule', 'script', ...sum, ...again, url, ...args]));
        return;
      }
      context.end(await runScript(context, await fetched(context, url, flags), args));
    });
}

function inNewCapsule({ place, options, cwd }: BuiltInContext, words: readonly string[]): Promise<number> {
  if (ownCapsule() !== null) throw new Refusal('nothing', 'Recursive vagga: this is a capsule already');
  return runInCapsule(place, options, {
    ...{ words, cwd, workDir: null, environ: new Map(), uids: allIds, gids: allIds },
    ...{ isolateNetwork: false, tcpSocket: null },
  });
}

/** Where the file is: in the cache, or in the project. Throws a Refusal. */
async function fetched({ place }: BuiltInContext, url: string, { sha256, refresh }: Fetched): Promise<string> {
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new Refusal('arguments', `--sha256 ${sha256}: expected 64 hexadecimal digits`);
  }
  const { project, settings, store } = place;
  // Loaded only here: its HTTP client would slow down every start.
  const { sourceFile } = await import('../build/download.ts');
  try {
    return await sourceFile(
      {
        project: project.root,
        cache: store.cache,
        externalVolumes: settings.externalVolumes,
        environment: settings.proxyEnvVars ? proxyVariables(process.env) : new Map(),
      },
      url,
      sha256 ?? null,
      refresh ?? false,
    );
  } catch (error) {
    throw new Refusal('launcher', (error as Error).message);
  }
}

/** In a pid namespace of its own, so that nothing of it is left; its first line says by what it is run. */
async function runScript({ place, cwd }: BuiltInContext, file: string, args: readonly string[]): Promise<number> {
  const words = [...interpreter(file), ...args];
  const [program = ''] = words;
  const env = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const end = await runAtTerminal(
    plainSpec({
      argv: words,
      programs: programCandidates(program, process.env.PATH),
      env: Object.fromEntries(env),
      cwd,
      namespaces: { user: false, mount: true, pid: true, ipc: false, uts: false, cgroup: false, net: false },
      mounts: [{ kind: 'proc', target: '/proc', unmasked: true }],
      umask: process.umask(),
    }),
  );
  if ('kind' in end) return end.exitCode;
  place.tell(end.message);
  throw new Refusal('container', `${file}: it cannot be run`);
}

/** The words that run a file: its `#!` line, the file itself where it is a program, otherwise the shell. */
function interpreter(file: string): readonly string[] {
  const head = Buffer.alloc(256); // the kernel reads no more of the first line either (BINPRM_BUF_SIZE)
  const fd = openSync(file, 'r');
  const length = readSync(fd, head, 0, head.length, 0);
  closeSync(fd);
  if (head.subarray(0, 4).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46]))) {
    chmodSync(file, 0o755);
    return [file];
  }
  const [line = ''] = head.toString('latin1', 0, length).split('\n');
  const [, program, argument] = /^#!\s*(\S+)(?:\s+(\S.*?))?\s*$/.exec(line) ?? [];
  if (program === undefined) return ['/bin/sh', file];
  return argument === undefined ? [program, file] : [program, argument, file];
}
