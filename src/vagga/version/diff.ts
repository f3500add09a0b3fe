import { diffArrays } from 'diff';
import type { Field } from './field.ts';

// What differs between two versions, in words. Fields are matched by what they are about, not by where they stand: a step
// that was put in does not make all behind it look new.

/** One step with what it brought; the container's own keys are one without a command. */
interface Step {
  readonly command: string;
  readonly step: string;
  readonly fields: readonly Field[];
}

const mostLines = 10;

/** One line for each difference, the most telling first within each step; empty where nothing differs. */
export function explainDifference(before: readonly Field[], after: readonly Field[]): readonly string[] {
  const [old, now] = [stepsOf(before), stepsOf(after)];
  const lines: string[] = [];
  for (const { removed, added } of pairsOf(old, now)) {
    if (removed !== null && added !== null) lines.push(...withinStep(removed, added));
    else if (removed !== null) lines.push(`step ${titleOf(removed)} is gone`);
    else if (added !== null) lines.push(`step ${titleOf(added)} is new`);
  }
  return lines;
}

function stepsOf(fields: readonly Field[]): readonly Step[] {
  const steps = new Map<string, { command: string; step: string; fields: Field[] }>();
  for (const field of fields) {
    const { step, command } = field.at;
    const found = steps.get(step) ?? { command, step, fields: [] };
    steps.set(step, found);
    if (field.kind !== 'command') found.fields.push(field);
  }
  return [...steps.values()];
}

interface Pair {
  readonly removed: Step | null;
  readonly added: Step | null;
}

/** Steps that are the same stand against each other; between them, those of one command. */
function pairsOf(before: readonly Step[], after: readonly Step[]): readonly Pair[] {
  const pairs: Pair[] = [];
  let gone: Step[] = [];
  let fresh: Step[] = [];
  const settle = (): void => {
    for (const removed of gone) {
      const at = fresh.findIndex(({ command }) => command === removed.command);
      pairs.push({ removed, added: at < 0 ? null : (fresh[at] ?? null) });
      if (at >= 0) fresh.splice(at, 1);
    }
    pairs.push(...fresh.map((added) => ({ removed: null, added })));
    [gone, fresh] = [[], []];
  };
  const print = (step: Step): string => JSON.stringify([step.command, step.fields.map(printOf)]);
  for (const { value, added, removed } of diffArrays(
    before.map((step) => ({ step, print: print(step) })),
    after.map((step) => ({ step, print: print(step) })),
    { comparator: (a, b) => a.print === b.print },
  )) {
    if (removed) gone.push(...value.map(({ step }) => step));
    else if (added) fresh.push(...value.map(({ step }) => step));
    else settle();
  }
  settle();
  return pairs;
}

/** What of a field was hashed, as one text. */
function printOf(field: Field): string {
  const { at: _, ...rest } = field;
  return JSON.stringify(rest.kind === 'value' ? [rest.key, rest.value] : rest);
}

/** `!Sh "make"`, `!Install [a, b]`: as much as names it. */
function titleOf({ command, fields }: Step): string {
  const first = fields.find((field) => field.kind !== 'file' && field.kind !== 'files');
  const file = fields.find((field) => field.kind === 'file' || field.kind === 'files');
  const named = first ?? file;
  return named === undefined ? `!${command}` : `!${command} ${shown(named)}`;
}

function withinStep(before: Step, after: Step): readonly string[] {
  const name = after.command === '' ? '' : `!${after.command}: `;
  const lines = [
    ...filesOf(before.fields, after.fields).map((line) => `${name}${line}`),
    ...valuesOf(before.fields, after.fields, name),
  ];
  if (lines.length <= mostLines) return lines;
  return [...lines.slice(0, mostLines), `${name}and ${lines.length - mostLines} more`];
}

type FileField = Extract<Field, { kind: 'file' | 'content' | 'files' }>;
type ValueField = Extract<Field, { kind: 'value' | 'list' }>;

const isFile = (field: Field): field is FileField =>
  field.kind === 'file' || field.kind === 'content' || field.kind === 'files';
const isValue = (field: Field): field is ValueField => field.kind === 'value' || field.kind === 'list';

function filesOf(before: readonly Field[], after: readonly Field[]): readonly string[] {
  const old = new Map(before.filter(isFile).map((file) => [file.name, file]));
  const now = new Map(after.filter(isFile).map((file) => [file.name, file]));
  const lines: string[] = [];
  for (const [name, file] of now) {
    const former = old.get(name);
    if (former === undefined) lines.push(`${name} is new`);
    else lines.push(...fileChanges(former, file));
  }
  for (const name of old.keys()) if (!now.has(name)) lines.push(`${name} is gone`);
  return lines;
}

function fileChanges(before: FileField, after: FileField): readonly string[] {
  const { name } = after;
  if (before.kind === 'files' || after.kind === 'files') return totals(before, after);
  const lines: string[] = [];
  if (before.digest !== after.digest) lines.push(`${name} has other content (${sizes(before.size, after.size)})`);
  if (before.kind !== 'file' || after.kind !== 'file') return lines;
  for (const key of new Set([...Object.keys(before.attributes), ...Object.keys(after.attributes)])) {
    const [from, to] = [before.attributes[key], after.attributes[key]];
    if (from !== to) lines.push(name + attribute(key, from, to));
  }
  return lines;
}

