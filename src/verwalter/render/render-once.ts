import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isObject, type Json, type JsonObject } from '../canonical.ts';
import { openIndexedLog, type RoleLog } from '../log/indexed-log.ts';
import { defaultLogKeep } from '../log/retention.ts';
import { readSchedule, type Schedule } from '../schedule.ts';
import { isTemplatePath, roleNamePattern } from '../scheduler/output.ts';
import { fileDiff } from './file-diff.ts';
import { planRoles, templateVariables } from './plan.ts';
import { preview } from './preview.ts';
import { redactor } from './redact.ts';
import { expand } from './render-command.ts';
import { runRole } from './run-role.ts';
import { readSandbox } from './sandbox.ts';
import { readTemplateTree, type TemplateTree } from './template-tree.ts';

/** `verwalter render`: one role, or what a schedule gives a node, without a daemon (spec/verwalter.md 7.2). */
export interface RenderOnceOptions {
  /** JSON of the variables; or a file that holds them. */
  readonly vars?: string;
  readonly varsFile?: string;
  readonly schedule?: string;
  readonly scheduleFile?: string;
  readonly configDir: string;
  readonly logDir: string;
  /** Where the last process config of each sandbox is remembered. */
  readonly storageDir: string;
  readonly dryRun: boolean;
  /** This template folder, wherever it is. Runs nothing. */
  readonly check?: string;
  /** Every role of this node of the schedule, into the folder `out`. Runs nothing. */
  readonly all: boolean;
  readonly node?: string;
  readonly out?: string;
  /** With `all`: how the files that !Copy would write differ from those that are there. */
  readonly diff: boolean;
}

/** Exit codes of spec/verwalter.md 5.4; with 2, 3, 4, 5 and 10 nothing was touched. */
export type RenderExit = 0 | 2 | 3 | 4 | 5 | 10 | 20 | 21 | 81;

interface Surroundings {
  readonly version: string;
  readonly lithosSwitch: readonly [string, ...string[]];
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
}

const dryDeployment = 'dry-run-dep-id-dead-beef';

class Refusal extends Error {
  readonly code: RenderExit;

  constructor(code: RenderExit, message: string) {
    super(message);
    this.code = code;
  }
}

export const renderOnce = async (options: RenderOnceOptions, around: Surroundings): Promise<RenderExit> => {
  try {
    if (options.check !== undefined) return checkFolder(options.check, options, around);
    if (options.all) return renderNode(options, around);
    return await renderRole(options, around);
  } catch (error) {
    around.complain((error as Error).message);
    return error instanceof Refusal ? error.code : 10;
  }
};

const parsed = (text: string, name: string): JsonObject => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Refusal(3, `${name}: ${(error as Error).message}`);
  }
  if (!isObject(value)) throw new Refusal(3, `${name}: not an object`);
  return value;
};

const fileText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Refusal(3, (error as Error).message);
  }
};

const variablesOf = ({ vars, varsFile }: RenderOnceOptions): JsonObject => {
  if (vars !== undefined) return parsed(vars, 'VARS_JSON');
  if (varsFile !== undefined) return parsed(fileText(varsFile), varsFile);
  throw new Refusal(2, 'variables are missing: VARS_JSON or --vars-file');
};

const scheduleOf = ({ schedule, scheduleFile }: RenderOnceOptions): JsonObject | null => {
  if (schedule !== undefined) return parsed(schedule, '--schedule');
  return scheduleFile === undefined ? null : parsed(fileText(scheduleFile), scheduleFile);
};

const treeOf = (folder: string): TemplateTree => {
  try {
    return readTemplateTree(folder);
  } catch (error) {
    throw new Refusal(10, (error as Error).message);
  }
};

const checkFolder = (folder: string, options: RenderOnceOptions, { version, print }: Surroundings): RenderExit => {
  const given = options.vars === undefined && options.varsFile === undefined ? {} : variablesOf(options);
  const role = typeof given.role === 'string' ? given.role : basename(folder);
  const variables = {
    ...{ role, node: 'localhost', removed: false, previous: null, machine: {}, full_schedule: {} },
    ...{ timestamp: new Date(0).toISOString(), deployment_id: dryDeployment, verwalter_version: `v${version}` },
    ...given,
  };
  print(preview(treeOf(folder), variables, role, String(variables.node), options.configDir));
  return 0;
};

