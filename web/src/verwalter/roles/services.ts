import { asNumber } from '../../json.ts';
import type { ProcessRow } from './processes.ts';
import { type Shape, shapeOf, wordsOf } from './shape.ts';

/** A figure that the scheduler wants to be seen beside a host or a role: `["num", title, value]`, `["gauge", title, used, total]`. */
export type ShortInfo =
  | { readonly kind: 'num'; readonly title: string; readonly text: string }
  | { readonly kind: 'gauge'; readonly title: string; readonly used: number; readonly total: number };

export function readShortInfo(owner: Shape, odd: string[]): readonly ShortInfo[] {
  return owner.list('shortinfo').flatMap((item, index): ShortInfo[] => {
    const [kind, title, first, second] = Array.isArray(item) ? item : [];
    if (typeof title === 'string') {
      if (kind === 'num') return [{ kind, title, text: wordsOf(first) }];
      const [used, total] = [asNumber(first), asNumber(second)];
      if (kind === 'gauge' && used !== null && total !== null) return [{ kind, title, used, total }];
    }
    odd.push(`${owner.path}.shortinfo[${index}] is neither ["num", title, value] nor ["gauge", title, used, total]`);
    return [];
  });
}

/** Full is red; more than full says how much more. */
export function fillOf({ used, total }: Extract<ShortInfo, { kind: 'gauge' }>): {
  readonly share: number;
  readonly full: boolean;
  /** "1.5×"; null: not over. */
  readonly over: string | null;
} {
  if (total <= 0) return { share: used > 0 ? 1 : 0, full: used > 0, over: null };
  const share = used / total;
  return { share: Math.min(1, Math.max(0, share)), full: share >= 1, over: share > 1 ? `${share.toFixed(1)}×` : null };
}

/** "role{web×4, worker}" in parts: the page makes a link of the role. */
export interface Placed {
  /** The role; in the list by role: the host. */
  readonly name: string;
  readonly daemons: readonly { readonly name: string; readonly count: number }[];
}

export interface ServiceLine {
  /** The host; in the list by role: the role. */
  readonly name: string;
  readonly placed: readonly Placed[];
  readonly shortinfo: readonly ShortInfo[];
  readonly instances: number;
}

export interface ServiceChoice {
  readonly by: 'host' | 'role';
  readonly hideEmpty: boolean;
  /** Words: part of a name. With a comma: a list of exact names. */
  readonly filter: string;
}

export function serviceLines(
  data: unknown,
  rows: readonly ProcessRow[],
  hosts: readonly string[],
  { by, hideEmpty, filter }: ServiceChoice,
  odd: string[],
): readonly ServiceLine[] {
  const root = shapeOf(data, '', odd);
  const [nodes, roles] = [root.at('nodes'), root.at('roles')];
  const lines = new Map<string, Map<string, { name: string; count: number }[]>>();
  const line = (name: string) => {
    const found = lines.get(name) ?? new Map<string, { name: string; count: number }[]>();
    lines.set(name, found);
    return found;
  };
  for (const name of by === 'host' ? [...Object.keys(nodes.record), ...hosts] : Object.keys(roles.record)) line(name);
  // A role without daemons is there too: it may only write a configuration.
  for (const host of Object.keys(nodes.record))
    for (const role of Object.keys(nodes.at(host).at('roles').record))
      line(by === 'host' ? host : role).set(by === 'host' ? role : host, []);
  for (const row of rows) {
    const [outer, inner] = by === 'host' ? [row.host, row.role] : [row.role, row.host];
    const placed = line(outer);
    const daemons = placed.get(inner) ?? [];
    placed.set(inner, daemons);
    if (!hideEmpty || (row.wanted ?? 0) > 0) daemons.push({ name: row.name, count: row.wanted ?? 0 });
  }
  const fits = matcher(filter);
  return [...lines.keys()].sort().flatMap((name): ServiceLine[] => {
    const placed = [...(lines.get(name) ?? [])]
      .map(([inner, daemons]): Placed => ({ name: inner, daemons }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .filter(({ daemons }) => !hideEmpty || daemons.length > 0)
      .filter((each) => fits(name) || fits(each.name) || each.daemons.some((daemon) => fits(daemon.name)));
    if (placed.length === 0 && (hideEmpty || !fits(name))) return [];
    const owner = by === 'host' ? nodes.at(name) : roles.at(name);
    const instances = placed.reduce((sum, each) => sum + each.daemons.reduce((part, { count }) => part + count, 0), 0);
    return [{ name, placed, shortinfo: readShortInfo(owner, odd), instances }];
  });
}

/** Whether a name is one of those that are looked for. */
export function matcher(filter: string): (name: string) => boolean {
  const text = filter.trim().toLowerCase();
  if (text === '') return () => true;
  if (text.includes(',')) {
    const names = new Set(
      text
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
    );
    return (name) => names.has(name.toLowerCase());
  }
  return (name) => name.toLowerCase().includes(text);
}
