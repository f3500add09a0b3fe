import { formatAge } from '../format.ts';
import { type Place, setParams } from '../place.ts';
import { type Labels, lineId, tableIn } from './answer.ts';
import { Chart } from './chart.tsx';
import { Frame } from './frame.tsx';
import { LongList } from './long-list.tsx';
import { usePoll } from './poll.ts';
import { all, any, type Condition, equal, type Fold, hourOf, perSecondFold, sumBy } from './rules.ts';
import { conditionOf, parseSearch, passes } from './search.ts';
import { useStream } from './stream.ts';
import { perSecond, plain } from './units.ts';
import { rangeOf, Zoom } from './zoom.tsx';

interface Metric {
  readonly name: string;
  readonly labels: Labels;
  readonly kind: string;
  readonly value: number | string | null | readonly [number, string];
  readonly timestamp: number;
}

const everyMs = 10_000;
/** More lines than can be told apart. */
const mostLines = 12;

const joins = ['each', 'sum', 'avg', 'min', 'max', 'count'] as const;

export function MetricsPage({ place: { params } }: { place: Place }) {
  const { value: list, problem } = usePoll<{ metrics: readonly Metric[]; left_out: number }>('/v1/metrics', everyMs);
  const text = params.get('q') ?? '';
  const terms = parseSearch(text);
  const metrics = (list?.metrics ?? []).filter(({ labels }) => passes(terms)(labels));
  const picked = new Set(
    params
      .getAll('pick')
      .flatMap((value) => value.split('\n'))
      .filter(Boolean),
  );
  const join = joins.find((each) => each === params.get('join')) ?? 'each';
  const by = params.get('by') ?? '';

  const numbers = metrics.filter(({ kind }) => kind !== 'State');
  const chosen = picked.size > 0 ? numbers.filter(({ labels }) => picked.has(lineId(labels))) : numbers;
  const shown = chosen.slice(0, mostLines);
  const rate = params.has('rate')
    ? params.get('rate') === 'yes'
    : shown.every(({ kind }) => kind === 'Counter') && shown.length > 0;
  const condition = join === 'each' || picked.size > 0 ? eachOf(shown) : conditionOf(terms);
  const rule = condition === null ? null : hourOf(condition, ...folds(rate, join, by));
  const { answers, timestamp, connection, error } = useStream(rule === null ? {} : { plot: rule });
  const table = tableIn(answers, 'plot');
  const reason = answers.plot?.kind === 'none' ? answers.plot.reason : null;

  const toggle = (labels: Labels) => {
    const next = new Set(picked);
    const id = lineId(labels);
    if (!next.delete(id)) next.add(id);
    setParams({ pick: next.size === 0 ? null : [...next].join('\n') });
  };
  return (
    <Frame title="Metrics" connection={rule === null ? undefined : connection} problem={error ?? problem}>
      <section aria-labelledby="explore-title">
        <div class="bar">
          <h2 id="explore-title">Explore</h2>
          <Zoom params={params} newestMs={timestamp || Date.now()} />
        </div>
        <search>
          <form class="search" onSubmit={(event) => event.preventDefault()}>
            <input
              type="search"
              placeholder="rss  cgroup~^web  interface=eth0  -device=*"
              aria-label="Search: words of names, label=value, label!=value, label~regex, label=*, -not"
              value={text}
              onInput={(event) => setParams({ q: event.currentTarget.value, pick: null })}
            />
            <label>
              <input
                type="checkbox"
                checked={rate}
                onChange={(event) => setParams({ rate: event.currentTarget.checked ? 'yes' : 'no' })}
              />{' '}
              per second
            </label>
            <label>
              joined{' '}
              <select value={join} onChange={(event) => setParams({ join: event.currentTarget.value })}>
                {joins.map((each) => (
                  <option key={each} value={each}>
                    {each === 'each' ? 'not' : each}
                  </option>
                ))}
              </select>
            </label>
            {join !== 'each' && (
              <label>
                by{' '}
                <input
                  class="short"
                  placeholder="label"
                  value={by}
                  onInput={(event) => setParams({ by: event.currentTarget.value })}
                />
              </label>
            )}
          </form>
        </search>
        {rule !== null && (
          <Chart
            title={reason === null ? titleOf(join, by, shown.length, chosen.length) : `cannot be joined: ${reason}`}
            times={table.times}
            lines={table.lines.map(({ labels, values }) => ({ label: shortName(labels), column: values }))}
            range={rangeOf(params, timestamp)}
            unit={rate ? perSecond : plain}
          />
        )}
        {rule !== null && (
          <details>
            <summary>The same with curl</summary>
            <pre>{curlOf(rule)}</pre>
          </details>
        )}
      </section>
      <section aria-labelledby="list-title">
        <div class="bar">
          <h2 id="list-title">All metrics</h2>
          <p class="muted" role="status">
            {metrics.length} of {list?.metrics.length ?? 0}
            {picked.size > 0 && `, ${picked.size} picked`}
            {(list?.left_out ?? 0) > 0 && `, ${list?.left_out} left out`}
          </p>
        </div>
        <LongList
          label="All metrics"
          columns={5}
          count={metrics.length}
          head={
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Labels</th>
              <th scope="col">Kind</th>
              <th scope="col" class="number">
                Value
              </th>
              <th scope="col" class="number">
                Age
              </th>
            </tr>
          }
          row={(index) => {
            const metric = metrics[index];
            if (metric === undefined) return null;
            const id = lineId(metric.labels);
            const { metric: _, ...labels } = metric.labels;
            return (
              <tr key={id}>
                <th scope="row">
                  <label>
                    <input
                      type="checkbox"
                      checked={picked.has(id)}
                      disabled={metric.kind === 'State'}
                      onChange={() => toggle(metric.labels)}
                    />{' '}
                    {metric.name}
                  </label>
                </th>
                <td class="muted cut">{labelText(labels)}</td>
                <td>{metric.kind.toLowerCase()}</td>
                <td class="number" title={String(metric.value)}>
                  {valueText(metric)}
                </td>
                <td class="number">{formatAge(metric.timestamp, Date.now())}</td>
              </tr>
            );
          }}
        />
      </section>
    </Frame>
  );
}

