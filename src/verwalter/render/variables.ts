import { emptyRecord, isObject, type Json, type JsonObject } from '../canonical.ts';

/**
 * Merges variables, strongest first, two levels deep (spec/verwalter.md 5.1): where the strongest value of a key is an
 * object, its missing subkeys are taken whole from weaker objects; a strongest non-object wins alone.
 */
export const mergeVariables = (layers: readonly JsonObject[]): JsonObject => {
  const result = emptyRecord<Json>();
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      const stronger = result[key];
      if (!(key in result)) {
        result[key] = isObject(value) ? Object.assign(emptyRecord<Json>(), value) : value;
      } else if (isObject(stronger) && isObject(value)) {
        const filled = stronger as Record<string, Json>;
        for (const [name, item] of Object.entries(value)) if (!(name in filled)) filled[name] = item;
      }
    }
  }
  return result;
};

const objectOf = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});

/** Merged variables of each role that the schedule gives this node, before anything is added. */
export const rolesOfNode = (data: JsonObject, hostname: string): ReadonlyMap<string, JsonObject> => {
  const node = objectOf(objectOf(data.nodes)[hostname]);
  const common = objectOf(data.roles);
  const names = Object.keys(objectOf(node.roles)).sort();
  return new Map(
    names.map((role) => [
      role,
      mergeVariables([
        objectOf(objectOf(node.roles)[role]),
        objectOf(node.vars),
        objectOf(common[role]),
        objectOf(data.vars),
      ]),
    ]),
  );
};

/** Variables of a role that left the node: as last rendered, every instance count 0 (spec 3.3). */
export const removedVariables = (last: JsonObject): JsonObject => {
  const zeroed = (value: Json): Json => {
    if (Array.isArray(value)) return value.map((item: Json) => zeroed(item));
    if (!isObject(value)) return value;
    const copy = emptyRecord<Json>();
    for (const [key, item] of Object.entries(value)) {
      copy[key] = key === 'instances' && typeof item === 'number' ? 0 : zeroed(item);
    }
    return copy;
  };
  return { ...(zeroed(last) as JsonObject), removed: true };
};
