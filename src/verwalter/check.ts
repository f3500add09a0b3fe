import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isObject, type Json } from './canonical.ts';
import { scheduleProblems } from './check-schedule.ts';
import { legacyTemplates } from './legacy.ts';
import { readMetadata } from './metadata.ts';
import { readSandbox } from './render/sandbox.ts';
import { readTemplateTree } from './render/template-tree.ts';
import { hostsOf } from './round.ts';
import { luaSyntaxProblem, runScheduler } from './scheduler/engine.ts';
import { checkOutput } from './scheduler/output.ts';
import { readSources } from './scheduler/sources.ts';
import { problemText } from './yaml-text.ts';

/** Everything of a configuration folder that can be checked without a cluster. */
export const checkConfigDir = async (
  dir: string,
  scheduleFile?: string,
): Promise<{ readonly problems: readonly string[]; readonly seen: string }> => {
  const problems: string[] = [];
  let modules = 0;
  try {
    if (!statSync(dir).isDirectory()) throw new Error('not a folder');
  } catch (error) {
    return { problems: [`${dir}: ${(error as Error).message}`], seen: 'nothing checked' };
  }
  try {
    const { files } = readSources(dir);
    modules = Object.keys(files).length;
    const loaded = await runScheduler({ sources: files, seed: 0 });
    if (!loaded.ok) problems.push(join(dir, loaded.message));
    // Modules that main.lua requires only while scheduling: nothing of them runs here.
    for (const [path, source] of Object.entries(files)) {
      const problem = path === 'main.lua' ? null : luaSyntaxProblem(source, `@scheduler/v1/${path}`);
      if (problem !== null) problems.push(join(dir, problem));
    }
  } catch (error) {
    problems.push((error as Error).message);
  }
  const folders = templateFolders(join(dir, 'templates'));
  for (const folder of folders) {
    try {
      readTemplateTree(folder);
    } catch (error) {
      const { message } = error as Error;
      problems.push(message.startsWith(folder) ? message : `${folder}: ${message}`);
    }
  }
  problems.push(...legacyTemplates(join(dir, 'templates')));
  try {
    readSandbox(join(dir, 'sandbox'));
  } catch (error) {
    problems.push((error as Error).message);
  }
  if (scheduleFile !== undefined) problems.push(...scheduleProblems(dir, scheduleFile));
  for (const part of ['runtime', 'machine']) problems.push(...readMetadata(join(dir, part)).problems.map(problemText));
  const names = folders.map((folder) => relative(join(dir, 'templates'), folder)).join(', ');
  return {
    problems: [...new Set(problems)],
    seen: `${modules} scheduler file(s), templates ${names === '' ? 'none' : names}`,
  };
};

/** A folder that holds a render file is what a schedule's `template` may name. */
const templateFolders = (root: string): string[] => {
  const found: string[] = [];
  const walk = (folder: string): void => {
    let names: string[];
    try {
      names = readdirSync(folder).sort();
    } catch {
      return;
    }
    if (names.some((name) => /\.render\.ya?ml$/.test(name))) {
      found.push(folder);
      return;
    }
    for (const name of names) if (statSync(join(folder, name)).isDirectory()) walk(join(folder, name));
  };
  walk(root);
  return found;
};

export const scheduleOnce = async (options: {
  readonly input: string;
  readonly configDir: string;
  readonly verify: boolean;
  /** Writes to globals, and warnings, are errors. */
  readonly strict?: boolean;
}): Promise<{
  readonly text: string;
  readonly log: string;
  readonly warnings: readonly string[];
  readonly error: string | null;
}> => {
  const failed = (error: string, log = '') => ({ text: '', log, warnings: [], error });
  let input: Json;
  try {
    input = JSON.parse(readFileSync(options.input === '-' ? 0 : options.input, 'utf8')) as Json;
  } catch (error) {
    return failed(`${options.input}: ${(error as Error).message}`);
  }
  if (!isObject(input)) return failed(`${options.input}: not an object`);
  let files: Readonly<Record<string, string>>;
  try {
    ({ files } = readSources(options.configDir));
  } catch (error) {
    return failed((error as Error).message);
  }
  const seed = typeof input.seed === 'number' ? Math.trunc(input.seed) : 0;
  const request = { sources: files, input, seed, strict: options.strict ?? false };
  const run = await runScheduler(request);
  if (!run.ok) return failed(`${run.message}${run.traceback}`, run.log);
  if (options.verify) {
    const again = await runScheduler(request);
    if (!again.ok || again.text !== run.text || again.log !== run.log) {
      return failed('the scheduler gave another result for the same input', run.log);
    }
  }
  const output = checkOutput(run.text ?? '', hostsOf(input), {
    warnings: run.warnings,
    strict: options.strict ?? false,
  });
  if (!output.ok) return failed(output.error, run.log);
  return { text: JSON.stringify(output.data, null, 2), log: run.log, warnings: output.warnings, error: null };
};
