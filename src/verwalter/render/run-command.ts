import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { basename, delimiter, dirname, isAbsolute, join, normalize, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { accountOf, groupOf } from './account.ts';
import { asRoot } from './as-root.ts';
import { contentHash } from './content-hash.ts';
import { type FileJournal, replaceFile, type WantedRights } from './file-journal.ts';
import { matchingFiles, pathPattern } from './path-pattern.ts';
import { type CommandResult, cleanPath, runCommand } from './process.ts';
import { valueAt } from './redact.ts';
import { expand, type FileRights, innerCommands, type RenderCommand, stagingName } from './render-command.ts';
import type { RenderFile } from './render-yaml.ts';
import type { RoleJob, RoleTools } from './run-role.ts';
import { lets } from './sandbox.ts';
import { splitText } from './split-text.ts';

export interface Failure {
  /** As the exit codes of spec/verwalter.md 5.4. */
  readonly code: 20 | 21;
  readonly error: string;
  /** What failed after files were written, to be tried again when they are back. */
  readonly again?: (run: Run) => Promise<CommandResult>;
}

/** The commands of one render file under way. */
export interface Run {
  readonly job: RoleJob;
  readonly tools: RoleTools;
  readonly render: RenderFile;
  readonly names: Readonly<Record<string, string>>;
  /** Content hashes of what its conditions watch, from before its first command. */
  readonly before: ReadonlyMap<string, string>;
  readonly journal: FileJournal;
  /** Sandbox → the process config that it had; null: none that we know of. */
  readonly switched: Map<string, Buffer | null>;
  /** Folders that an !Atomic put in place of others: when the role is done, one of each pair is not needed. */
  readonly swaps: { readonly old: string | null; readonly fresh: string }[];
  /** While an !Atomic fills its folder: where that will be found. */
  readonly staged: { readonly folder: string; readonly dest: string } | null;
  /** On the clock of performance.now(). */
  readonly deadline: number;
}

const sandboxPattern = /^[\w-]+$/;

export const runList = async (list: readonly RenderCommand[], run: Run): Promise<Failure | null> => {
  for (const command of list) {
    const failure = await runOne(command, run);
    if (failure === null) continue;
    // Of commands within commands the innermost says where it stands.
    const located = innerCommands(command).length > 0 && failure.error.startsWith(`${run.render.file}:`);
    return located ? failure : { ...failure, error: `${run.render.file}:${command.line}: ${failure.error}` };
  }
  return null;
};

const runOne = async (command: RenderCommand, run: Run): Promise<Failure | null> => {
  const { tools, job } = run;
  const fill = (text: string): string => expand(text, run.names);
  switch (command.kind) {
    case 'Cmd':
    case 'RootCommand':
    case 'Check': {
      const [program, ...args] = command.argv;
      const isRoot = command.kind === 'RootCommand';
      const path = programPath(program, tools.configDir);
      if (!lets(tools.sandbox.allowedCommands, path)) return refused(command.kind, path, 'allowed-commands');
      const own: [string, ...string[]] = [program, ...args.map(fill)];
      const argv = asRoot(own, path, isRoot || tools.useSudo, isRoot ? null : tools.sandbox.runAs);
      return spawned(command.kind, program, run, (on) => start(argv, on, { asUser: argv === own && !isRoot }));
    }
    case 'Sh': {
      if (!lets(tools.sandbox.allowedCommands, '/bin/sh')) return refused('Sh', '/bin/sh', 'allowed-commands');
      const argv: [string, ...string[]] = ['/bin/sh', '-exc', fill(command.script)];
      return spawned('Sh', 'sh', run, (on) => start(argv, on, { asUser: true, shown: '/bin/sh -exc …' }));
    }
    case 'Copy': {
      const dest = absolute(fill(command.dest), tools);
      return guarded('Copy', dest, run, () => {
        write(dest, readFileSync(fill(command.src)), command.rights, run);
      });
    }
    case 'SplitText': {
      const pattern = absolute(fill(command.dest), tools);
      return guarded('SplitText', pattern, run, () => {
        const parts = splitText(readFileSync(fill(command.src), 'utf8'), command.section, command.validate);
        if ('problem' in parts) throw new Error(parts.problem);
        const files = parts.map(({ name, text }) => ({ path: pattern.replace('(*)', () => name), text }));
        for (const { path, text } of files) write(path, Buffer.from(text), command.rights, run);
        const kept = new Set(files.map(({ path }) => path));
        removeMatching(pattern, (path) => !kept.has(path), run);
      });
    }
    case 'CleanFiles': {
      const pattern = absolute(fill(command.pattern), tools);
      return guarded('CleanFiles', pattern, run, () => {
        const kept = new Set(readFileSync(fill(command.keepList), 'utf8').split('\n'));
        removeMatching(pattern, (_path, part) => !kept.has(part), run);
      });
    }
    case 'Lithos':
      return switchLithos(fill(command.sandbox), fill(command.src), run);
    case 'PeekLog': {
      const log = fill(command.log);
      const file = externalLog(log, tools);
      const size = file === null ? undefined : statSync(file, { throwIfNoEntry: false })?.size;
      if (size === undefined) tools.log(`!PeekLog ${log}: there is no such log`);
      else tools.externalLog(log, size);
      return null;
    }
    case 'Signal': {
      const file = absolute(fill(command.pidfile), tools);
      return spawned('Signal', `${command.signal} ${file}`, run, () =>
        Promise.resolve(signalled(file, command.signal)),
      );
    }
    case 'Atomic':
      return atomic(command, absolute(fill(command.dest), tools), run);
    case 'Condition': {
      const files = [...command.dirsChanged, ...command.filesChanged].some(
        (path) => contentHash(absolute(fill(path), tools)) !== run.before.get(path),
      );
      const { previous } = job;
      const variables = command.varsChanged.some(
        (path) => previous === null || !isDeepStrictEqual(valueAt(previous, path), valueAt(job.merged, path)),
      );
      if (files || variables) return runList(command.commands, run);
      tools.log(`!Condition at line ${command.line}: unchanged, skipped`);
      return null;
    }
    default:
      return command satisfies never;
  }
};

const refused = (kind: string, what: string, key: string): Failure => ({
  code: 20,
  error: `!${kind} ${what}: not among ${key} of sandbox/*.yaml`,
});

/** A command's ending as a failure. A check has nothing to be tried again. */
const spawned = async (
  kind: string,
  what: string,
  run: Run,
  attempt: (run: Run) => Promise<CommandResult>,
): Promise<Failure | null> => {
  const result = await attempt(run);
  if (result.ok) return null;
  const error = run.tools.redact(`!${kind} ${what}: ${result.problem}${lastLine(result)}`);
  return kind === 'Check' ? { code: 21, error } : { code: 20, error, again: attempt };
};

const isWritable = (path: string, { staged, tools }: Run): boolean => {
  const final =
    staged !== null && path.startsWith(`${staged.folder}/`) ? path.replace(staged.folder, () => staged.dest) : path;
  return lets(tools.sandbox.writablePaths, final.replace('(*)', '_').replaceAll(/[()]/g, ''));
};

const guarded = (kind: string, path: string, run: Run, change: () => void): Failure | null => {
  if (!isWritable(path, run)) return refused(kind, path, 'writable-paths');
  try {
    change();
    return null;
  } catch (error) {
    return { code: 20, error: `!${kind} ${path}: ${(error as Error).message}` };
  }
};

export const absolute = (path: string, tools: RoleTools): string =>
  normalize(isAbsolute(path) ? path : join(tools.configDir, path));

/** Where execvp(3) finds it; a name that is found nowhere stays as it is. */
const programPath = (program: string, cwd: string): string => {
  if (program.includes('/')) return normalize(isAbsolute(program) ? program : join(cwd, program));
  const found = cleanPath
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  return found ?? program;
};

const lithosProgram = ({ lithosSwitch, useSudo }: RoleTools): readonly [string, ...string[]] =>
  asRoot(lithosSwitch, lithosSwitch[0], useSudo, null);

const start = async (
  argv: readonly [string, ...string[]],
  { job, tools, deadline, names }: Run,
  how: { readonly asUser: boolean; readonly shown?: string },
): Promise<CommandResult> => {
  const left = Math.max(1, Math.round(deadline - performance.now()));
  tools.log(`$ ${how.shown ?? argv.join(' ')}`);
  const files = Object.entries(names).filter(([name]) => name.startsWith('files.'));
  const result = await runCommand(argv, {
    timeoutMs: Math.min(tools.sandbox.commandTimeoutMs, left),
    cwd: tools.configDir,
    signal: tools.signal,
    env: {
      VW_ROLE: job.role,
      VW_NODE: job.node,
      ...Object.fromEntries(
        files.map(([name, path]) => [`VW_FILES_${name.slice('files.'.length).toUpperCase()}`, path]),
      ),
    },
    ...(how.asUser && tools.sandbox.runAs !== null ? { account: accountOf(tools.sandbox.runAs) } : {}),
  });
  for (const line of result.output.split('\n')) if (line !== '') tools.log(`  ${line}`);
  if (!result.ok) tools.log(`  → ${result.problem}`);
  return result;
};

const lastLine = ({ output }: CommandResult): string => {
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  return line === '' ? '' : `: ${line.slice(0, 500)}`;
};

const wanted = ({ mode, owner, group }: FileRights): WantedRights => ({
  mode,
  uid: owner === null ? null : accountOf(owner).uid,
  gid: group === null ? null : groupOf(group),
});

const write = (dest: string, bytes: Buffer, rights: FileRights, { journal, tools }: Run): void => {
  const old = journal.write(dest, bytes, wanted(rights));
  if (old === 'same') tools.log(`${dest} has these bytes already`);
  else tools.wrote(dest, old, bytes);
};

const removeMatching = (pattern: string, goes: (path: string, part: string) => boolean, run: Run): void => {
  const compiled = pathPattern(pattern);
  if ('problem' in compiled) throw new Error(compiled.problem);
  for (const [path, part] of matchingFiles(compiled)) {
    if (!goes(path, part)) continue;
    run.journal.remove(path);
    run.tools.log(`removed ${path}`);
  }
};

/** The file that "ALIAS/path" names; null where the alias is not known or the path leaves its folder. */
const externalLog = (name: string, tools: RoleTools): string | null => {
  const [alias = '', ...rest] = name.split('/');
  const folder = Object.hasOwn(tools.sandbox.logDirs, alias) ? tools.sandbox.logDirs[alias] : undefined;
  if (folder === undefined || rest.length === 0) return null;
  const file = join(folder, ...rest);
  return relative(folder, file).startsWith('..') ? null : file;
};

const signalled = (file: string, signal: NodeJS.Signals): CommandResult => {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    if (!Number.isInteger(pid) || pid < 2) throw new Error('holds no process id');
    process.kill(pid, signal);
    return { ok: true, problem: '', output: '' };
  } catch (error) {
    return { ok: false, problem: (error as Error).message, output: '' };
  }
};

