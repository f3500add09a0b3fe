import { useEffect, useMemo, useState } from 'preact/hooks';
import { formatAge, formatCount } from '../format.ts';
import type { PageProps } from '../lazy-page.tsx';
import { setParams } from '../place.ts';
import { type Labels, lineId, type Table, type Tip, tableIn, tipsIn } from './answer.ts';
import { Chart } from './chart.tsx';
import { Frame } from './frame.tsx';
import { labelText, shownLabels } from './label-words.tsx';
import { type ListColumn, LongList } from './long-list.tsx';
import { curlOf, exactly, folds, type Join, joins, labelsByName, type Metric, tipRules } from './metric-rules.ts';
import { usePoll } from './poll.ts';
import { rangeOf, spanOf } from './range.ts';
import { hourOf } from './rules.ts';
import { conditionOf, parseSearch, passes } from './search.ts';
import { useStream } from './stream.ts';
import { plain, unitOf } from './units.ts';
import { Zoom } from './zoom.tsx';

/** Which metrics there are; their values come over the stream. */
const listEveryMs = 30_000;
/** Where what is searched for is not there: a program may just have been started. */
const searchEveryMs = 5_000;
/** More lines than can be told apart. */
const mostLines = 12;
const noMetrics: readonly Metric[] = [];

const columns: readonly ListColumn[] = [
  { title: 'Name', width: '34%', phoneWidth: '44%' },
  { title: 'Labels' },
  { title: 'Kind', width: '80px', roomy: true },
  { title: 'Value', width: '120px', phoneWidth: '84px', numeric: true },
  { title: 'Age', width: '90px', numeric: true, roomy: true },
];

export function MetricsPage({ place: { params } }: PageProps) {
  const [everyMs, setEveryMs] = useState(listEveryMs);
  const { value: list, problem } = usePoll<{ metrics: readonly Metric[]; left_out: number }>('/v1/metrics', everyMs);
  const [seen, setSeen] = useState<readonly [number, number]>([0, 0]);
  const text = params.get('q') ?? '';
  const all = list?.metrics ?? noMetrics;
  const known = useMemo(() => labelsByName(all), [all]);
  const metrics = useMemo(() => {
    const fits = passes(parseSearch(text));
    return all.filter(({ labels }) => fits(labels));
  }, [all, text]);
  const sought = list !== null && metrics.length === 0;
  useEffect(() => setEveryMs(sought ? searchEveryMs : listEveryMs), [sought]);
  const picks = params.get('pick') ?? '';
  const picked = useMemo(() => new Set(picks.split('\n').filter(Boolean)), [picks]);
  const join = joins.find((each) => each === params.get('join')) ?? 'each';
  const by = params.get('by') ?? '';

  const numbers = useMemo(() => {
    const there = metrics.filter(({ kind }) => kind !== 'State');
    return picked.size > 0 ? there.filter(({ labels }) => picked.has(lineId(labels))) : there;
  }, [metrics, picked]);
  const shown = join === 'each' ? numbers.slice(0, mostLines) : numbers;
  const rate = params.has('rate')
    ? params.get('rate') === 'yes'
    : shown.length > 0 && shown.every(({ kind }) => kind === 'Counter');
  // All there are in one plot would tell nobody anything.
  const asked = text.trim() !== '' || picked.size > 0;
  const condition =
    numbers.length === 0 || !asked
      ? null
      : join === 'each' || picked.size > 0
        ? exactly(shown, known)
        : conditionOf(parseSearch(text));
  const rule = condition === null ? null : hourOf(condition, ...folds(rate, join, by));
  const seenRules = useMemo(() => tipRules(metrics.slice(...seen), known), [metrics, seen, known]);
  const { answers, timestamp, connection, error } = useStream({ ...(rule !== null && { plot: rule }), ...seenRules });
  const span = spanOf(answers, timestamp);
  const live = useMemo(
    () =>
      new Map(
        Object.keys(answers)
          .flatMap((id) => tipsIn(answers, id))
          .map((tip) => [lineId(tip.labels), tip]),
      ),
    [answers],
  );
  const toggle = (labels: Labels) => {
    const next = new Set(picked);
    const id = lineId(labels);
    if (!next.delete(id)) next.add(id);
    setParams({ pick: next.size === 0 ? null : [...next].join('\n') });
  };
  return (
    <Frame title="Metrics" connection={connection} problem={error ?? problem}>
      <section aria-labelledby="explore-title">
        <div class="bar">
          <h2 id="explore-title">Explore</h2>
          <Zoom params={params} span={span} />
        </div>
        <Controls text={text} rate={rate} join={join} by={by} />
        {rule === null && list !== null && (
          <p class="muted empty">
            {!asked
              ? 'Search for metrics, or tick some of the list: they are drawn here.'
              : metrics.length === 0
                ? 'No metric has all of these words.'
                : 'States have no history that could be drawn.'}
          </p>
        )}
        {rule !== null && (
          <Drawn
            table={tableIn(answers, 'plot')}
            reason={answers.plot?.kind === 'none' ? answers.plot.reason : null}
            title={titleOf(join, by, shown.length, numbers.length)}
            range={rangeOf(params, span)}
            unit={unitOf(
              shown.map(({ name }) => name),
              rate,
            )}
          />
        )}
        {rule !== null && (
          <details>
            <summary>The same with curl</summary>
            <pre>{curlOf(location.origin, rule)}</pre>
          </details>
        )}
      </section>
      <section aria-labelledby="list-title">
        <div class="bar">
          <h2 id="list-title">All metrics</h2>
          <p class="muted" role="status">
            {formatCount(metrics.length)} of {formatCount(all.length)} now
            {(list?.left_out ?? 0) > 0 && `, ${formatCount(list?.left_out ?? 0)} left out`}
          </p>
          {picked.size > 0 && (
            <button type="button" class="plain" onClick={() => setParams({ pick: null })}>
              drop {picked.size} picked
            </button>
          )}
        </div>
        <LongList
          label="All metrics"
          columns={columns}
          count={metrics.length}
          choice={text}
          onSeen={(first, last) => setSeen([first, last])}
          row={(index) => {
            const metric = metrics[index];
            if (metric === undefined) return null;
            const id = lineId(metric.labels);
            const tip = live.get(id);
            return (
              <Row
                key={id}
                index={index}
                metric={metric}
                tip={tip}
                seenAt={tip === undefined ? metric.timestamp : timestamp}
                picked={picked.has(id)}
                onToggle={toggle}
              />
            );
          }}
        />
      </section>
    </Frame>
  );
}

