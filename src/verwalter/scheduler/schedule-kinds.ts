import { emptyRecord, isObject, type Json, type JsonObject } from '../canonical.ts';

// Where the form of a schedule (spec/verwalter.md 3.3) says list or object. An empty Lua table is neither: at these
// places it takes the kind known, elsewhere it is an object.

type Kind =
  | 'list'
  /** `each` holds for every key that `fields` does not name. */
  | { readonly fields?: Readonly<Record<string, Kind>>; readonly each?: Kind };

const object: Kind = {};
const objects: Kind = { each: object };

const daemons: Kind = { each: { fields: { variables: object } } };
const placedRole = { fields: { daemons, commands: objects, shortinfo: 'list' } } satisfies Kind;

const frontend: Kind = {
  fields: { version_buttons: 'list', migration: { fields: { buttons: 'list' } } },
};
const role: Kind = {
  fields: {
    ...placedRole.fields,
    info: object,
    frontend,
    versions: 'list',
    version_info: { each: { fields: { group_pipelines: { each: 'list' } } } },
    global_actions: 'list',
    daemon_actions: 'list',
  },
};
const group: Kind = {
  fields: {
    services: { each: { fields: { servers: 'list', variables: object } } },
    update: { fields: { pipeline: 'list' } },
  },
};

const schedule: Kind = {
  fields: {
    vars: object,
    roles: { each: role },
    nodes: { each: { fields: { vars: object, roles: { each: placedRole }, shortinfo: 'list' } } },
    state: { each: { fields: { groups: { each: group } } } },
    query_metrics: { fields: { rules: { each: { fields: { functions: 'list' } } } } },
    changes: 'list',
    errors: 'list',
    warnings: 'list',
    explain: { each: { each: { fields: { reasons: 'list', scores: object } } } },
  },
};

/** The same data with empty tables of the kind that their place knows, and no number that JSON cannot hold. */
export const withKnownKinds = (data: JsonObject, notFinite: (path: string) => void): JsonObject => {
  const path: string[] = [];
  const walk = (value: Json, kind: Kind | undefined): Json => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      notFinite(path.join('.'));
      return null;
    }
    if (Array.isArray(value)) {
      if (value.length === 0) return kind !== undefined && kind !== 'list' ? {} : value;
      return value.map((item: Json, index) => step(String(index), item, undefined));
    }
    if (!isObject(value)) return value;
    const keys = Object.keys(value);
    if (keys.length === 0) return kind === 'list' ? [] : value;
    const copy = emptyRecord<Json>();
    for (const key of keys) {
      let inner: Kind | undefined;
      if (typeof kind === 'object') {
        inner = kind.fields !== undefined && Object.hasOwn(kind.fields, key) ? kind.fields[key] : kind.each;
      }
      copy[key] = step(key, value[key] ?? null, inner);
    }
    return copy;
  };
  const step = (key: string, value: Json, kind: Kind | undefined): Json => {
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
    path.push(key);
    const result = walk(value, kind);
    path.pop();
    return result;
  };
  return walk(data, schedule) as JsonObject;
};
