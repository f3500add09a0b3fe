import { existsSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readRegularFile } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { suggestion } from '../config/suggest.ts';
import { version } from '../version.ts';
import { ownCapsule } from './capsule/own-capsule.ts';
import { findCommand } from './command-line/find-command.ts';
import { globalCommand, parseGlobal } from './command-line/global-options.ts';
import { overview } from './command-line/listing.ts';
import { loadProject, localFiles, mainFiles, type Project } from './config/project.ts';
import { containersOfCommand } from './config/references.ts';
import { compatibleVersion } from './config/vagga-version.ts';
import { exitCodes } from './exit-codes.ts';
import { findProject } from './find-project.ts';
import { isTold, logLevel } from './log-level.ts';
import { perform } from './perform.ts';
import { notedInputs, noteInput, noteObstacle } from './plan/inputs.ts';
import { findConfig, keepConfig } from './plan/kept-config.ts';
import { containersOf, type Workplace } from './ready.ts';
import { Refusal } from './refusal.ts';
import { readSettings, type Settings } from './settings.ts';
import type { Store } from './store/layout.ts';
import { storeOf } from './store/place.ts';

const print = (text: string): void => void process.stdout.write(text);
const complain = (text: string): void => void process.stderr.write(text);

/** `vagga …`. Sets the exit code. */
export async function vagga(args: readonly string[]): Promise<void> {
  process.exitCode = await main(args, null);
}

/** A link that `_update_symlinks` made, by its name: all words are for the command behind it. */
export async function vaggaBySymlink(name: string, args: readonly string[]): Promise<void> {
  process.exitCode = await main(args, name);
}

async function main(args: readonly string[], symlink: string | null): Promise<number> {
  const parsed = parseGlobal(symlink === null ? args : []);
  if (parsed.kind === 'refused') {
    complain(`vagga: ${parsed.message}\n`);
    return exitCodes[parsed.code];
  }
  const { options } = parsed;
  let { words } = parsed;
  if (options.version) {
    print(`${compatibleVersion} (Stellwerk ${version})\n`);
    return exitCodes.ok;
  }
  if (options.help) {
    const help = globalCommand();
    print(help.helpInformation());
    return exitCodes.ok;
  }
  if (ownCapsule() !== null && words[0] !== '_capsule') {
    complain('vagga: Recursive vagga: in a capsule only `vagga _capsule` works\n');
    return exitCodes.nothing;
  }
  // Each of them brings much that a plain command does without: they are loaded when one is named.
  const named = words[0]?.startsWith('_') === true ? await import('./command-line/built-ins.ts') : null;
  const anywhere = named?.projectlessOf(words[0] ?? '');
  if (named && anywhere) return named.runProjectless(anywhere, print, words.slice(1), complain);
  const loaded = load(process.cwd());
  if (typeof loaded === 'number') return loaded;
  const { project, settings } = loaded;
  if (symlink !== null) {
    if (!settings.runSymlinksAsCommands) return main(args, null);
    const { commandOfSymlink } = await import('./command-line/symlinks.ts');
    const command = commandOfSymlink(project, symlink);
    if (command === null) {
      complain(`vagga: ${symlink}: no command of ${project.root} has this symlink-name\n`);
      return exitCodes.nothing;
    }
    words = [command, ...args];
  }
  const cwd = process.cwd();
  const { level, problem: strangeLevel } = logLevel(process.env.VAGGA_LOG);
  if (strangeLevel !== null) complain(`WARNING: ${strangeLevel}\n`);
  const debug = (message: () => string): void => {
    if (level === 'debug') complain(`DEBUG: ${message()}\n`);
  };
  debug(() => `the project is ${project.root}, its file ${project.file}`);
  let store: Store | undefined;
  const place: Workplace = {
    project,
    settings,
    get store() {
      if (store !== undefined) return store;
      store = storeOf(project.root, settings, process.env);
      debug(() => `builds are kept in ${store?.storage}, the cache is ${store?.cache}`);
      return store;
    },
    tell(message) {
      noteObstacle('there was something to tell');
      if (isTold(level, message)) complain(`${message}\n`);
    },
    debug,
  };
  const [word, ...rest] = words;
  if (word === undefined) {
    complain(overview(project));
    return exitCodes.nothing;
  }
  const builtIn = named?.builtInOf(word);
  if (named && builtIn && !options.runMulti) {
    const workDir = relative(project.root, cwd);
    return refusable(() => named.runBuiltIn(builtIn, { project, workDir, print, place, options, cwd }, rest, complain));
  }
  const unknown = (options.runMulti ? words : [word]).find((each) => findCommand(project, each) === null);
  if (unknown !== undefined) {
    const { builtInNames } = await import('./command-line/built-ins.ts');
    const known = [...project.commands.keys(), ...builtInNames()];
    complain(`vagga: command ${unknown} not found and is not an alias${suggestion(unknown, known)}\n`);
    return exitCodes.launcher;
  }
  const problem = ownerProblem(project.root, options.ignoreOwnerCheck);
  if (problem !== null) return problem;
  const { build, versionCheck, imageDownload } = options;
  return refusable(async () => {
    const performance = {
      ...{ place, options, cwd, print },
      containers: containersOf(place, { force: false, build, versionCheck, imageDownload }),
      done: new Set<string>(),
    };
    if (!options.runMulti) return perform(performance, word, rest);
    const commands = words.flatMap((each) => findCommand(project, each) ?? []);
    await performance.containers.allReady(commands.flatMap(({ command }) => containersOfCommand(command)));
    for (const each of words) {
      const code = await perform(performance, each, []);
      if (code !== exitCodes.ok) return code;
    }
    return exitCodes.ok;
  });
}

