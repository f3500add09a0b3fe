import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readRegularFile } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { suggestion } from '../config/suggest.ts';
import { version } from '../version.ts';
import { builtInNames, builtIns, runBuiltIn } from './command-line/built-ins.ts';
import { findCommand } from './command-line/find-command.ts';
import { globalCommand, parseGlobal } from './command-line/global-options.ts';
import { overview } from './command-line/listing.ts';
import { loadProject, mainFiles, type Project } from './config/project.ts';
import { compatibleVersion } from './config/vagga-version.ts';
import { exitCodes } from './exit-codes.ts';
import { findProject } from './find-project.ts';
import { readSettings, type Settings } from './settings.ts';

const print = (text: string): void => void process.stdout.write(text);
const complain = (text: string): void => void process.stderr.write(text);

/** `vagga …`. Sets the exit code. */
export async function vagga(args: readonly string[]): Promise<void> {
  process.exitCode = await main(args);
}

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseGlobal(args);
  if (parsed.kind === 'refused') {
    complain(`vagga: ${parsed.message}\n`);
    return exitCodes[parsed.code];
  }
  const { options, words } = parsed;
  if (options.version) {
    print(`${compatibleVersion} (Stellwerk ${version})\n`);
    return exitCodes.ok;
  }
  if (options.help) {
    const help = globalCommand();
    print(help.helpInformation());
    return exitCodes.ok;
  }
  const loaded = load(process.cwd());
  if (typeof loaded === 'number') return loaded;
  const { project } = loaded;
  const [word, ...rest] = words;
  if (word === undefined) {
    complain(overview(project));
    return exitCodes.nothing;
  }
  const builtIn = Object.hasOwn(builtIns, word) ? builtIns[word] : undefined;
  if (builtIn !== undefined) {
    const workDir = relative(project.root, process.cwd());
    return runBuiltIn(builtIn, { project, workDir, print }, rest, complain);
  }
  if (findCommand(project, word) === null) {
    const known = [...project.commands.keys(), ...builtInNames()];
    complain(`vagga: command ${word} not found and is not an alias${suggestion(word, known)}\n`);
    return exitCodes.launcher;
  }
  complain(`vagga: ${word} is known, but this version of Stellwerk runs no containers of vagga yet\n`);
  return exitCodes.launcher;
}

/** The project around a folder with the settings that hold for it; or the exit code, with all that is wrong told. */
function load(from: string): { readonly project: Project; readonly settings: Settings } | number {
  const found = findProject(from);
  const { root } = found;
  for (const typo of found.typos) complain(`vagga: ${typo} is not read: the name must be vagga.yaml\n`);
  if (root === null) {
    complain(`vagga: no ${mainFiles[1]} in ${from} nor in a folder above it\n`);
    complain('hint: a project begins with a vagga.yaml that has containers and commands\n');
    return exitCodes.config;
  }
  const read = (path: string): Uint8Array | string => readRegularFile(join(root, path));
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
  for (const warning of loaded.project.warnings) complain(`vagga: ${warning}\n`);
  const settings = readSettings({
    root,
    home: process.env.HOME ?? null,
    variable: process.env.VAGGA_SETTINGS ?? null,
    read: (file) => (existsSync(file) ? readRegularFile(file) : null),
  });
  if (settings.kind === 'refused') {
    for (const problem of settings.problems) complain(`${formatProblem(problem)}\n`);
    return exitCodes.config;
  }
  return { project: loaded.project, settings: settings.settings };
}
