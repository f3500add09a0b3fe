import { datasetText } from './dataset-text.ts';
import type { Explained, ExplainedNode } from './explain.ts';

/** Where the library for schedulers says what holds for all nodes: what has no place on any. */
const everyNode = '*';

/** What `verwalter explain` prints for a person. `node`: that one alone; null: all. */
export const explainText = (explained: Explained, node: string | null, nowMs: number): string => {
  const { role, hash, timestamp, changes, missing } = explained;
  const nodes = Object.entries(explained.nodes).filter(([host]) => node === null || host === node);
  const hosts = nodes.filter(([host]) => host !== everyNode);
  const placed = hosts.filter(([, each]) => each.placed).length;
  const age = Math.max(0, Math.round((nowMs - timestamp) / 1000));
  const parts = [
    `role ${oneLine(role)}: on ${placed} of ${hosts.length} node${hosts.length === 1 ? '' : 's'}, by schedule ${hash.slice(0, 8)} of ${new Date(timestamp).toISOString()} (confirmed ${age} s ago)`,
    table(['NODE', 'PLACED', 'INSTANCES', 'SCORES', 'REASONS'], nodes.flatMap(nodeRows)),
    metricsText(explained, node),
  ];
  const unknown = missing.filter((host) => node === null || host === node);
  if (unknown.length > 0)
    parts.push(`no metrics of ${oneLine(unknown.join(', '))}: unknown to the scheduler, not zero`);
  if (changes.length > 0)
    parts.push(['changed with this schedule:', ...changes.map((each) => `  ${oneLine(each)}`)].join('\n'));
  return `${parts.join('\n\n')}\n`;
};

const nodeRows = ([host, node]: readonly [string, ExplainedNode]): readonly (readonly string[])[] => {
  const reasons = node.reasons.length === 0 ? ['(the scheduler gave none)'] : node.reasons;
  const names = host === everyNode ? ['(all)', '-'] : [host, node.placed ? 'yes' : 'no'];
  const first = [...names, numbers(node.instances, ' × '), numbers(node.scores, ' ')];
  return reasons.map((reason, index) => (index === 0 ? [...first, reason] : ['', '', '', '', reason]));
};

const metricsText = ({ metrics }: Explained, node: string | null): string => {
  if (metrics === null) return 'metrics: only the leader has them; ask it with --url http://LEADER:PORT';
  const rows = Object.entries(metrics)
    .filter(([host]) => node === null || host === node)
    .flatMap(([host, rules]) => Object.entries(rules).map(([rule, dataset]) => [host, rule, datasetText(dataset)]));
  return rows.length === 0 ? 'metrics: the scheduler looked at none' : table(['NODE', 'METRIC', 'VALUE'], rows);
};

const numbers = (named: Readonly<Record<string, number>>, between: string): string => {
  const all = Object.entries(named).map(([name, value]) => `${name}${between}${Number(value.toPrecision(6))}`);
  return all.length === 0 ? '-' : all.join(', ');
};

/** Columns as wide as their widest cell, two spaces apart; the last one is not padded. */
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const all = [head, ...rows].map((row) => row.map(oneLine));
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 2)))
        .join('')
        .trimEnd(),
    )
    .join('\n');
};

/** A scheduler's words must not move the cursor of a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const oneLine = (text: string): string => text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
