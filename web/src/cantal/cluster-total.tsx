import { formatBytes, formatCount, unknown } from '../format.ts';
import { type ClusterAnswer, totalOf } from './cluster-sum.ts';
import { usePoll } from './poll.ts';
import type { Range } from './range.ts';
import { cpuTicks, hourOf, like, perSecondFold, sumBy } from './rules.ts';
import { Strips } from './strips.tsx';
import { percent } from './units.ts';

const stepMs = 30_000;
const everyMs = 15_000;
/** Each host folds its own, and sends only the steps since the last time. */
const question = {
  rules: {
    cpu: hourOf(cpuTicks, perSecondFold, sumBy('metric')),
    memory: hourOf(like('metric', '^memory\\.(MemTotal|MemFree|Buffers|Cached)$'), sumBy('metric')),
  },
  fold: { step: stepMs, across: 'Sum', by: ['metric'] },
};
/** Upper ends of the bands: percent of what all hosts have together. */
const shareEdges = [25, 50, 75, 90];
/** All hosts as if they were one. */
export function ClusterTotal({ range }: { range: Range }) {
  const { value, problem } = usePoll<ClusterAnswer>('/v1/query_cluster', everyMs, question);
  if (value === null) return problem === null ? null : <p class="trouble">{problem}</p>;
  const { times, cpu, memory, cores, memoryUsed, memoryTotal, hosts } = totalOf(value);
  if (times.length === 0) return null;
  // The newest step has only begun.
  const full = Math.max(1, times.length - 1);
  return (
    <section aria-labelledby="total-title">
      <div class="bar">
        <h2 id="total-title">All hosts together</h2>
        <p class="muted">
          {cores === null ? unknown : formatCount(cores)} cores, {formatBytes(memoryUsed)} of {formatBytes(memoryTotal)}{' '}
          memory
          {hosts !== null && hosts[0] !== hosts[1] && `; over the time from ${hosts[0]} to ${hosts[1]} hosts`}
        </p>
      </div>
      <Strips
        groups={[
          {
            title: 'Share of all',
            unit: percent,
            edges: shareEdges,
            // A strip draws a value up to its time; a step is stamped with its start.
            times: times.slice(0, full).map((time) => time + stepMs),
            lines: [
              { label: 'CPU', column: cpu.slice(0, full) },
              { label: 'memory', column: memory.slice(0, full) },
            ],
          },
        ]}
        range={range}
      />
    </section>
  );
}