/** Without details: there is no more to be said than how many there are. */
function totals(before: FileField, after: FileField): readonly string[] {
  if (before.kind !== 'files' || after.kind !== 'files') return [];
  const entries = before.entries === after.entries ? '' : `, ${before.entries} entries before, ${after.entries} now`;
  const bytes = before.bytes === after.bytes ? '' : `, ${sizes(before.bytes, after.bytes)}`;
  return entries === '' && bytes === '' ? [] : [`files of ${after.name} changed${entries}${bytes}`];
}

const sizes = (before: number, after: number): string =>
  before === after ? `still ${after} bytes` : `${before} bytes before, ${after} now`;

function attribute(key: string, before: string | undefined, after: string | undefined): string {
  if (key === 'is_executable') return after === 'true' ? ' is now executable' : ' is no longer executable';
  const text = (value: string | undefined): string => {
    if (value === undefined) return 'none';
    return key === 'mode' ? `0${Number(value).toString(8)}` : value;
  };
  return `: ${key === 'symlink' ? 'target' : key} is now ${text(after)}, was ${text(before)}`;
}

/** Values in their order: what was taken out stands against what was put in there. */
function valuesOf(before: readonly Field[], after: readonly Field[], name: string): readonly string[] {
  const about = (field: ValueField): string =>
    field.kind === 'value' && field.file !== null ? `${field.file}: ` : name;
  const lines: string[] = [];
  const changes = diffArrays(before.filter(isValue), after.filter(isValue), {
    comparator: (a, b) => printOf(a) === printOf(b),
  });
  let gone: ValueField[] = [];
  let fresh: ValueField[] = [];
  const settle = (): void => {
    for (const removed of gone) {
      const at = partnerOf(removed, fresh);
      const added = at < 0 ? undefined : fresh.splice(at, 1)[0];
      const said = added === undefined ? [`${shown(removed)} is gone`] : changed(removed, added);
      lines.push(...said.map((line) => about(added ?? removed) + line));
    }
    lines.push(...fresh.map((field) => `${about(field)}${shown(field)} is new`));
    [gone, fresh] = [[], []];
  };
  for (const { value, added, removed } of changes) {
    if (removed) gone.push(...value);
    else if (added) fresh.push(...value);
    else settle();
  }
  settle();
  return lines;
}

/** Lines of requirements are about one package; values of other keys about their key. */
function partnerOf(removed: ValueField, fresh: readonly ValueField[]): number {
  if (removed.key !== 'line' || removed.kind !== 'value') return fresh.findIndex(({ key }) => key === removed.key);
  const name = packageOf(removed.value);
  return fresh.findIndex((field) => field.kind === 'value' && field.key === 'line' && packageOf(field.value) === name);
}

const packageOf = (line: string): string => (/^[\w.[\]-]+/.exec(line)?.[0] ?? line).toLowerCase();

function changed(before: ValueField, after: ValueField): readonly string[] {
  if (before.kind === 'list' && after.kind === 'list') {
    const [gone, fresh] = [missing(before.values, after.values), missing(after.values, before.values)];
    const lines = [
      ...gone.map((value) => `${after.key}: ${value} is gone`),
      ...fresh.map((value) => `${after.key}: ${value} is new`),
    ];
    return lines.length > 0 ? lines : [`${after.key}: in another order`];
  }
  if (before.key === 'line' && before.kind === 'value') return [`line \`${before.value}\` is now ${valueText(after)}`];
  const multiline =
    before.kind === 'value' && after.kind === 'value' && (before.value + after.value).trim().includes('\n');
  if (multiline) return changedLines(after.key, before.value, after.value);
  return [`${after.key} is now ${valueText(after)}, was ${valueText(before)}`];
}

/** A script or a text of several lines. */
function changedLines(key: string, before: string, after: string): readonly string[] {
  const lines = diffArrays(before.split('\n'), after.split('\n')).flatMap(({ value, added, removed }) =>
    added || removed ? value.map((line) => `${key}: ${added ? '+' : '-'} ${line}`) : [],
  );
  return lines;
}

const missing = (from: readonly string[], inside: readonly string[]): readonly string[] =>
  from.filter((value) => !inside.includes(value));

function valueText(field: ValueField): string {
  const text = field.kind === 'list' ? field.values.join(' ') : field.value;
  return field.kind === 'value' && field.value.includes('\n') ? JSON.stringify(text) : `\`${text}\``;
}

function shown(field: Field): string {
  switch (field.kind) {
    case 'command':
      return `!${field.at.command}`;
    case 'value':
      return field.key === 'line' ? `line \`${field.value}\`` : `${field.key} ${valueText(field)}`;
    case 'list':
      return `${field.key} ${valueText(field)}`;
    case 'content':
    case 'file':
    case 'files':
      return field.name;
    default: {
      const unknown: never = field;
      return unknown;
    }
  }
}
