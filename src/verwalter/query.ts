import { emptyRecord, isObject, type Json, type JsonObject } from './canonical.ts';
import type { RolesData } from './render/plan.ts';
import type { Schedule } from './schedule.ts';
import queryMain from './scheduler/query-main.lua';
import type { SchedulerRunner } from './scheduler/runner.ts';
import type { SchedulerSources } from './scheduler/sources.ts';

/** What scheduler/v1/query.lua answers (spec/verwalter.md 3.8), on every node, in the scheduler's sandbox. */
export interface Queries {
  /** Null: no query.lua, or none that has this function. Rejects with what was wrong, file and line first. */
  renderRoles(schedule: Schedule, deploymentId: string, previous: JsonObject | null): Promise<RolesData | null>;
  query(schedule: Schedule | null, path: string, body: Json): Promise<{ readonly value: Json } | null>;
}

/** A page waits for a query, and every node renders at the same time. */
export const queryLimits = { timeLimitMs: 1000, memoryLimitBytes: 128 * 1024 * 1024 } as const;

export interface QueriesOptions {
  /** With `queryLimits`. */
  readonly runner: Pick<SchedulerRunner, 'run'>;
  readonly sources: () => SchedulerSources | null;
  readonly hostname: string;
}

type Call = 'render_roles' | 'query';

export const queries = ({ runner, sources, hostname }: QueriesOptions): Queries => {
  const filesOf = (): Readonly<Record<string, string>> | null => {
    const files = sources()?.files;
    return files?.['query.lua'] === undefined ? null : files;
  };

  const ask = async (call: Call, schedule: JsonObject | null, args: Json): Promise<{ readonly value: Json } | null> => {
    const files = filesOf();
    if (files === null) return null;
    const run = await runner.run({
      sources: { ...files, 'main.lua': queryMain },
      input: { call, schedule, hostname, arguments: args },
      seed: 0,
    });
    if (!run.ok) throw new Error(run.message);
    const reply = JSON.parse(run.text ?? '{}') as JsonObject;
    return reply.missing === true ? null : { value: reply.result ?? null };
  };

  let last: { readonly key: string; readonly roles: RolesData | null } | null = null;
  return {
    async renderRoles({ data, hash }, deploymentId, previous) {
      // The same schedule and sources give the same roles; templates are looked at every few seconds.
      const key = `${hash} ${sources()?.hash}`;
      if (last?.key === key) return last.roles;
      const reply = await ask('render_roles', data, { deployment_id: deploymentId, previous_schedule: previous });
      const roles = reply === null ? null : rolesDataOf(reply.value);
      last = { key, roles };
      return roles;
    },
    query: (schedule, path, body) => ask('query', schedule?.data ?? null, { path, body }),
  };
};

const where = 'scheduler/v1/query.lua: render_roles';

/** {Ok: …} or {Err: …} as of the original, or what is in Ok alone. */
const rolesDataOf = (value: Json): RolesData => {
  if (!isObject(value)) throw new Error(`${where} returned no table`);
  if (value.Err !== undefined) throw new Error(errorText(value.Err));
  const { to_render: toRender = emptyRecord<Json>(), all_roles: allRoles = [] } = isObject(value.Ok) ? value.Ok : value;
  if (!isObject(toRender)) throw new Error(`${where}: to_render is not a table of roles`);
  // An empty table of Lua is an object as much as a list.
  const names = Array.isArray(allRoles) ? allRoles : Object.values(isObject(allRoles) ? allRoles : {});
  if (!isObject(allRoles) && !Array.isArray(allRoles)) throw new Error(`${where}: all_roles is not a list of names`);
  const roles = Object.entries(toRender).map(([role, variables]) => {
    if (!isObject(variables)) throw new Error(`${where}: to_render.${role} is not a table of variables`);
    return [role, variables] as const;
  });
  const kept = names.map((name) => {
    if (typeof name !== 'string') throw new Error(`${where}: all_roles is not a list of names`);
    return name;
  });
  return { toRender: new Map(roles), kept };
};

const errorText = (problem: Json): string => {
  if (!isObject(problem)) return `${where}: ${JSON.stringify(problem)}`;
  const { kind, message, causes } = problem;
  const because = Array.isArray(causes) && causes.length > 0 ? ` (${causes.map(String).join('; ')})` : '';
  return `${where}: ${typeof kind === 'string' ? `${kind}: ` : ''}${String(message ?? 'no message')}${because}`;
};
