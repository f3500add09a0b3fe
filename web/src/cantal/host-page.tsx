import { formatBytes } from '../format.ts';
import type { PageProps } from '../lazy-page.tsx';
import { type Answers, sumOf, type Table, tableIn, tipsIn } from './answer.ts';
import type { ChartLine } from './chart.tsx';
import { Donut } from './donut.tsx';
import { Frame } from './frame.tsx';
import { asPercent, byMetric } from './lines.ts';
import { notReadWords } from './not-read.ts';
import { rangeOf, spanOf } from './range.ts';
import {
  all,
  cpuEdges,
  cpuTicks,
  diskBytesEdges,
  diskOpsEdges,
  equal,
  has,
  hourOf,
  like,
  loadEdges,
  networkEdges,
  networkEdgeWords,
  not,
  perSecondFold,
  queueEdges,
  realInterface,
  stallEdges,
  sumBy,
  tipOf,
  wholeDisk,
} from './rules.ts';
import { useStatus } from './status.ts';
import { useStream } from './stream.ts';
import { type StripGroup, Strips } from './strips.tsx';
import { bytesPerSecond, percent, perSecond, plain } from './units.ts';
import { Unusual } from './unusual.tsx';
import { Zoom } from './zoom.tsx';

const rules = {
  cpu: hourOf(cpuTicks, perSecondFold, sumBy('metric')),
  memory: tipOf(like('metric', '^memory\\.')),
  net: hourOf(all(like('metric', '^net\\.interface\\.[rt]x\\.bytes$'), realInterface), perSecondFold, sumBy('metric')),
  disk: hourOf(all(like('metric', '^disk\\.(read|write)\\.(ops|bytes)$'), wholeDisk), perSecondFold, sumBy('metric')),
  queue: hourOf(all(equal('metric', 'disk.in_progress'), wholeDisk), sumBy('metric')),
  load: hourOf(like('metric', '^load_avg_')),
  pressure: hourOf(all(like('metric', '^psi\\.[a-z]+\\.some\\.total$'), not(has('cgroup'))), perSecondFold),
  disks: tipOf(like('metric', '^fs\\.(size|avail)$')),
} as const;

const metricsHref = (search: string, more = '') => `/local/metrics?q=${encodeURIComponent(search)}${more}`;

export function HostPage({ place }: PageProps) {
  const { answers, timestamp, connection, error } = useStream(rules);
  const span = spanOf(answers, timestamp);
  const range = rangeOf(place.params, span);
  const table = (id: keyof typeof rules) => tableIn(answers, id);
  const groups: readonly StripGroup[] = [
    {
      title: 'CPU',
      unit: percent,
      edges: cpuEdges,
      times: table('cpu').times,
      lines: cpuLines(table('cpu')),
      href: metricsHref('^cpu\\. -cpu=* -idle -guest', '&rate=yes'),
    },
    {
      title: 'Waiting for',
      unit: percent,
      edges: stallEdges,
      times: table('pressure').times,
      lines: pressureLines(table('pressure')),
      href: '/local/pressure',
    },
    {
      title: 'Load average',
      unit: plain,
      edges: loadEdges,
      times: table('load').times,
      lines: byMetric(table('load'), /^load_avg_/).sort(
        (a, b) => Number.parseInt(a.label, 10) - Number.parseInt(b.label, 10),
      ),
      href: metricsHref('^load_avg'),
    },
    {
      title: 'Network',
      unit: bytesPerSecond,
      edges: networkEdges,
      edgeWords: networkEdgeWords,
      times: table('net').times,
      lines: named(byMetric(table('net'), /^net\.interface\.|\.bytes$/g), { rx: 'received', tx: 'sent' }),
      href: '/local/network',
    },
    {
      title: 'Disk bytes',
      unit: bytesPerSecond,
      edges: diskBytesEdges,
      times: table('disk').times,
      lines: byMetric(table('disk'), /^disk\.|\.bytes$/g, /bytes$/),
      href: metricsHref('^disk\\..*\\.bytes$', '&rate=yes'),
    },
    {
      title: 'Disk operations',
      unit: perSecond,
      edges: diskOpsEdges,
      times: table('disk').times,
      lines: byMetric(table('disk'), /^disk\.|\.ops$/g, /ops$/),
      href: metricsHref('^disk\\..*\\.ops$', '&rate=yes'),
    },
    {
      title: 'Disk operations in progress',
      unit: plain,
      edges: queueEdges,
      times: table('queue').times,
      lines: byMetric(table('queue'), /^disk\.in_progress$/).map((line) => ({ ...line, label: 'in progress' })),
      href: metricsHref('^disk\\.in_progress$'),
    },
  ];
  return (
    <Frame title="Status" connection={connection} problem={error}>
      <NotRead />
      <Unusual />
      <Memory answers={answers} />
      <section aria-labelledby="strips-title">
        <div class="bar">
          <h2 id="strips-title">History</h2>
          <Zoom params={place.params} span={span} />
        </div>
        <Strips groups={groups} range={range} />
      </section>
      <FileSystems answers={answers} />
    </Frame>
  );
}

function NotRead() {
  const { value: status } = useStatus();
  const words = status === null ? null : notReadWords(status);
  return words === null ? null : <p class="muted note not-read">{words}</p>;
}

/** Ticks are hundredths of a second: per second they are percent of one core. */
function cpuLines(table: Table): ChartLine[] {
  const of = (label: string, names: readonly string[]): ChartLine => ({
    label,
    column: sumOf(table, ({ metric }) => names.some((name) => metric === `cpu.${name}`)),
  });
  return [
    of('total', ['user', 'nice', 'system', 'irq', 'softirq', 'steal']),
    of('user', ['user', 'nice']),
    of('system', ['system']),
    of('iowait', ['iowait']),
    of('irq', ['irq', 'softirq']),
  ];
}

/** Microseconds per second in which some task waited. */
function pressureLines(table: Table): ChartLine[] {
  return byMetric(table, /^psi\.|\.some\.total$/g).map(({ label, column }) => ({ label, column: asPercent(column) }));
}

const named = (lines: readonly ChartLine[], names: Readonly<Record<string, string>>): ChartLine[] =>
  lines.map((line) => ({ ...line, label: names[line.label] ?? line.label }));

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
      <dt>
        {parts.some(({ label }) => label === name) && (
          <span class={`dot line-${parts.findIndex(({ label }) => label === name) + 1}`} aria-hidden="true" />
        )}
        {name}
      </dt>
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