export const keptProcessConfig = (sandbox: string, tools: RoleTools): string =>
  join(tools.storageDir, 'render', 'lithos', `${sandbox}.yaml`);

/** Hands lithos a process config and remembers it as the last that it took. */
const switchLithos = async (sandbox: string, src: string, run: Run): Promise<Failure | null> => {
  const { tools } = run;
  if (!sandboxPattern.test(sandbox)) return { code: 20, error: `!Lithos ${sandbox}: not the name of a sandbox` };
  const kept = keptProcessConfig(sandbox, tools);
  const result = await start([...lithosProgram(tools), sandbox, src], run, { asUser: false });
  if (!result.ok) return { code: 20, error: `!Lithos ${sandbox}: ${result.problem}${lastLine(result)}` };
  if (!run.switched.has(sandbox)) run.switched.set(sandbox, readIfThere(kept));
  try {
    mkdirSync(dirname(kept), { recursive: true, mode: 0o700 });
    replaceFile(kept, readFileSync(src), 0o600);
    return null;
  } catch (error) {
    return { code: 20, error: `!Lithos ${sandbox}: ${(error as Error).message}` };
  }
};

/** Gives lithos the process config that a sandbox had before. */
export const switchBack = async (sandbox: string, bytes: Buffer, run: Run): Promise<CommandResult> => {
  const kept = keptProcessConfig(sandbox, run.tools);
  replaceFile(kept, bytes, 0o600);
  return start([...lithosProgram(run.tools), sandbox, kept], run, { asUser: false });
};