const labelText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(' ');

function valueText({ value }: Metric): string {
  if (Array.isArray(value)) return value[1];
  return typeof value === 'number' ? plain.format(value) : String(value ?? '–');
}

function shortName({ metric, ...others }: Labels): string {
  return [metric, ...Object.values(others)].filter(Boolean).join(' ') || 'all';
}

function titleOf(join: string, by: string, shown: number, of: number): string {
  if (join !== 'each') return by === '' ? `${join} of ${of}` : `${join} by ${by}`;
  return shown < of ? `the first ${shown} of ${of}` : `${shown} metrics`;
}

const eachOf = (metrics: readonly Metric[]): Condition | null => {
  const [first, ...others] = metrics.map(({ labels }) => {
    const [one, ...rest] = Object.entries(labels).map(([label, value]) => equal(label, value));
    return one === undefined ? null : all(one, ...rest);
  });
  return first ? any(first, ...others.filter((each) => each !== null)) : null;
};

function folds(rate: boolean, join: (typeof joins)[number], by: string): Fold[] {
  const first = rate ? [perSecondFold] : [];
  if (join === 'each') return first;
  const name = `${join.charAt(0).toUpperCase()}${join.slice(1)}`;
  if (by === '') return [...first, [name, 'Ignore']];
  return [...first, join === 'sum' ? sumBy(by) : [`${name}By`, by, 'Ignore']];
}

const curlOf = (rule: unknown): string =>
  `curl -s ${location.origin}/query -H 'content-type: application/json' -d '${JSON.stringify({ rules: { plot: rule } }).replaceAll("'", "'\\''")}'`;
