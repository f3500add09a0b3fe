import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../canonical.ts';
import { type DeploymentLog, openIndexedLog, type RoleLog } from '../log/indexed-log.ts';
import type { LogKeep } from '../log/retention.ts';
import type { Schedule } from '../schedule.ts';
import { fileDiff } from './file-diff.ts';
import { replaceFile } from './file-journal.ts';
import {
  fingerprintOf,
  type PlannedRole,
  planRoles,
  type RoleRecord,
  type RolesData,
  readRecords,
  retryDelayMs,
  templateVariables,
} from './plan.ts';
import { preview } from './preview.ts';
import { redactor } from './redact.ts';
import { type RoleTools, runRole } from './run-role.ts';
import { readSandbox } from './sandbox.ts';
import { readTemplateTree } from './template-tree.ts';

export interface RendererOptions {
  readonly hostname: string;
  readonly version: string;
  readonly configDir: string;
  readonly storageDir: string;
  readonly logDir: string;
  readonly lithosSwitch: readonly [string, ...string[]];
  readonly machine: () => JsonObject;
  readonly logKeep: LogKeep;
  /** Templates are rendered and logged with what would be run; nothing is written or run, and nothing remembered. */
  readonly dryRun?: boolean;
  /** Programs are started as root through sudo(8). */
  readonly useSudo?: boolean;
  /** Roles in the place of what the schedule says; null: as it says. Rejects: nothing is rendered, and it is tried again. */
  readonly rolesOf?: (
    schedule: Schedule,
    deploymentId: string,
    previous: JsonObject | null,
  ) => Promise<RolesData | null>;
  readonly onChange: () => void;
}

export interface RoleStatus {
  readonly role: string;
  readonly template: string;
  readonly state: 'rendered' | 'failed' | 'orphaned';
  readonly error: string | null;
  readonly retryAtMs: number | null;
}

export interface Renderer {
  /**
   * Renders what is new in it; while a render goes on only the newest schedule waits. `debug`: what the scheduler
   * said while it made it.
   */
  render(schedule: Schedule, debug?: string): void;
  /** Looks again: templates or machine metadata have changed. */
  recheck(): void;
  /** All roles, whether or not anything changed. */
  force(): void;
  /** A sentence for the log of changes, beside those that the scheduler says. */
  noteChange(hash: string, sentence: string): void;
  status(): {
    readonly renderedHash: string | null;
    readonly running: boolean;
    readonly deploymentId: string | null;
    readonly roles: readonly RoleStatus[];
    readonly failedRoles: readonly string[];
    /** Renders of roles that failed, since the start. */
    readonly failures: number;
    /** What is wrong with sandbox/*.yaml (the last good one holds) and with writing logs; null: nothing. */
    readonly sandboxProblem: string | null;
    readonly logProblem: string | null;
    /** Why it is not known which roles to render; the old ones stay. */
    readonly rolesProblem: string | null;
  };
  /** Newest lines of a role's log, from memory. */
  log(role: string): readonly string[];
  logNames(): readonly string[];
  stop(): Promise<void>;
}

const keptLogLines = 1000;
const idAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const deploymentIdLength = 24;

const freshRecord = { fingerprint: null, orphaned: false, touched: false, failure: null } as const;

const newDeploymentId = (): string =>
  Array.from({ length: deploymentIdLength }, () => idAlphabet[randomInt(idAlphabet.length)]).join('');

