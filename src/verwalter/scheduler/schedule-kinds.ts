import type { Json, JsonObject } from '../canonical.ts';

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

/**
 * Gives empty tables the kind that their place knows, and takes away numbers that JSON cannot hold. Changes `data` itself:
 * it may be of megabytes, and was read for this.
 */
export const setKnownKinds = (data: JsonObject, notFinite: (path: string) => void): void => {
  const path: string[] = [];
  const right = (value: Json, kind: Kind | undefined): Json => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      notFinite(path.join('.'));
      return null;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      if (value.length === 0) return kind !== undefined && kind !== 'list' ? {} : value;
      for (let index = 0; index < value.length; index++) step(value, String(index), undefined);
      return value;
    }
    let empty = true;
    for (const key in value) {
      empty = false;
      let inner: Kind | undefined;
      if (typeof kind === 'object') {
        inner = kind.fields !== undefined && Object.hasOwn(kind.fields, key) ? kind.fields[key] : kind.each;
      }
      step(value as Record<string, Json>, key, inner);
    }
    return empty && kind === 'list' ? [] : value;
  };
  const step = (within: Record<string, Json> | Json[], key: string, kind: Kind | undefined): void => {
    const value = (within as Record<string, Json>)[key] as Json;
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return;
    path.push(key);
    const result = right(value, kind);
    path.pop();
    // A key such as __proto__ is a key like any other.
    if (result !== value)
      Object.defineProperty(within, key, { value: result, enumerable: true, writable: true, configurable: true });
  };
  right(data, schedule);
};