const readIfThere = (file: string): Buffer | null => {
  try {
    return readFileSync(file);
  } catch {
    return null;
  }
};

const atomic = async (
  command: Extract<RenderCommand, { readonly kind: 'Atomic' }>,
  dest: string,
  run: Run,
): Promise<Failure | null> => {
  if (!isWritable(dest, run)) return refused('Atomic', dest, 'writable-paths');
  let fresh: string;
  try {
    fresh = mkdtempSync(join(dirname(dest), `${basename(dest)}.`));
    // Made for its owner alone; what lies in it says by its own mode who may read it.
    chmodSync(fresh, 0o755);
  } catch (error) {
    return { code: 20, error: `!Atomic ${dest}: ${(error as Error).message}` };
  }
  const inner: Run = { ...run, names: { ...run.names, [stagingName]: fresh }, staged: { folder: fresh, dest } };
  const failure =
    (await runList(command.commands, inner)) ??
    guarded('Atomic', dest, run, () => {
      const old = folderBehind(dest);
      run.journal.point(dest, basename(fresh));
      run.swaps.push({ old, fresh });
      run.tools.log(`${dest} is ${basename(fresh)} now`);
    });
  if (failure !== null) rmSync(fresh, { recursive: true, force: true });
  return failure;
};

/** The folder of an earlier !Atomic that a link points at; null where it is another's, or nothing. */
const folderBehind = (link: string): string | null => {
  try {
    const target = readlinkSync(link);
    return target.startsWith(`${basename(link)}.`) && !target.includes('/') ? join(dirname(link), target) : null;
  } catch {
    return null;
  }
};