/** Throws FileError where the folder sandbox/ cannot be used: without it there is no telling what may be touched. */
export const startRenderer = (options: RendererOptions): Renderer => {
  const sandboxDir = join(options.configDir, 'sandbox');
  let sandbox = readSandbox(sandboxDir);
  let sandboxProblem: string | null = null;
  const indexed = openIndexedLog({ dir: options.logDir, keep: options.logKeep, nowMs: Date.now });
  const recordsFile = join(options.storageDir, 'render', 'roles.json');
  const records = new Map<string, RoleRecord>(loadRecords(recordsFile).map((record) => [record.role, record]));
  // Rendered files of a run that was killed hold variables that nobody needs any longer.
  rmSync(join(options.storageDir, 'render', 'work'), { recursive: true, force: true });
  const logs = new Map<string, string[]>();
  const abort = new AbortController();
  let current: Schedule | null = null;
  let renderedHash: string | null = null;
  let renderedData: JsonObject | null = null;
  let rolesProblem: string | null = null;
  let deploymentId: string | null = null;
  let deployment: DeploymentLog | null = null;
  let roleLog: RoleLog | null = null;
  let debugText = '';
  let loggedHash: string | null = null;
  let failures = 0;
  let wanted = false;
  let forced = false;
  let running: Promise<void> | null = null;
  let retryTimer: NodeJS.Timeout | undefined;

  const note = (role: string, line: string): void => {
    const lines = logs.get(role) ?? [];
    lines.push(`${new Date().toISOString()} ${deploymentId ?? '-'} ${line}`);
    if (lines.length > keptLogLines) lines.shift();
    logs.set(role, lines);
    roleLog?.line(line);
  };

  /** The deployment of this round; a round in which nothing is due has none. */
  const deploymentOf = (schedule: Schedule): DeploymentLog => {
    deploymentId ??= newDeploymentId();
    if (deployment !== null) return deployment;
    deployment = indexed.deployment(deploymentId, `schedule ${schedule.hash} of ${schedule.origin}\n${debugText}`);
    if (loggedHash !== schedule.hash) {
      loggedHash = schedule.hash;
      const { changes } = schedule.data;
      if (Array.isArray(changes)) deployment.changes(schedule.hash, changes.map(String));
    }
    return deployment;
  };

  const fail = (role: string, template: string, fingerprint: string, code: number, error: string): void => {
    failures += 1;
    const old = records.get(role);
    const count = old?.failure?.fingerprint === fingerprint ? old.failure.count + 1 : 1;
    const retryAtMs = Date.now() + retryDelayMs(count);
    records.set(role, {
      role,
      template: old?.template ?? template,
      variables: old?.variables ?? {},
      fingerprint: null,
      orphaned: old?.orphaned ?? false,
      touched: old?.touched ?? false,
      failure: { code, error, count, fingerprint, retryAtMs },
    });
    note(role, `role failed (${code}): ${error}`);
  };

  const renderRole = async (plan: PlannedRole, schedule: Schedule, force: boolean): Promise<void> => {
    const { role, template } = plan;
    const record = records.get(role);
    if (plan.removed && record !== undefined) records.set(role, { ...record, orphaned: true });
    const machine = options.machine();
    let fingerprint = fingerprintOf(plan, '', machine);
    const due = (): boolean => {
      if (force) return true;
      const failure = record?.failure;
      if (failure?.fingerprint === fingerprint) return Date.now() >= failure.retryAtMs;
      return record?.fingerprint !== fingerprint;
    };
    try {
      const tree = readTemplateTree(join(options.configDir, 'templates', template));
      fingerprint = fingerprintOf(plan, tree.usesFullSchedule ? `${tree.hash} ${schedule.hash}` : tree.hash, machine);
      if (!due()) return;
      roleLog = deploymentOf(schedule).role(role);
      note(role, plan.removed ? 'role left this node: rendering it as removed' : `rendering schedule ${schedule.hash}`);
      const previous = record?.fingerprint == null ? null : record.variables;
      const variables = templateVariables(plan, {
        hostname: options.hostname,
        schedule,
        deploymentId: deploymentId ?? '',
        version: options.version,
        machine,
        previous,
      });
      const redact = redactor(plan.variables, sandbox.redact);
      if (options.dryRun === true) {
        note(role, redact(`dry run\n${preview(tree, variables, role, options.hostname, options.configDir)}`));
        const old = record ?? { ...freshRecord, role, template };
        records.set(role, { ...old, template, variables: plan.variables, fingerprint, failure: null });
        return;
      }
      const own = roleLog;
      const tools: RoleTools = {
        configDir: options.configDir,
        workDir: join(options.storageDir, 'render', 'work'),
        storageDir: options.storageDir,
        lithosSwitch: options.lithosSwitch,
        useSudo: options.useSudo ?? false,
        sandbox,
        signal: abort.signal,
        redact,
        log: (line) => note(role, redact(line)),
        wrote: (path, old, bytes) => note(role, redact(`wrote ${path}\n${fileDiff(path, old, bytes)}`)),
        externalLog: (name, size) => own.external(name, size),
        action: (which, file) => own.action(which === 'start' ? 'ActionStart' : 'ActionFinish', file),
      };
      // Stored before the first command: whatever happens from here on, the role may have left something behind.
      const known: RoleRecord = record ?? { ...freshRecord, role, template, variables: plan.variables };
      if (!known.touched) {
        records.set(role, { ...known, touched: true });
        saveRecords();
      }
      const result = await runRole(
        { role, node: options.hostname, variables, merged: plan.variables, previous, tree },
        tools,
      );
      if (!result.ok) {
        // A template that fails has touched nothing.
        if (result.code === 10) records.set(role, { ...known, orphaned: plan.removed });
        fail(role, template, fingerprint, result.code, result.error);
      } else if (plan.removed) {
        records.delete(role);
        note(role, 'removed');
      } else {
        const { variables: merged } = plan;
        records.set(role, {
          role,
          template,
          variables: merged,
          fingerprint,
          orphaned: false,
          touched: true,
          failure: null,
        });
        note(role, 'rendered');
      }
    } catch (error) {
      if (due()) fail(role, template, fingerprint, 10, (error as Error).message);
    } finally {
      roleLog?.finish();
      roleLog = null;
    }
  };

  const rereadSandbox = (): void => {
    try {
      sandbox = readSandbox(sandboxDir);
      sandboxProblem = null;
    } catch (error) {
      sandboxProblem = (error as Error).message;
    }
  };

  const saveRecords = (): void => {
    if (options.dryRun === true) return;
    try {
      mkdirSync(join(options.storageDir, 'render'), { recursive: true, mode: 0o700 });
      const stored = [...records.values()]
        .filter((record) => record.touched)
        .map(({ role, template, variables }) => ({ role, template, variables }));
      replaceFile(recordsFile, Buffer.from(JSON.stringify(stored)), 0o600);
    } catch (error) {
      note('verwalter', `cannot store the list of roles: ${(error as Error).message}`);
    }
  };

  const deploy = async (): Promise<void> => {
    while (wanted && !abort.signal.aborted) {
      wanted = false;
      const schedule = current;
      if (schedule === null) return;
      const force = forced;
      forced = false;
      deploymentId = null;
      deployment = null;
      rereadSandbox();
      if (loggedHash !== schedule.hash && Array.isArray(schedule.data.changes)) {
        deploymentOf(schedule);
      }
      let told: RolesData | null = null;
      try {
        deploymentId ??= newDeploymentId();
        told = (await options.rolesOf?.(schedule, deploymentId, renderedData)) ?? null;
        rolesProblem = null;
      } catch (error) {
        rolesProblem = (error as Error).message;
        forced ||= force;
        options.onChange();
        continue;
      }
      const plans = planRoles(schedule.data, options.hostname, records.values(), told);
      const kept = new Set(told?.kept ?? []);
      // Roles that are wanted no more and never came to a command leave no mark.
      const planned = new Set(plans.map((plan) => plan.role));
      for (const role of [...records.keys()]) if (!planned.has(role) && !kept.has(role)) records.delete(role);
      for (const plan of plans) {
        if (abort.signal.aborted) return;
        if ('error' in plan) fail(plan.role, '', hashOfError(plan.error), 4, plan.error);
        else await renderRole(plan, schedule, force);
      }
      saveRecords();
      const anyFailed = [...records.values()].some(({ failure }) => failure !== null);
      // Asserted: what was assigned in between is not seen by the narrowing of the line above the loop.
      (deployment as DeploymentLog | null)?.finish(anyFailed ? 'DeploymentError' : 'DeploymentFinish');
      renderedHash = schedule.hash;
      renderedData = schedule.data;
      options.onChange();
    }
  };

  const kick = (): void => {
    clearTimeout(retryTimer);
    if (running !== null || abort.signal.aborted) return;
    running = deploy().finally(() => {
      running = null;
      if (wanted) kick();
      else planRetry();
    });
  };

  const planRetry = (): void => {
    const times = [...records.values()].flatMap(({ failure }) => (failure === null ? [] : [failure.retryAtMs]));
    if (rolesProblem !== null) times.push(Date.now() + retryDelayMs(1));
    if (times.length === 0 || abort.signal.aborted) return;
    const wait = Math.max(100, Math.min(...times) - Date.now());
    retryTimer = setTimeout(() => {
      wanted = true;
      kick();
    }, wait);
    retryTimer.unref();
  };

  return {
    render(schedule, debug = '') {
      const isNew = schedule.hash !== current?.hash;
      current = schedule;
      if (!isNew) return;
      debugText = debug;
      wanted = true;
      kick();
    },
    recheck() {
      wanted = true;
      kick();
    },
    noteChange: (hash, sentence) => indexed.changes(hash, [sentence]),
    force() {
      wanted = true;
      forced = true;
      kick();
    },
    status() {
      const roles = [...records.values()]
        .sort((a, b) => (a.role < b.role ? -1 : 1))
        .map(
          (record): RoleStatus => ({
            role: record.role,
            template: record.template,
            state: record.failure !== null ? 'failed' : record.orphaned ? 'orphaned' : 'rendered',
            error: record.failure?.error ?? null,
            retryAtMs: record.failure?.retryAtMs ?? null,
          }),
        );
      const failedRoles = roles.filter((role) => role.state !== 'rendered').map((role) => role.role);
      return {
        ...{ renderedHash, running: running !== null, deploymentId, roles, failedRoles, failures, sandboxProblem },
        logProblem: indexed.problem(),
        rolesProblem,
      };
    },
    log: (role) => logs.get(role) ?? [],
    logNames: () => [...logs.keys()].sort(),
    async stop() {
      abort.abort();
      clearTimeout(retryTimer);
      await running;
    },
  };
};

const hashOfError = (error: string): string => `error ${error}`;

const loadRecords = (file: string): RoleRecord[] => {
  try {
    return readRecords(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return [];
  }
};
