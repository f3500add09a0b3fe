import type { Tip } from './answer.ts';

export interface StateGroup {
  readonly prefix: string;
  /** The longest first. */
  readonly states: readonly { readonly name: string; readonly durationMs: number; readonly count: number }[];
}

/** "http.reading": the state `reading` of `http`. Of many processes the sum. */
export function stateGroups(tips: readonly Tip[]): StateGroup[] {
  const groups = new Map<string, Map<string, { durationMs: number; count: number }>>();
  for (const { labels, value } of tips) {
    const parts = (labels.state ?? '').split('.');
    const name = parts.pop() ?? '';
    const prefix = parts.join('.');
    const group = groups.get(prefix) ?? new Map<string, { durationMs: number; count: number }>();
    groups.set(prefix, group);
    const spent = group.get(name) ?? { durationMs: 0, count: 0 };
    group.set(name, spent);
    if (labels.metric === 'duration') spent.durationMs += value ?? 0;
    else spent.count += value ?? 0;
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([prefix, states]) => ({
      prefix,
      states: [...states].map(([name, spent]) => ({ name, ...spent })).sort((a, b) => b.durationMs - a.durationMs),
    }));
}
