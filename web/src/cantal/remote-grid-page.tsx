import { formatBytes, formatDuration, unknown } from '../format.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Mark } from '../mark.tsx';
import { setParams } from '../place.ts';
import type { Column } from '../plot-data.ts';
import { type Answers, emptyTable, tableIn, tipsIn } from './answer.ts';
import { ClusterTotal } from './cluster-total.tsx';
import { Donut } from './donut.tsx';
import { Frame } from './frame.tsx';
import { type ListColumn, LongList } from './long-list.tsx';
import { provenanceWords, toneOf } from './provenance.ts';
import { type Range, rangeOf } from './range.ts';
import { lackWords, type RemoteHost, useRemote } from './remote.ts';
import {
  busyTicks,
  cpuEdges,
  hourOf,
  like,
  type MemoryUse,
  memoryUse,
  perSecondFold,
  rateOf,
  sumOfAll,
  tipOf,
} from './rules.ts';
import { Strip } from './strip.tsx';
import { TimeAxis } from './strips.tsx';
import { percent } from './units.ts';
import { Zoom, zoomTo } from './zoom.tsx';

/** Asked often: the agent has it from the streams of the others. */
const nowRules = {
  cpu: rateOf(busyTicks, 4, sumOfAll),
  memory: tipOf(like('metric', '^memory\\.(MemTotal|MemFree|Buffers|Cached)$')),
};
/** Asked of each host anew, so seldom; 120 steps are as much as of 500 hosts can be had. */
const hourRules = { cpu: hourOf(busyTicks, perSecondFold, sumOfAll, ['Step', 30_000]) };
const hourEveryMs = 60_000;

const rowPx = 44;
const columns: readonly ListColumn[] = [
  { title: 'Host', width: '22%' },
  { title: 'Memory', width: '190px', phoneWidth: '112px' },
  { title: 'CPU', width: '76px', phoneWidth: '62px', numeric: true },
  { title: 'CPU over time', roomy: true },
];

interface Row {
  readonly host: RemoteHost;
  readonly memory: MemoryUse | null;
  readonly cpu: number | null;
  readonly times: readonly number[];
  readonly busy: Column;
}

/** One row for each host, neighbours by domain beside each other. */
export function RemoteGridPage({ place }: PageProps) {
  const { hosts, problem, waiting } = useRemote(nowRules);
  const { hosts: hours } = useRemote(hourRules, hourEveryMs);
  const hourById = new Map(hours.map(({ id, answers }) => [id, answers]));
  const filter = place.params.get('q') ?? '';
  const rows = hosts.map((host) => rowOf(host, hourById.get(host.id) ?? null));
  const shown = rows.filter(({ host }) => host.hostname.includes(filter));
  const newest = rows.reduce((latest, { times }) => Math.max(latest, times.at(-1) ?? 0), 0);
  const span = rows.reduce(
    ({ oldest, newest }, { times: [first] }) => ({ oldest: Math.min(oldest, first ?? oldest), newest }),
    { oldest: newest, newest },
  );
  const range = rangeOf(place.params, span);
  const lack = lackWords(hosts);
  return (
    <Frame title="Hosts" of={`${hosts.length} hosts`} problem={problem}>
      <ClusterTotal range={range} />
      <section aria-labelledby="hosts-title">
        <div class="bar">
          <h2 id="hosts-title">All hosts</h2>
          <p class="muted" role="status">
            {shown.length}
            {lack !== null && `; ${lack}`}
          </p>
          <Zoom params={place.params} span={span} />
          <input
            type="search"
            placeholder="Filter by name"
            aria-label="Filter hosts by name"
            value={filter}
            onInput={(event) => setParams({ q: event.currentTarget.value })}
          />
        </div>
        {waiting && problem === null && <p class="muted empty">Asking all hosts…</p>}
        <div class="grid-axis" aria-hidden="true">
          <TimeAxis range={range} />
        </div>
        <LongList
          label="Hosts"
          columns={columns}
          count={shown.length}
          choice={filter}
          rowHeightPx={rowPx}
          row={(index) => {
            const row = shown[index];
            return row && <HostRow key={row.host.id} index={index} row={row} range={range} />;
          }}
        />
      </section>
    </Frame>
  );
}

function rowOf(host: RemoteHost, hour: Answers | null): Row {
  const { answers } = host;
  if (answers === null) return { host, memory: null, cpu: null, times: [], busy: [] };
  const tip = (metric: string) => tipsIn(answers, 'memory').find(({ labels }) => labels.metric === metric)?.value;
  const cpu = tipsIn(answers, 'cpu')[0]?.value ?? null;
  const { times, lines } = hour === null ? emptyTable : tableIn(hour, 'cpu');
  const highest = lines.find(({ labels }) => labels.stat === undefined || labels.stat === 'max');
  return { host, memory: memoryUse(tip), cpu, times, busy: highest?.values ?? noValues };
}

const noValues: Column = [];

function HostRow({ index, row, range }: { index: number; row: Row; range: Range }) {
  const { host, memory, cpu, times, busy } = row;
  const { provenance } = host;
  const said = provenanceWords(provenance);
  const now = percent.format(cpu);
  return (
    <tr aria-rowindex={index + 2} class={provenance.kind === 'mirror' ? 'old' : undefined}>
      <th scope="row" class="cut" title={`${host.hostname}: ${said}`}>
        <Mark tone={toneOf(provenance)} />
        <a href={`${host.origin}/local/status`}>{host.hostname}</a>
        {provenance.kind === 'mirror' && (
          <span class="warned">
            {' '}
            {provenance.ageMs === null ? 'old figures' : `${formatDuration(provenance.ageMs)} old`}
          </span>
        )}
      </th>
      {host.answers === null ? (
        <td colSpan={3} class="muted">
          {said}
        </td>
      ) : (
        <>
          <td>
            <span class="gauge">
              <Donut
                title={memory?.words ?? 'memory'}
                parts={
                  memory === null
                    ? []
                    : [
                        { label: 'used', share: memory.usedShare },
                        { label: 'cached', share: memory.cachedShare },
                      ]
                }
              />
              <span>
                {memory === null ? unknown : formatBytes(memory.used)}
                {memory !== null && <span class="muted of"> of {formatBytes(memory.total)}</span>}
              </span>
            </span>
          </td>
          <td class="number">{now}</td>
          <td class="roomy">
            <Strip
              label={`CPU of ${host.hostname}, now ${now}`}
              times={times}
              values={busy}
              range={range}
              edges={cpuEdges}
              onZoom={zoomTo}
            />
          </td>
        </>
      )}
    </tr>
  );
}