const renderNode = (options: RenderOnceOptions, { version, print, complain }: Surroundings): RenderExit => {
  const given = scheduleOf(options);
  const { node, out, configDir } = options;
  if (given === null || node === undefined) throw new Refusal(2, '--all needs --schedule-file and --node');
  if (out === undefined && !options.diff) throw new Refusal(2, '--all needs --out or --diff');
  // Either the schedule with its stamp, as /v1/schedule shows it, or what the scheduler returned.
  const wrapped = readSchedule(given);
  const schedule: Schedule =
    'error' in wrapped ? { timestamp: 0, hash: '', origin: '', data: given } : (wrapped as Schedule);
  let worst: RenderExit = 0;
  for (const plan of planRoles(schedule.data, node, [])) {
    try {
      if ('error' in plan) throw new Refusal(4, plan.error);
      const tree = treeOf(join(configDir, 'templates', plan.template));
      const context = { hostname: node, schedule, deploymentId: dryDeployment, version, machine: {}, previous: null };
      const variables = templateVariables(plan, context);
      const text = out === undefined ? '' : preview(tree, variables, plan.role, node, configDir);
      if (out !== undefined) {
        mkdirSync(out, { recursive: true });
        writeFileSync(join(out, `${plan.role}.txt`), text);
      }
      if (options.diff) print(differences(tree, variables, plan.role, node, configDir));
    } catch (error) {
      worst = error instanceof Refusal ? error.code : 10;
      complain(`${plan.role}: ${(error as Error).message}`);
    }
  }
  return worst;
};

/** What each !Copy of a role would change in the file that is there. */
const differences = (
  tree: TemplateTree,
  variables: JsonObject,
  role: string,
  node: string,
  configDir: string,
): string =>
  tree.renderFiles
    .flatMap(({ templates, commands }) => {
      const texts = new Map<string, Buffer>();
      const names: Record<string, string> = { role, node, config_dir: configDir };
      for (const [name, template] of Object.entries(templates)) {
        const place = `(${name})`;
        texts.set(place, Buffer.from(tree.templates.render(template, variables)));
        for (const key of [`files.${name}`, `templates.${name}`, 'tmp_file']) names[key] = place;
      }
      return commands.flatMap((command) => {
        if (command.kind !== 'Copy') return [];
        const text = texts.get(expand(command.src, names));
        const dest = expand(command.dest, names);
        const old = readIfThere(dest);
        return text === undefined || old?.equals(text) === true ? [] : [`${fileDiff(dest, old, text)}\n`];
      });
    })
    .join('');

const readIfThere = (file: string): Buffer | null => {
  try {
    return readFileSync(file);
  } catch {
    return null;
  }
};

const renderRole = async (
  options: RenderOnceOptions,
  { version, lithosSwitch, print, complain }: Surroundings,
): Promise<RenderExit> => {
  const variables = variablesOf(options);
  const schedule = scheduleOf(options);
  const text = (key: string): string => {
    const value: Json | undefined = variables[key];
    if (typeof value !== 'string') throw new Refusal(key === 'template' ? 4 : 3, `${key}: the variable is missing`);
    return value;
  };
  const [role, deploymentId] = [text('role'), text('deployment_id')];
  if (text('verwalter_version') !== `v${version}`) {
    throw new Refusal(5, `the daemon is ${text('verwalter_version')}, this is v${version}: restart the daemon`);
  }
  if (!roleNamePattern.test(role)) throw new Refusal(3, `role: ${role} is not a role name`);
  const template = text('template');
  if (!isTemplatePath(template)) throw new Refusal(4, `template: ${template} is not a path below templates/`);
  const tree = treeOf(join(options.configDir, 'templates', template));
  const all: JsonObject = { removed: false, previous: null, machine: {}, full_schedule: schedule ?? {}, ...variables };
  const node = typeof all.node === 'string' ? all.node : 'localhost';
  if (options.dryRun) {
    print(preview(tree, all, role, node, options.configDir));
    return 0;
  }
  let sandbox: ReturnType<typeof readSandbox>;
  try {
    sandbox = readSandbox(join(options.configDir, 'sandbox'));
  } catch (error) {
    throw new Refusal(3, (error as Error).message);
  }
  const indexed = openIndexedLog({ dir: options.logDir, keep: defaultLogKeep, nowMs: Date.now });
  const log: RoleLog = indexed.role(deploymentId, role);
  const redact = redactor(all, sandbox.redact);
  const work = mkdtempSync(join(tmpdir(), 'verwalter-render-'));
  try {
    const previous = isObject(all.previous) ? all.previous : null;
    const result = await runRole(
      { role, node, variables: all, merged: variables, previous, tree },
      {
        ...{ configDir: options.configDir, workDir: work, storageDir: options.storageDir, sandbox, redact },
        lithosSwitch,
        useSudo: false,
        signal: new AbortController().signal,
        log: (line) => log.line(redact(line)),
        wrote: (path, old, bytes) => log.line(redact(`wrote ${path}\n${fileDiff(path, old, bytes)}`)),
        externalLog: (name, size) => log.external(name, size),
        action: (which, file) => log.action(which === 'start' ? 'ActionStart' : 'ActionFinish', file),
      },
    );
    if (!result.ok) complain(result.error);
    const problem = indexed.problem();
    if (problem !== null) complain(`log: ${problem}`);
    if (!result.ok) return result.code;
    return problem === null ? 0 : 81;
  } finally {
    log.finish();
    rmSync(work, { recursive: true, force: true });
  }
};
