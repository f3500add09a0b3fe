import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../canonical.ts';
import { contentHash } from './content-hash.ts';
import { startJournal } from './file-journal.ts';
import { TemplateError } from './handlebars.ts';
import { expand } from './render-command.ts';
import type { RenderFile } from './render-yaml.ts';
import { absolute, type Failure, type Run, runList, switchBack } from './run-command.ts';
import type { RenderSandbox } from './sandbox.ts';
import type { TemplateTree } from './template-tree.ts';

export interface RoleJob {
  readonly role: string;
  readonly node: string;
  /** What templates see. */
  readonly variables: JsonObject;
  /** The schedule's own part of it: what conditions compare. */
  readonly merged: JsonObject;
  /** The same of the last successful render; null where there was none. */
  readonly previous: JsonObject | null;
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
  /** Programs are started as root through sudo(8), where we are not root. */
  readonly useSudo: boolean;
  readonly sandbox: RenderSandbox;
  readonly signal: AbortSignal;
  redact(text: string): string;
  log(line: string): void;
  /** A file was written: its bytes before (null: there were none) and now. */
  wrote(path: string, old: Buffer | null, bytes: Buffer): void;
  /** How long another program's log ("ALIAS/path") is now. */
  externalLog(name: string, size: number): void;
  /** The commands of a render file begin or have ended. */
  action(which: 'start' | 'finish', file: string): void;
}

/** Codes as the exit codes of spec/verwalter.md 5.4: 10 template, 20 command, 21 check failed and rolled back. */
export type RoleResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: 10 | 20 | 21; readonly error: string };

/**
 * Renders all templates of a role to temporary files, then runs its commands in order. A failure leaves the files as
 * they were before the role's first write, and lithos with the process config it had.
 */
export const runRole = async (job: RoleJob, tools: RoleTools): Promise<RoleResult> => {
  mkdirSync(tools.workDir, { recursive: true, mode: 0o700 });
  chmodSync(tools.workDir, 0o700);
  const folder = mkdtempSync(join(tools.workDir, `${job.role}-`));
  try {
    return await runFiles(renderAll(job, tools, folder), job, tools);
  } catch (error) {
    const message = tools.redact((error as Error).message);
    if (error instanceof TemplateError) return { ok: false, code: 10, error: message };
    return { ok: false, code: 20, error: message };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

interface RenderedFile {
  readonly render: RenderFile;
  readonly names: Readonly<Record<string, string>>;
}

const renderAll = (job: RoleJob, tools: RoleTools, folder: string): readonly RenderedFile[] =>
  job.tree.renderFiles.map((render, index) => {
    const names: Record<string, string> = { role: job.role, node: job.node, config_dir: tools.configDir };
    for (const [name, template] of Object.entries(render.templates)) {
      const file = join(folder, `${index}-${name}`);
      writeFileSync(file, job.tree.templates.render(template, job.variables), { mode: 0o600 });
      names[`files.${name}`] = file;
      names[`templates.${name}`] = file;
      names.tmp_file = file;
      tools.log(`rendered ${template} as ${name}`);
    }
    return { render, names };
  });

const runFiles = async (files: readonly RenderedFile[], job: RoleJob, tools: RoleTools): Promise<RoleResult> => {
  const deadline = performance.now() + tools.sandbox.renderTimeoutMs;
  const runs: Run[] = [];
  for (const { render, names } of files) {
    const watched = render.commands.flatMap((command) =>
      command.kind === 'Condition' ? [...command.dirsChanged, ...command.filesChanged] : [],
    );
    const before = new Map(watched.map((path) => [path, contentHash(absolute(expand(path, names), tools))] as const));
    const run: Run = {
      ...{ job, tools, render, names, before, deadline },
      ...{ journal: startJournal(), switched: new Map(), swaps: [], staged: null },
    };
    runs.push(run);
    tools.action('start', render.file);
    const failure = await runList(render.commands, run);
    tools.action('finish', render.file);
    if (failure !== null) {
      await rollBack(failure, runs, tools);
      return { ok: false, code: failure.code, error: failure.error };
    }
  }
  for (const { old } of runs.flatMap(({ swaps }) => swaps)) {
    if (old !== null) rmSync(old, { recursive: true, force: true });
  }
  return { ok: true };
};

/** Newest first, but for what its render file wants to be left as it is. */
const rollBack = async (failure: Failure, runs: readonly Run[], tools: RoleTools): Promise<void> => {
  tools.log(`failed: ${failure.error}`);
  let files = 0;
  for (const run of runs.toReversed()) {
    if (!run.render.rollback) continue;
    const changed = run.journal.changed();
    for (const problem of run.journal.restore()) tools.log(`cannot roll back ${problem}`);
    for (const { fresh } of run.swaps) rmSync(fresh, { recursive: true, force: true });
    if (changed.length > 0) tools.log(`rolled back ${changed.join(', ')}`);
    files += changed.length;
    // Programs that were told of the new files hear of the old ones; the time limit of the role may have gone by.
    const again: Run = { ...run, deadline: performance.now() + tools.sandbox.commandTimeoutMs };
    for (const [sandbox, bytes] of run.switched) {
      if (bytes === null) continue;
      const result = await switchBack(sandbox, bytes, again);
      tools.log(
        result.ok ? `rolled back sandbox ${sandbox}` : `cannot roll back sandbox ${sandbox}: ${result.problem}`,
      );
    }
  }
  const last = runs.at(-1);
  if (failure.again !== undefined && last !== undefined && files > 0) {
    await failure.again({ ...last, deadline: performance.now() + tools.sandbox.commandTimeoutMs });
  }
};
