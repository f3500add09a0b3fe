import Handlebars from 'handlebars';
import { stringify } from 'yaml';
import { canonicalJson, isObject, type Json } from '../canonical.ts';

type Environment = ReturnType<typeof Handlebars.create>;

/** A template that failed, with the line that Handlebars names. */
export class TemplateError extends Error {}

export interface TemplateSet {
  /** Throws TemplateError. */
  render(path: string, variables: unknown): string;
}

const text = (value: unknown): string => (value === null || value === undefined ? '' : String(value));

/** Helpers get the options record of Handlebars as last argument. */
const operands = (args: unknown[]): unknown[] => args.slice(0, -1);

const compare =
  (name: string, test: (a: number | string, b: number | string) => boolean) => (a: unknown, b: unknown) => {
    if (typeof a === 'number' && typeof b === 'number') return test(a, b);
    if (typeof a === 'string' && typeof b === 'string') return test(a, b);
    throw new TemplateError(`${name}: ${typeof a} and ${typeof b} cannot be compared`);
  };

const number = (name: string, value: unknown): number => {
  if (typeof value === 'number') return value;
  throw new TemplateError(`${name}: ${typeof value} is not a number`);
};

/** Long enough for the instances of a node, short enough that a typing error does not fill the memory. */
const maxRange = 100_000;

const helpers: Readonly<Record<string, (...args: never[]) => unknown>> = {
  json: (value: Json) => canonicalJson(value ?? null),
  yaml: (value: Json) => stringify(value ?? null, { sortMapEntries: true }).trimEnd(),
  quote: (value: unknown) => JSON.stringify(text(value)),
  shell_quote: (value: unknown) => `'${text(value).replaceAll("'", "'\\''")}'`,
  eq: (a: unknown, b: unknown) => a === b,
  ne: (a: unknown, b: unknown) => a !== b,
  lt: compare('lt', (a, b) => a < b),
  gt: compare('gt', (a, b) => a > b),
  and: (...args: unknown[]) => operands(args).every((value) => !Handlebars.Utils.isEmpty(value)),
  or: (...args: unknown[]) => operands(args).some((value) => !Handlebars.Utils.isEmpty(value)),
  not: (value: unknown) => Handlebars.Utils.isEmpty(value),
  default: (value: unknown, otherwise: unknown) => (value === undefined || value === null ? otherwise : value),
  join: (list: unknown, separator: unknown) => {
    if (!Array.isArray(list)) throw new TemplateError('join: not a list');
    return list.map(text).join(typeof separator === 'string' ? separator : ',');
  },
  keys: (value: unknown) => (isObject(value) ? Object.keys(value).sort() : []),
  sort: (list: unknown) => {
    if (!Array.isArray(list)) throw new TemplateError('sort: not a list');
    const numbers = list.every((item) => typeof item === 'number');
    return [...list].sort(numbers ? (a, b) => a - b : (a, b) => (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0));
  },
  range: (...args: unknown[]) => {
    const [a, b] = operands(args);
    const from = b === undefined ? 0 : number('range', a);
    const to = number('range', b === undefined ? a : b);
    if (to - from > maxRange) throw new TemplateError(`range: longer than ${maxRange}`);
    return Array.from({ length: Math.max(0, Math.ceil(to - from)) }, (_, index) => from + index);
  },
  add: (...args: unknown[]) => operands(args).reduce((sum: number, value) => sum + number('add', value), 0),
};

/** `#each` of Handlebars takes the keys of a map as they come; files must not depend on that. */
const sortedEach = (environment: Environment): void => {
  const original = environment.helpers.each;
  if (original === undefined) return;
  environment.registerHelper('each', function (this: unknown, context: unknown, options: unknown) {
    const sorted = isObject(context)
      ? Object.fromEntries(
          Object.keys(context)
            .sort()
            .map((key) => [key, context[key]]),
        )
      : context;
    return (original as (this: unknown, ...args: unknown[]) => unknown).call(this, sorted, options);
  });
};

/**
 * All templates of a role, by path within its folder; each is a partial by that path for the others. Strict: a
 * variable that is not there is an error, unless a helper or `#if` guards it. Nothing is escaped.
 */
/** Handlebars tells in what a variable is missing, and ours have no prototype that would make a text of them. */
const named = (variables: unknown): unknown =>
  isObject(variables)
    ? Object.defineProperty({ ...variables, __proto__: null }, Symbol.toPrimitive, { value: () => 'the variables' })
    : variables;

export const compileTemplates = (sources: Readonly<Record<string, string>>): TemplateSet => {
  const environment = Handlebars.create();
  for (const name of ['log', 'lookup']) environment.unregisterHelper(name);
  for (const [name, helper] of Object.entries(helpers)) environment.registerHelper(name, helper as never);
  environment.registerHelper('lookup', (object: unknown, key: unknown) => {
    if (Array.isArray(object)) return object[Number(key)];
    return isObject(object) && Object.hasOwn(object, text(key)) ? object[text(key)] : undefined;
  });
  sortedEach(environment);
  for (const [path, source] of Object.entries(sources)) {
    try {
      environment.parse(source);
    } catch (error) {
      throw new TemplateError(`${path}: ${(error as Error).message}`);
    }
    environment.registerPartial(path, source);
  }
  return {
    render(path, variables) {
      const source = sources[path];
      if (source === undefined) throw new TemplateError(`${path}: there is no such template`);
      try {
        return environment.compile(source, { noEscape: true, strict: true })(named(variables));
      } catch (error) {
        throw new TemplateError(`${path}: ${(error as Error).message}`);
      }
    },
  };
};
