import { formatBytes } from '../format.ts';
import type { Place } from '../place.ts';
import { type Answers, sumOf, type Table, tableIn, tipsIn } from './answer.ts';
import { Chart, type ChartLine } from './chart.tsx';
import { Donut } from './donut.tsx';
import { Frame } from './frame.tsx';
import {
  all,
  cpuTicks,
  has,
  hourOf,
  like,
  not,
  perSecondFold,
  realInterface,
  sumBy,
  tipOf,
  wholeDisk,
} from './rules.ts';
import { useStream } from './stream.ts';
import { bytesPerSecond, percent, perSecond, plain } from './units.ts';
import { rangeOf, Zoom } from './zoom.tsx';

const rules = {
  cpu: hourOf(cpuTicks, perSecondFold),
  memory: tipOf(like('metric', '^memory\\.')),
  net: hourOf(all(like('metric', '^net\\.interface\\.[rt]x\\.bytes$'), realInterface), perSecondFold, sumBy('metric')),
  disk: hourOf(all(like('metric', '^disk\\.(read|write)\\.(ops|bytes)$'), wholeDisk), perSecondFold, sumBy('metric')),
  queue: hourOf(all(like('metric', '^disk\\.in_progress$'), wholeDisk), sumBy('metric')),
  load: hourOf(like('metric', '^load_avg_')),
  pressure: hourOf(all(like('metric', '^psi\\..*\\.total$'), not(has('cgroup'))), perSecondFold),
  disks: tipOf(like('metric', '^fs\\.(size|avail)$')),
} as const;

export function HostPage({ place }: { place: Place }) {
  const { answers, timestamp, connection, error } = useStream(rules);
  const range = rangeOf(place.params, timestamp);
  const chart = (title: string, id: keyof typeof rules, unit: typeof percent, lines: (table: Table) => ChartLine[]) => {
    const table = tableIn(answers, id);
    return <Chart title={title} times={table.times} lines={lines(table)} range={range} unit={unit} />;
  };
  return (
    <Frame title="Host" connection={connection} problem={error}>
      <Memory answers={answers} />
      <section aria-labelledby="strips-title">
        <div class="bar">
          <h2 id="strips-title">The last hour</h2>
          <Zoom params={place.params} newestMs={timestamp} />
        </div>
        <div class="plots">
          {chart('CPU, of one core', 'cpu', percent, cpuLines)}
          {chart('Load', 'load', plain, (table) => byMetric(table, /^load_avg_/))}
          {chart('Network', 'net', bytesPerSecond, (table) => byMetric(table, /^net\.interface\.|\.bytes$/g))}
          {chart('Disk bytes', 'disk', bytesPerSecond, (table) => byMetric(table, /^disk\.|\.bytes$/g, /bytes$/))}
          {chart('Disk operations', 'disk', perSecond, (table) => byMetric(table, /^disk\.|\.ops$/g, /ops$/))}
          {chart('Disk operations in progress', 'queue', plain, (table) => byMetric(table, /^disk\./))}
          {chart('Stalled for want of (PSI)', 'pressure', percent, pressureLines)}
        </div>
      </section>
      <FileSystems answers={answers} />
    </Frame>
  );
}

/** Ticks are hundredths of a second: per second they are percent of one core. */
function cpuLines(table: Table): ChartLine[] {
  const of = (label: string, names: readonly string[]): ChartLine => ({
    label,
    column: sumOf(table, ({ metric }) => names.some((name) => metric === `cpu.${name}`)),
  });
  return [
    of('busy', ['user', 'nice', 'system', 'irq', 'softirq', 'steal']),
    of('user', ['user', 'nice']),
    of('system', ['system']),
    of('iowait', ['iowait']),
    of('irq', ['irq', 'softirq']),
  ];
}

/** Microseconds per second of some task's (or, full, every task's) waiting. */
function pressureLines(table: Table): ChartLine[] {
  return byMetric(table, /^psi\.|\.total$/g).map(({ label, column }) => ({
    label,
    column: column.map((value) => (value === null ? null : value / 10_000)),
  }));
}

export function byMetric(table: Table, cut: RegExp, passes = /./): ChartLine[] {
  return table.lines
    .filter(({ labels }) => passes.test(labels.metric ?? ''))
    .map(({ labels, values }) => ({ label: (labels.metric ?? '').replace(cut, ''), column: values }))
    .sort((a, b) => (a.label < b.label ? -1 : 1));
}

const firstRows = [
  'MemTotal',
  'Used',
  'Cached',
  'Buffers',
  'MemFree',
  'Dirty',
  'Writeback',
  'SwapUsed',
  'Committed_AS',
  'CommitLimit',
];

function Memory({ answers }: { answers: Answers }) {
  const found = new Map(
    tipsIn(answers, 'memory').map(({ labels, value }) => [(labels.metric ?? '').slice('memory.'.length), value ?? 0]),
  );
  if (found.size === 0) return null;
  const at = (name: string) => found.get(name) ?? 0;
  const total = at('MemTotal');
  found.set('Used', total - at('MemFree') - at('Buffers') - at('Cached'));
  found.set('SwapUsed', at('SwapTotal') - at('SwapFree'));
  const rest = [...found.keys()].filter((name) => !firstRows.includes(name)).sort();
  const parts = ['Used', 'Cached', 'Buffers'].map((label) => ({ label, share: total > 0 ? at(label) / total : 0 }));
  const row = (name: string) => (
    <div key={name}>
      <dt>{name}</dt>
      <dd>{/^HugePages_/.test(name) ? at(name) : formatBytes(at(name))}</dd>
    </div>
  );
  return (
    <section class="memory" aria-labelledby="memory-title">
      <h2 id="memory-title">Memory</h2>
      <div class="beside">
        <Donut
          title={`${formatBytes(at('Used'))} used, ${formatBytes(at('Cached'))} cached of ${formatBytes(total)}`}
          parts={parts}
        />
        <dl class="figures">{firstRows.map(row)}</dl>
      </div>
      <details>
        <summary>{rest.length} more</summary>
        <dl class="figures">{rest.map(row)}</dl>
      </details>
    </section>
  );
}

function FileSystems({ answers }: { answers: Answers }) {
  const tips = tipsIn(answers, 'disks');
  const mounts = [...new Set(tips.map(({ labels }) => labels.mount ?? ''))].sort();
  if (mounts.length === 0) return null;
  const at = (mount: string, metric: string) =>
    tips.find(({ labels }) => labels.mount === mount && labels.metric === metric)?.value ?? null;
  return (
    <section aria-labelledby="disks-title">
      <h2 id="disks-title">File systems</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Mounted at</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col" class="number">
              Available
            </th>
            <th scope="col" class="number">
              Full
            </th>
          </tr>
        </thead>
        <tbody>
          {mounts.map((mount) => {
            const [size, available] = [at(mount, 'fs.size'), at(mount, 'fs.avail')];
            const full = size === null || available === null || size === 0 ? null : 100 - (100 * available) / size;
            return (
              <tr key={mount}>
                <th scope="row">{mount}</th>
                <td class="number">{formatBytes(size)}</td>
                <td class="number">{formatBytes(available)}</td>
                <td class="number">{percent.format(full)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
