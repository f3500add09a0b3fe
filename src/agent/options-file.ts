import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { isSeq } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { type Field, list, optional, record } from '../config/record.ts';
import { boolean, checked, invalid, type Schema, text } from '../config/schema.ts';

/** Options that cannot stand in the file, and why. */
const onlyOnCommandLine: Readonly<Record<string, string>> = {
  'config-dir': 'says where this file is: give it on the command line',
};

/**
 * Reads a YAML file whose keys are the long options of a command (`-` and `_` are the same), and puts its values where
 * neither the command line nor the environment said anything. A file that is not there says nothing. Returns what is wrong, each with file, line and
 * key; then nothing was put.
 */
export function applyOptionsFile(command: Command, file: string): readonly string[] {
  if (!existsSync(file)) return [];
  const loaded = loadConfig(file, record('the options of the daemon', fieldsOf(command)));
  if (loaded.kind === 'refused') return loaded.problems.map(formatProblem);
  for (const [attribute, value] of Object.entries(loaded.value)) {
    const source = command.getOptionValueSource(attribute);
    if (value === undefined || source === 'cli' || source === 'env') continue;
    command.setOptionValueWithSource(attribute, value, 'config');
  }
  return [];
}

function fieldsOf(command: Command): Readonly<Record<string, Field<unknown>>> {
  const byName = new Map<string, Option[]>();
  for (const option of command.options) {
    const name = option.long?.replace(/^--(?:no-)?/, '');
    if (name !== undefined && name !== 'version') byName.set(name, [...(byName.get(name) ?? []), option]);
  }
  return Object.fromEntries([...byName].map(([name, options]) => [name, optional(schemaOf(name, options), undefined)]));
}

/** `--x <value>` and `--no-x` are one key: a value, or false. */
function schemaOf(name: string, options: readonly Option[]): Schema<unknown> {
  const alone = onlyOnCommandLine[name];
  if (alone !== undefined) return checked(text, () => ({ problem: alone }));
  const valued = options.find(({ required, optional: mayHave }) => required || mayHave);
  if (valued === undefined) return boolean;
  const value = Array.isArray(valued.defaultValue) ? wordsOf(valued) : wordOf(valued);
  return options.some(({ negate }) => negate) ? falseOr(value) : value;
}

/** A text of the file as a word of the command line. */
function wordOf(option: Option): Schema<unknown> {
  return checked(text, (word) => parsed(option, word, undefined));
}

/** Of an option that may be repeated: a text, or a list of them. */
function wordsOf(option: Option): Schema<unknown> {
  const words: Schema<readonly string[]> = {
    ...list(text),
    expected: 'a text, or a list of them',
    read(reading, given, key) {
      const node = reading.resolve(given, key);
      if (node === invalid) return invalid;
      if (isSeq(node)) return list(text).read(reading, node, key);
      const word = text.read(reading, node, key);
      return word === invalid ? invalid : [word];
    },
  };
  return checked(words, (all) => {
    let value: unknown = option.defaultValue;
    for (const word of all) {
      const next = parsed(option, word, value);
      if ('problem' in next) return next;
      ({ value } = next);
    }
    return { value };
  });
}

function parsed(
  option: Option,
  word: string,
  previous: unknown,
): { readonly value: unknown } | { readonly problem: string } {
  try {
    return { value: option.parseArg === undefined ? word : option.parseArg(word, previous) };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return { problem: `${JSON.stringify(word)}: ${error.message}` };
  }
}

function falseOr(schema: Schema<unknown>): Schema<unknown> {
  return {
    expected: `${schema.expected}, or false`,
    read(reading, node, key) {
      const word = (reading.resolve(node, key) as { readonly value?: unknown } | null)?.value;
      return word === 'false' ? false : schema.read(reading, node, key);
    },
  };
}
