import type { PageProps } from '../lazy-page.tsx';
import { Link } from '../link.tsx';
import { type Answers, type Table, tableIn, tipsIn } from './answer.ts';
import { CgroupName } from './cgroup-words.tsx';
import { Chart } from './chart.tsx';
import { Frame } from './frame.tsx';
import { asPercent, byMetric } from './lines.ts';
import { rangeOf, spanOf } from './range.ts';
import { all, type Condition, has, hourOf, like, not, perSecondFold, rateOf } from './rules.ts';
import { useStream } from './stream.ts';
import { percent } from './units.ts';
import { Zoom } from './zoom.tsx';

const machine: Condition = all(like('metric', '^psi\\.[a-z]+\\.(some|full)\\.total$'), not(has('cgroup')));
/** Of scans every 2 s, and one more: a rate needs two ends. */
const windows = [
  { id: 'short', title: '10 s', samples: 6 },
  { id: 'middle', title: '1 min', samples: 31 },
  { id: 'long', title: '5 min', samples: 151 },
] as const;

const rules = {
  hour: hourOf(machine, perSecondFold),
  short: rateOf(machine, windows[0].samples),
  middle: rateOf(machine, windows[1].samples),
  long: rateOf(machine, windows[2].samples),
  groups: rateOf(all(like('metric', '^psi\\.[a-z]+\\.some\\.total$'), has('cgroup')), windows[1].samples),
};

const resources = [
  { name: 'cpu', title: 'CPU', words: 'a task could run and got no core' },
  {
    name: 'memory',
    title: 'Memory',
    words: 'a task waited for memory to be reclaimed, or read back what had been taken',
  },
  { name: 'io', title: 'Disk', words: 'a task waited for a disk' },
  { name: 'irq', title: 'Interrupts', words: 'interrupts kept tasks from running' },
] as const;

/** What tasks wait for (Documentation/accounting/psi.rst): the share of time in which some, or all, of them did. */
export function PressurePage({ place }: PageProps) {
  const { answers, timestamp, connection, error } = useStream(rules);
  const hour = tableIn(answers, 'hour');
  const span = spanOf(answers, timestamp);
  const range = rangeOf(place.params, span);
  const there = resources.filter(({ name }) => hour.lines.some(({ labels }) => resourceOf(labels.metric) === name));
  return (
    <Frame title="Pressure" connection={connection} problem={error}>
      {timestamp > 0 && there.length === 0 ? (
        <section>
          <p class="muted">
            This kernel does not say what tasks wait for: it is older than 4.20, built without <code>CONFIG_PSI</code>,
            or started without <code>psi=1</code>.
          </p>
        </section>
      ) : (
        <>
          <section aria-labelledby="pressure-title">
            <div class="bar">
              <h2 id="pressure-title">History</h2>
              <p class="muted">share of the time in which tasks waited: some of them, or (full) all that had work</p>
              <Zoom params={place.params} span={span} />
            </div>
            <div class="plots">
              {there.map(({ name, title, words }) => (
                <div key={name}>
                  <Chart
                    title={title}
                    times={hour.times}
                    lines={byMetric(of(hour, name), /^psi\.[a-z]+\.|\.total$/g)
                      .reverse()
                      .map(({ label, column }) => ({
                        label,
                        column: asPercent(column),
                      }))}
                    range={range}
                    unit={percent}
                  />
                  <p class="muted note">{words}</p>
                </div>
              ))}
            </div>
          </section>
          <Averages answers={answers} names={there} />
          <Groups answers={answers} />
        </>
      )}
    </Frame>
  );
}

const resourceOf = (metric: string | undefined): string => metric?.split('.')[1] ?? '';
const of = (table: Table, name: string): Table => ({
  ...table,
  lines: table.lines.filter(({ labels }) => resourceOf(labels.metric) === name),
});

const shareOf = (answers: Answers, id: string, metric: string, cgroup?: string): number | null => {
  const found = tipsIn(answers, id).find(({ labels }) => labels.metric === metric && labels.cgroup === cgroup)?.value;
  return found === undefined || found === null ? null : found / 10_000;
};

function Averages({ answers, names }: { answers: Answers; names: readonly (typeof resources)[number][] }) {
  const rows = names.flatMap(({ name, title }) =>
    (['some', 'full'] as const).map((kind) => ({ title, kind, metric: `psi.${name}.${kind}.total` })),
  );
  const known = rows.filter(({ metric }) => tipsIn(answers, 'short').some(({ labels }) => labels.metric === metric));
  return (
    <section aria-labelledby="averages-title">
      <h2 id="averages-title">Of late</h2>
      <table class="narrow">
        <thead>
          <tr>
            <th scope="col">Waiting for</th>
            <th scope="col">Who</th>
            {windows.map(({ id, title }) => (
              <th key={id} scope="col" class="number">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {known.map(({ title, kind, metric }) => (
            <tr key={metric}>
              <th scope="row">{title}</th>
              <td>{kind === 'some' ? 'some tasks' : 'all tasks'}</td>
              {windows.map(({ id }) => (
                <td key={id} class="number">
                  {percent.format(shareOf(answers, id, metric))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Those that waited most come first; those that did not wait are left out. */
function Groups({ answers }: { answers: Answers }) {
  const names = [...new Set(tipsIn(answers, 'groups').map(({ labels }) => labels.cgroup ?? ''))];
  const rows = names
    .map((name) => ({
      name,
      shares: ['cpu', 'memory', 'io'].map((kind) => shareOf(answers, 'groups', `psi.${kind}.some.total`, name)),
    }))
    .map((row) => ({ ...row, most: Math.max(...row.shares.map((share) => share ?? 0)) }))
    .sort((a, b) => b.most - a.most);
  const waiting = rows.filter(({ most }) => most >= 0.05);
  return (
    <section aria-labelledby="groups-title">
      <h2 id="groups-title">Cgroups that waited, the last minute</h2>
      {rows.length === 0 && (
        <p class="muted">Nothing is known of single cgroups: only hosts with cgroup v2 tell what each waits for.</p>
      )}
      {rows.length > 0 && waiting.length === 0 && <p class="muted">None of {rows.length}.</p>}
      {waiting.length > 0 && (
        <table class="narrow">
          <thead>
            <tr>
              <th scope="col">Cgroup</th>
              {['CPU', 'Memory', 'Disk'].map((title) => (
                <th key={title} scope="col" class="number">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {waiting.map(({ name, shares: [cpu = null, memory = null, io = null] }) => (
              <tr key={name}>
                <th scope="row">
                  <Link href={`/local/cgroups?name=${encodeURIComponent(name)}`}>
                    <CgroupName name={name} />
                  </Link>
                </th>
                <td class="number">{percent.format(cpu)}</td>
                <td class="number">{percent.format(memory)}</td>
                <td class="number">{percent.format(io)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