interface ControlsProps {
  readonly text: string;
  readonly rate: boolean;
  readonly join: Join;
  readonly by: string;
}

function Controls({ text, rate, join, by }: ControlsProps) {
  return (
    <search>
      <form class="search" onSubmit={(event) => event.preventDefault()}>
        <input
          type="search"
          placeholder="rss  cgroup~^web  interface=eth0  -device=*"
          aria-label="Search metrics"
          aria-describedby="search-help"
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
      <p class="muted note" id="search-help">
        All words must hold: <code>rss</code> in the name, <code>label=value</code>, <code>label!=value</code>,{' '}
        <code>label~regex</code>, <code>label=*</code>; <code>-</code> before a word: not so.
      </p>
    </search>
  );
}

interface DrawnProps {
  readonly table: Table;
  readonly reason: string | null;
  readonly title: string;
  readonly range: { readonly from: number; readonly to: number };
  readonly unit: Parameters<typeof Chart>[0]['unit'];
}

function Drawn({ table, reason, title, range, unit }: DrawnProps) {
  if (reason !== null) {
    return (
      <p class="trouble" role="alert">
        {conflictWords(reason)}
      </p>
    );
  }
  const same = commonLabels(table.lines.map(({ labels }) => labels));
  const lines = table.lines.slice(0, mostLines);
  return (
    <Chart
      title={lines.length < table.lines.length ? `the first ${mostLines} of ${table.lines.length}` : title}
      times={table.times}
      lines={lines.map(({ labels, values }) => ({ label: shortName(labels, same), column: values }))}
      range={range}
      unit={unit}
      tall
    />
  );
}

interface RowProps {
  readonly index: number;
  readonly metric: Metric;
  /** Newer than the list. */
  readonly tip: Tip | undefined;
  readonly seenAt: number;
  readonly picked: boolean;
  readonly onToggle: (labels: Labels) => void;
}

function Row({ index, metric, tip, seenAt, picked, onToggle }: RowProps) {
  const { labels } = metric;
  const without = metric.labels.metric === undefined ? ['state'] : ['metric'];
  return (
    <tr aria-rowindex={index + 2}>
      <th scope="row" class="cut" title={metric.name}>
        <label>
          <input
            type="checkbox"
            checked={picked}
            disabled={metric.kind === 'State'}
            onChange={() => onToggle(labels)}
          />{' '}
          {metric.name}
        </label>
      </th>
      <td class="muted cut" title={labelText(labels, without)}>
        {shownLabels(labels, without)}
      </td>
      <td class="muted roomy">{metric.kind.toLowerCase()}</td>
      <td class="number cut" title={String(metric.value)}>
        {valueText(metric, tip)}
      </td>
      <td class="number muted roomy">{formatAge(seenAt, Date.now())}</td>
    </tr>
  );
}

/** src/cantal/query/dataset.ts */
function conflictWords(reason: string): string {
  switch (reason) {
    case 'Dissimilar':
      return 'These cannot be joined, as they are of different kinds; per second they can be.';
    case 'CantSumTimestamps':
      return 'These cannot be joined, as they have their samples at different times.';
    default:
      return `These cannot be joined: ${reason}`;
  }
}

function valueText({ value, labels, name }: Metric, tip: Tip | undefined): string {
  if (tip?.state) return tip.state.sinceMs > 0 ? tip.state.text : 'none';
  if (Array.isArray(value)) return value[0] > 0 ? value[1] : 'none';
  const newest = tip === undefined ? value : tip.value;
  if (typeof newest !== 'number') return String(newest ?? '–');
  const unit = unitOf([name], false);
  return unit === plain && labels.unit !== undefined ? `${plain.format(newest)} ${labels.unit}` : unit.format(newest);
}

/** What all lines share needs not be said of each. */
function commonLabels(all: readonly Labels[]): ReadonlySet<string> {
  const [first = {}, ...others] = all;
  if (others.length === 0) return new Set();
  return new Set(Object.keys(first).filter((label) => others.every((labels) => labels[label] === first[label])));
}

function shortName(labels: Labels, same: ReadonlySet<string>): string {
  const words = Object.entries(labels).filter(([label]) => !same.has(label));
  const { metric } = labels;
  return (
    [
      same.has('metric') ? undefined : metric,
      ...words.filter(([label]) => label !== 'metric').map(([label, value]) => `${label}=${value}`),
    ]
      .filter(Boolean)
      .join(' ') ||
    (metric ?? 'all')
  );
}

function titleOf(join: string, by: string, shown: number, of: number): string {
  if (join !== 'each') return by === '' ? `${join} of ${of}` : `${join} by ${by}`;
  return shown < of ? `the first ${shown} of ${formatCount(of)}` : shown === 1 ? 'one metric' : `${shown} metrics`;
}
