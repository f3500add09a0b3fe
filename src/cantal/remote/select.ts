import type { Labels } from '../query/dataset.ts';
import { fulfils } from '../query/label-index.ts';
import { type Checked, type Condition, checkRules } from '../query/rule.ts';

/**
 * Which hosts a query is about: a condition over what a host is called (`hostname`, `name`, `id`) and its labels
 * (`--label`), or {LABEL: VALUE} as the short form of all of them being equal. Null: all.
 */
export type HostSelector = Condition | null;

export interface HostFacts {
  readonly id: string;
  readonly hostname: string;
  readonly name: string;
  readonly labels: Labels;
}

export function checkHosts(value: unknown): Checked<HostSelector> {
  if (value === undefined || value === null) return { kind: 'ok', value: null };
  const condition = Array.isArray(value) ? value : equalities(value);
  if (condition === null) return { kind: 'bad', path: 'hosts', reason: 'a condition, or {"LABEL": "VALUE"}' };
  const path = 'rules.hosts.series.condition';
  const checked = checkRules({ hosts: { series: { source: 'Fine', condition }, extract: ['Tip'] } });
  if (checked.kind === 'ok') return { kind: 'ok', value: checked.value.get('hosts')?.condition ?? null };
  return { ...checked, path: checked.path.replace(path, 'hosts') };
}

function equalities(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return null;
  const [first, ...others] = Object.entries(value).map(([label, text]) => ['Eq', label, text]);
  if (first === undefined) return null;
  return others.reduce((left: unknown, right) => ['And', left, right], first);
}

/** What a host is called wins over a label of that name. */
export const selects = (selector: HostSelector, { labels, id, hostname, name }: HostFacts): boolean =>
  selector === null || fulfils({ ...labels, id, hostname, name }, selector);

/** Labels travel in each beacon and answer: these keep them a line, not a document. */
export const mostLabels = 16;
const mostValueBytes = 64;

/** Reads "role=web". Text: what is wrong with it. */
export function parseLabel(text: string): readonly [name: string, value: string] | string {
  const match = /^(?<name>[A-Za-z_][\w.-]{0,31})=(?<value>.*)$/su.exec(text);
  const { name, value } = match?.groups ?? {};
  if (name === undefined || value === undefined) {
    return 'A label is NAME=VALUE; a name is a letter and up to 31 letters, digits, and the signs "_", "-", ".".';
  }
  if (['id', 'hostname', 'name', 'host'].includes(name)) return `${name} is what every host has already.`;
  if (Buffer.byteLength(value) > mostValueBytes || /\p{Cc}/u.test(value)) {
    return `The value of a label has at most ${mostValueBytes} bytes and no control characters.`;
  }
  return [name, value];
}