/** The project around a folder with the settings that hold for it; or the exit code, with all that is wrong told. */
function load(from: string): { readonly project: Project; readonly settings: Settings } | number {
  const found = findProject(from);
  const { root } = found;
  for (const typo of found.typos) {
    noteObstacle('there was something to tell');
    complain(`vagga: ${typo} is not read: the name must be vagga.yaml\n`);
  }
  if (root === null) {
    complain(`vagga: no ${mainFiles[1]} in ${from} nor in a folder above it\n`);
    complain('hint: a project begins with a vagga.yaml that has containers and commands\n');
    return exitCodes.config;
  }
  for (const file of [...mainFiles, ...localFiles]) noteInput('file', join(root, file));
  const known = findConfig(root);
  if (known !== null) return known;
  const read = (path: string): Uint8Array | string => {
    noteInput('file', join(root, path));
    return readRegularFile(join(root, path));
  };
  const loaded = loadProject(root, found.files, read);
  switch (loaded.kind) {
    case 'too-old':
      complain(`Please upgrade vagga to at least ${JSON.stringify(loaded.needs)}\n`);
      return exitCodes.config;
    case 'refused':
      for (const warning of loaded.warnings) complain(`vagga: ${warning}\n`);
      for (const problem of loaded.problems) complain(`${formatProblem(problem)}\n`);
      return exitCodes.config;
    case 'loaded':
      break;
    default:
      return loaded satisfies never;
  }
  for (const warning of loaded.project.warnings) {
    noteObstacle('there was something to tell');
    complain(`vagga: ${warning}\n`);
  }
  const settings = readSettings({
    root,
    home: process.env.HOME ?? null,
    variable: process.env.VAGGA_SETTINGS ?? null,
    read(file) {
      noteInput('file', file);
      return existsSync(file) ? readRegularFile(file) : null;
    },
  });
  if (settings.kind === 'refused') {
    for (const problem of settings.problems) complain(`${formatProblem(problem)}\n`);
    return exitCodes.config;
  }
  const config = { project: loaded.project, settings: settings.settings };
  const { inputs, obstacles } = notedInputs();
  if (obstacles.length === 0) setImmediate(() => keepConfig(config, inputs));
  return config;
}

async function refusable(run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    complain(`vagga: ${error.message}\n`);
    return exitCodes[error.code];
  }
}

/** Files that a build makes belong to who runs vagga: somebody else's project is a mistake, for root a bad one. */
function ownerProblem(root: string, ignore: boolean): number | null {
  const uid = process.geteuid?.() ?? 0;
  const owner = statSync(root).uid;
  if (ignore || owner === uid) return null;
  if (uid === 0) {
    complain(`vagga: ${root} belongs to user ${owner}: vagga does not run as root there (--ignore-owner-check)\n`);
    return exitCodes.arguments;
  }
  complain(`WARNING: ${root} belongs to user ${owner}, vagga runs as ${uid} (--ignore-owner-check)\n`);
  return null;
}
