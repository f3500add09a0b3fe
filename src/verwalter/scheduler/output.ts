import { canonicalJson, hashText, isObject, type Json, type JsonObject } from '../canonical.ts';
import { maxScheduleBytes } from '../schedule.ts';
import { setKnownKinds } from './schedule-kinds.ts';

export const roleNamePattern = /^[A-Za-z0-9][\w.-]*$/;

/** Relative, below `templates/`, without `..`. */
export const isTemplatePath = (path: string): boolean =>
  path !== '' &&
  !path.startsWith('/') &&
  !path.includes('\0') &&
  path.split('/').every((part) => part !== '..' && part !== '');

export type CheckedOutput =
  | { readonly ok: true; readonly data: JsonObject; readonly hash: string; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly error: string };

export interface OutputCheck {
  /** Found before: by the walk over Lua's tables. */
  readonly warnings?: readonly string[];
  /** Every warning is fatal. */
  readonly strict?: boolean;
}

/**
 * Checks the JSON text that a scheduler returned. Fatal is what no node could read; what only some node could not
 * render is a warning, named by its path.
 */
export const checkOutput = (
  text: string,
  knownHosts: ReadonlySet<string>,
  { warnings: earlier = [], strict = false }: OutputCheck = {},
): CheckedOutput => {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    return { ok: false, error: `invalid return value: not JSON: ${(error as Error).message}` };
  }
  if (!isObject(value)) return { ok: false, error: `invalid return value: ${kindOf(value)}, not an object` };
  const warnings = [...earlier];
  const data = value;
  setKnownKinds(data, (path) => warnings.push(`${path}: number is not finite; null is written instead`));
  let canonical: string;
  try {
    canonical = canonicalJson(data);
  } catch (error) {
    return { ok: false, error: `invalid return value: ${(error as Error).message}` };
  }
  if (Buffer.byteLength(canonical) > maxScheduleBytes) {
    return { ok: false, error: `invalid return value: larger than ${maxScheduleBytes / 1024 / 1024} MiB` };
  }
  warnings.push(...warningsOf(data, knownHosts));
  if (strict && warnings.length > 0) {
    return { ok: false, error: `invalid return value: ${warnings.join('; ')} (warnings are fatal by strict-schedule)` };
  }
  return { ok: true, data, hash: hashText(canonical), warnings };
};

const kindOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value);

const warningsOf = (data: JsonObject, knownHosts: ReadonlySet<string>): string[] => {
  const warnings: string[] = [];
  const objectAt = (value: Json | undefined, path: string): JsonObject => {
    if (value === undefined) return {};
    if (isObject(value)) return value;
    warnings.push(`${path}: ${kindOf(value)}, not an object`);
    return {};
  };
  objectAt(data.vars, 'vars');
  const common = objectAt(data.roles, 'roles');
  for (const [role, vars] of Object.entries(common)) objectAt(vars, `roles.${role}`);
  for (const [host, node] of Object.entries(objectAt(data.nodes, 'nodes'))) {
    const path = `nodes.${host}`;
    if (!knownHosts.has(host)) warnings.push(`${path}: no node has this hostname`);
    const { vars, roles } = objectAt(node, path);
    objectAt(vars, `${path}.vars`);
    for (const [role, own] of Object.entries(objectAt(roles, `${path}.roles`))) {
      const where = `${path}.roles.${role}`;
      if (!roleNamePattern.test(role)) warnings.push(`${where}: not a role name`);
      const shared = common[role];
      const template =
        objectAt(own, where).template ??
        (isObject(vars) ? vars.template : undefined) ??
        (isObject(shared) ? shared.template : undefined) ??
        (isObject(data.vars) ? data.vars.template : undefined);
      if (typeof template !== 'string') warnings.push(`${where}: no template`);
      else if (!isTemplatePath(template))
        warnings.push(`${where}.template: ${template} is not a path below templates/`);
    }
  }
  return warnings;
};
