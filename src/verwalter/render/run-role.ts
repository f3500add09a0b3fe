import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import type { JsonObject } from '../canonical.ts';
import { contentHash } from './content-hash.ts';
import { type FileJournal, replaceFile, startJournal } from './file-journal.ts';
import { TemplateError } from './handlebars.ts';
import { type CommandResult, runCommand } from './process.ts';
import { expand, type RenderCommand, type RenderFile } from './render-yaml.ts';
import type { TemplateTree } from './template-tree.ts';

export interface RoleJob {
  readonly role: string;
  readonly node: string;
  readonly variables: JsonObject;
  readonly tree: TemplateTree;
}

export interface RoleTools {
  readonly configDir: string;
  /** 0700, ours alone: rendered files hold whatever the variables hold. */
  readonly workDir: string;
  /** Remembers the last process config that each sandbox took. */
  readonly storageDir: string;
  /** Started with SANDBOX and FILE added: checks and puts in place a lithos process config. */
  readonly lithosSwitch: readonly [string, ...string[]];
  readonly commandTimeoutMs: number;
  readonly renderTimeoutMs: number;
  readonly signal: AbortSignal;
  log(line: string): void;
}

/** Codes as the exit codes of spec/verwalter.md 5.4: 10 template, 20 command, 21 check failed and rolled back. */
export type RoleResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: 10 | 20 | 21; readonly error: string };

type Failure = { readonly code: 20 | 21; readonly error: string; readonly argv?: readonly [string, ...string[]] };

interface Run {
  readonly render: RenderFile;
  readonly names: Readonly<Record<string, string>>;
  readonly before: ReadonlyMap<string, string>;
  readonly journal: FileJournal;
  readonly switched: Map<string, Buffer | null>;
  readonly deadline: number;
}

/**
 * Renders all templates of a role to temporary files, then runs its commands in order. A failure leaves the files as
 * they were before the role's first write, and lithos with the process config it had.
 */
