import { isObject, type Json, type JsonObject } from '../canonical.ts';

/** Shorter values stand in too many other words, and are no secrets. */
const shortest = 4;

/** The value at a path such as "daemons.web.password"; undefined where there is none. */
export const valueAt = (variables: JsonObject, path: string): Json | undefined => {
  let value: Json | undefined = variables;
  for (const key of path.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
};

/** Replaces the values of the named variables wherever they stand in a text: logs are read by more people than files. */
export const redactor = (variables: JsonObject, paths: readonly string[]): ((text: string) => string) => {
  const secrets = paths
    .flatMap((path) => textsIn(valueAt(variables, path)).map((secret) => ({ path, secret })))
    .filter(({ secret }) => secret.length >= shortest)
    // A longer one may hold a shorter one.
    .sort((a, b) => b.secret.length - a.secret.length);
  return (text) => secrets.reduce((result, { path, secret }) => result.replaceAll(secret, `<${path}>`), text);
};

/** All texts and numbers in a value, and the lines of those that have several: a template may indent them. */
const textsIn = (value: Json | undefined): readonly string[] => {
  if (typeof value === 'string') return value.includes('\n') ? [value, ...value.split('\n')] : [value];
  if (typeof value === 'number') return [String(value)];
  if (Array.isArray(value)) return value.flatMap((item: Json) => textsIn(item));
  return isObject(value) ? Object.values(value).flatMap(textsIn) : [];
};
