import { emptyRecord, hashJson, isObject, type Json, type JsonObject } from '../canonical.ts';
import type { Schedule } from '../schedule.ts';
import { isTemplatePath, roleNamePattern } from '../scheduler/output.ts';
import { removedVariables, rolesOfNode } from './variables.ts';

/** What this node knows of a role that it has rendered at some time; stored, so that a vanished role is removed. */
export interface RoleRecord {
  readonly role: string;
  readonly template: string;
  /** Of the last successful render, as merged. */
  readonly variables: JsonObject;
  /** Variables and template tree of the last successful render in this process; null = render again. */
  readonly fingerprint: string | null;
  readonly orphaned: boolean;
  /** Its commands may have left something on this node, which has to be removed when the role leaves. */
  readonly touched: boolean;
  readonly failure: RoleFailure | null;
}

export interface RoleFailure {
  readonly code: number;
  readonly error: string;
  readonly count: number;
  /** Fingerprint that failed: something else is tried at once. */
  readonly fingerprint: string;
  readonly retryAtMs: number;
}

export interface PlannedRole {
  readonly role: string;
  readonly template: string;
  /** Merged, without what changes from render to render. */
  readonly variables: JsonObject;
  readonly removed: boolean;
}

export type RolePlan = PlannedRole | { readonly role: string; readonly error: string };

/** First wait after a failure, and the longest: a node that cannot render must not be busy with trying. */
const retryFirstMs = 10_000;
const retryMostMs = 300_000;

export const retryDelayMs = (failures: number): number =>
  Math.min(retryMostMs, retryFirstMs * 2 ** Math.max(0, failures - 1));

/** Roles of a node as query.lua tells them, in the place of what the schedule says. */
export interface RolesData {
  /** Role → its variables. */
  readonly toRender: ReadonlyMap<string, JsonObject>;
  /** Of this node too, but not to be rendered now. */
  readonly kept: readonly string[];
}

/** What this node has to render for a schedule: its roles, and those it had and has no more. */
export const planRoles = (
  data: JsonObject,
  hostname: string,
  records: Iterable<RoleRecord>,
  told: RolesData | null = null,
): readonly RolePlan[] => {
  const plans: RolePlan[] = [];
  const wanted = told?.toRender ?? rolesOfNode(data, hostname);
  const kept = new Set(told?.kept ?? []);
  for (const [role, variables] of wanted) {
    const { template } = variables;
    if (!roleNamePattern.test(role)) plans.push({ role, error: 'not a role name' });
    else if (typeof template !== 'string') plans.push({ role, error: 'no template' });
    else if (!isTemplatePath(template))
      plans.push({ role, error: `template ${template} is not a path below templates/` });
    else plans.push({ role, template, variables, removed: false });
  }
  for (const record of records) {
    if (wanted.has(record.role) || kept.has(record.role) || !record.touched) continue;
    const { role, template } = record;
    plans.push({ role, template, variables: removedVariables(record.variables), removed: true });
  }
  return plans;
};

/** Everything that the rendered files depend on, but ids and the time. */
export const fingerprintOf = (plan: PlannedRole, treeHash: string, machine: JsonObject): string =>
  hashJson({ variables: plan.variables, removed: plan.removed, tree: treeHash, machine });

/** The variables that a template sees (spec/verwalter.md 5.1). */
export const templateVariables = (
  plan: PlannedRole,
  context: {
    readonly hostname: string;
    readonly schedule: Schedule;
    readonly deploymentId: string;
    readonly version: string;
    readonly machine: JsonObject;
    readonly previous: JsonObject | null;
  },
): JsonObject => {
  const variables = Object.assign(emptyRecord<Json>(), plan.variables);
  variables.role = plan.role;
  variables.node ??= context.hostname;
  variables.timestamp = new Date(context.schedule.timestamp).toISOString();
  variables.deployment_id = context.deploymentId;
  variables.verwalter_version = `v${context.version}`;
  variables.full_schedule = context.schedule.data;
  variables.machine = context.machine;
  variables.previous = context.previous;
  variables.removed = plan.removed;
  return variables;
};

/** Reads stored records; anything else than our own form counts as nothing stored. */
export const readRecords = (value: unknown): RoleRecord[] => {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) => {
    if (!isObject(item)) return [];
    const { role, template, variables } = item;
    if (typeof role !== 'string' || typeof template !== 'string' || !isObject(variables)) return [];
    if (!roleNamePattern.test(role) || !isTemplatePath(template)) return [];
    return [{ role, template, variables, fingerprint: null, orphaned: false, touched: true, failure: null }];
  });
};