export const runRole = async (job: RoleJob, tools: RoleTools): Promise<RoleResult> => {
  mkdirSync(tools.workDir, { recursive: true, mode: 0o700 });
  chmodSync(tools.workDir, 0o700);
  const folder = mkdtempSync(join(tools.workDir, `${job.role}-`));
  try {
    const runs: { render: RenderFile; names: Record<string, string> }[] = [];
    for (const [index, render] of job.tree.renderFiles.entries()) {
      const names: Record<string, string> = { role: job.role, node: job.node, config_dir: tools.configDir };
      for (const [name, template] of Object.entries(render.templates)) {
        const file = join(folder, `${index}-${name}`);
        writeFileSync(file, job.tree.templates.render(template, job.variables), { mode: 0o600 });
        names[`files.${name}`] = file;
        names[`templates.${name}`] = file;
        names.tmp_file = file;
        tools.log(`rendered ${template} as ${name}`);
      }
      runs.push({ render, names });
    }
    return await runCommands(runs, tools);
  } catch (error) {
    const message = (error as Error).message;
    if (error instanceof TemplateError) return { ok: false, code: 10, error: message };
    return { ok: false, code: 20, error: message };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const runCommands = async (
  runs: readonly { render: RenderFile; names: Readonly<Record<string, string>> }[],
  tools: RoleTools,
): Promise<RoleResult> => {
  const journal = startJournal();
  const switched = new Map<string, Buffer | null>();
  const deadline = performance.now() + tools.renderTimeoutMs;
  for (const { render, names } of runs) {
    const watched = render.commands.flatMap((command) =>
      command.kind === 'Condition' ? [...command.dirsChanged, ...command.filesChanged] : [],
    );
    const before = new Map(watched.map((path) => [path, contentHash(absolute(expand(path, names), tools))]));
    const run: Run = { render, names, before, journal, switched, deadline };
    const failure = await runList(render.commands, run, tools);
    if (failure !== null) {
      await rollBack(failure, run, tools);
      return { ok: false, code: failure.code, error: failure.error };
    }
  }
  return { ok: true };
};

const absolute = (path: string, tools: RoleTools): string =>
  normalize(isAbsolute(path) ? path : join(tools.configDir, path));

const runList = async (list: readonly RenderCommand[], run: Run, tools: RoleTools): Promise<Failure | null> => {
  for (const command of list) {
    const failure = await runOne(command, run, tools);
    if (failure !== null) return { ...failure, error: `${run.render.file}:${command.line}: ${failure.error}` };
  }
  return null;
};

const runOne = async (command: RenderCommand, run: Run, tools: RoleTools): Promise<Failure | null> => {
  const fill = (text: string): string => expand(text, run.names);
  switch (command.kind) {
    case 'Cmd':
    case 'Check': {
      const [program, ...args] = command.argv;
      const argv: [string, ...string[]] = [program, ...args.map(fill)];
      const result = await start(argv, run.deadline, tools);
      if (result.ok) return null;
      const error = `!${command.kind} ${program}: ${result.problem}${lastLine(result)}`;
      return command.kind === 'Check' ? { code: 21, error } : { code: 20, error, argv };
    }
    case 'Copy': {
      const dest = absolute(fill(command.dest), tools);
      try {
        const wrote = run.journal.write(dest, readFileSync(fill(command.src)), command.mode);
        tools.log(wrote ? `wrote ${dest}` : `${dest} has these bytes already`);
        return null;
      } catch (error) {
        return { code: 20, error: `!Copy ${dest}: ${(error as Error).message}` };
      }
    }
    case 'Lithos':
      return switchLithos(fill(command.sandbox), fill(command.src), run, tools);
    case 'Condition': {
      const changed = [...command.dirsChanged, ...command.filesChanged].filter(
        (path) => contentHash(absolute(fill(path), tools)) !== run.before.get(path),
      );
      if (changed.length === 0) {
        tools.log(`!Condition at line ${command.line}: unchanged, skipped`);
        return null;
      }
      return runList(command.commands, run, tools);
    }
    default:
      return command satisfies never;
  }
};

const start = async (
  argv: readonly [string, ...string[]],
  deadline: number,
  tools: RoleTools,
): Promise<CommandResult> => {
  const left = Math.max(1, Math.round(deadline - performance.now()));
  tools.log(`$ ${argv.join(' ')}`);
  const result = await runCommand(argv, {
    timeoutMs: Math.min(tools.commandTimeoutMs, left),
    cwd: tools.configDir,
    signal: tools.signal,
  });
  for (const line of result.output.split('\n')) if (line !== '') tools.log(`  ${line}`);
  if (!result.ok) tools.log(`  → ${result.problem}`);
  return result;
};

const lastLine = ({ output }: CommandResult): string => {
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  return line === '' ? '' : `: ${line.slice(0, 500)}`;
};

const sandboxPattern = /^[\w-]+$/;

const lithosFile = (sandbox: string, tools: RoleTools): string =>
  join(tools.storageDir, 'render', 'lithos', `${sandbox}.yaml`);

const switchLithos = async (sandbox: string, src: string, run: Run, tools: RoleTools): Promise<Failure | null> => {
  if (!sandboxPattern.test(sandbox)) return { code: 20, error: `!Lithos ${sandbox}: not the name of a sandbox` };
  const kept = lithosFile(sandbox, tools);
  const result = await start([...tools.lithosSwitch, sandbox, src], run.deadline, tools);
  if (!result.ok) return { code: 20, error: `!Lithos ${sandbox}: ${result.problem}${lastLine(result)}` };
  if (!run.switched.has(sandbox)) run.switched.set(sandbox, readIfThere(kept));
  try {
    mkdirSync(join(tools.storageDir, 'render', 'lithos'), { recursive: true, mode: 0o700 });
    replaceFile(kept, readFileSync(src), 0o600);
    return null;
  } catch (error) {
    return { code: 20, error: `!Lithos ${sandbox}: ${(error as Error).message}` };
  }
};

const readIfThere = (file: string): Buffer | null => {
  try {
    return readFileSync(file);
  } catch {
    return null;
  }
};

const rollBack = async (failure: Failure, run: Run, tools: RoleTools): Promise<void> => {
  tools.log(`failed: ${failure.error}`);
  const files = run.journal.written();
  for (const problem of run.journal.restore()) tools.log(`cannot roll back ${problem}`);
  if (files.length > 0) tools.log(`rolled back ${files.join(', ')}`);
  // Programs that were told of the new files hear of the old ones; the time limit of the role may have gone by.
  const deadline = performance.now() + tools.commandTimeoutMs;
  for (const [sandbox, bytes] of run.switched) {
    if (bytes === null) continue;
    const kept = lithosFile(sandbox, tools);
    replaceFile(kept, bytes, 0o600);
    const result = await start([...tools.lithosSwitch, sandbox, kept], deadline, tools);
    tools.log(result.ok ? `rolled back sandbox ${sandbox}` : `cannot roll back sandbox ${sandbox}: ${result.problem}`);
  }
  if (failure.argv !== undefined && files.length > 0) await start(failure.argv, deadline, tools);
};
