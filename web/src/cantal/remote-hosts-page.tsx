import { formatBytes } from '../format.ts';
import { Mark } from '../mark.tsx';
import type { Place } from '../place.ts';
import { sumOf, type Table, tableIn, tipsIn } from './answer.ts';
import { Chart } from './chart.tsx';
import { Donut } from './donut.tsx';
import { Frame } from './frame.tsx';
import { type RemoteHost, useRemote } from './remote.ts';
import { cpuTicks, hourOf, like, perSecondFold, tipOf } from './rules.ts';
import { percent } from './units.ts';
import { rangeOf, Zoom } from './zoom.tsx';

const rules = {
  // 360 points an hour are more than a strip is wide.
  cpu: hourOf(cpuTicks, perSecondFold, ['Step', 10_000]),
  memory: tipOf(like('metric', '^memory\\.(MemTotal|MemFree|Buffers|Cached)$')),
};

export function RemoteHostsPage({ place }: { place: Place }) {
  const { hosts, problem } = useRemote(rules);
  const newest = Math.max(0, ...hosts.map(({ answers }) => (answers && tableIn(answers, 'cpu').times.at(-1)) || 0));
  return (
    <Frame title="All hosts" problem={problem}>
      <section aria-labelledby="hosts-title">
        <div class="bar">
          <h2 id="hosts-title">Hosts</h2>
          <p class="muted">
            {hosts.length}
            {hosts.some(({ answers }) => answers === null) && ', some did not answer'}
          </p>
          <Zoom params={place.params} newestMs={newest} />
        </div>
        <div class="hosts">
          {hosts.map((host) => (
            <Host key={host.id} host={host} range={rangeOf(place.params, newest)} />
          ))}
        </div>
      </section>
    </Frame>
  );
}

function Host({ host, range }: { host: RemoteHost; range: { from: number; to: number } }) {
  const { answers, hostname, addr } = host;
  const name = addr === null ? hostname : <a href={`http://${addr}/local/status`}>{hostname}</a>;
  if (answers === null) {
    return (
      <article>
        <h3>
          <Mark tone="bad" />
          {name}
        </h3>
        <p class="muted">did not answer in time</p>
      </article>
    );
  }
  const at = (metric: string) =>
    tipsIn(answers, 'memory').find(({ labels }) => labels.metric === `memory.${metric}`)?.value ?? 0;
  const total = at('MemTotal');
  const used = total - at('MemFree') - at('Buffers') - at('Cached');
  const table = means(tableIn(answers, 'cpu'));
  const busy = sumOf(table, ({ metric }) => metric !== 'cpu.idle' && metric !== 'cpu.iowait');
  return (
    <article>
      <h3>{name}</h3>
      <div class="beside">
        <Donut
          title={`${formatBytes(used)} used of ${formatBytes(total)}`}
          parts={[
            { label: 'used', share: total > 0 ? used / total : 0 },
            { label: 'cached', share: total > 0 ? (at('Buffers') + at('Cached')) / total : 0 },
          ]}
        />
        <Chart
          title="CPU, of one core"
          times={table.times}
          lines={[{ label: 'busy', column: busy }]}
          range={range}
          unit={percent}
        />
      </div>
    </article>
  );
}

/** Step makes three series of each: the label `step` says which. */
const means = (table: Table): Table => ({
  ...table,
  lines: table.lines.filter(({ labels }) => labels.step === undefined || labels.step === 'avg'),
});
