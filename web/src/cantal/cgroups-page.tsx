import { useState } from 'preact/hooks';
import { formatAge, formatBytes, formatCount } from '../format.ts';
import { Link } from '../link.tsx';
import { type Place, setParams } from '../place.ts';
import { type Answers, tableIn, tipsIn } from './answer.ts';
import { Chart, type ChartLine } from './chart.tsx';
import { Frame } from './frame.tsx';
import { byMetric } from './host-page.tsx';
import { usePoll } from './poll.ts';
import { commandOf, type Process, type ProcessTable } from './process-tree.ts';
import { all, equal, has, hourOf, like, perSecondFold, rateOf, sumBy, tipOf } from './rules.ts';
import { useStream } from './stream.ts';
import { bytes, bytesPerSecond, percent, plain } from './units.ts';
import { rangeOf, Zoom } from './zoom.tsx';

const everyMs = 5_000;
/** Half a minute. */
const rateSamples = 16;

const overview = {
  // Where the host has the controllers; where not, what the processes used.
  usage: rateOf(equal('metric', 'cgroup.cpu.usage'), rateSamples),
  ticks: rateOf(all(like('metric', '^(user|system)_time$'), has('cgroup')), rateSamples, sumBy('cgroup')),
  memory: tipOf(equal('metric', 'cgroup.memory.current')),
  limit: tipOf(equal('metric', 'cgroup.memory.max')),
  kills: tipOf(equal('metric', 'cgroup.memory.events.oom_kill')),
};

const detail = (name: string) => {
  const of = (regex: string) => all(like('metric', regex), equal('cgroup', name));
  return {
    ...overview,
    cpu: hourOf(of('^cgroup\\.cpu\\.(usage|user|system|throttled_time)$'), perSecondFold),
    used: hourOf(of('^cgroup\\.memory\\.(current|working_set)$')),
    io: hourOf(of('^cgroup\\.io\\.[rw]bytes$'), perSecondFold, sumBy('metric')),
    pids: hourOf(of('^cgroup\\.pids\\.current$')),
    pressure: hourOf(of('^psi\\..*\\.total$'), perSecondFold),
    own: tipOf(all(equal('cgroup', name), ['Or', has('group'), has('state')])),
  };
};

export function CgroupsPage({ place }: { place: Place }) {
  const name = place.params.get('name');
  const { answers, connection, timestamp, error } = useStream(name === null ? overview : detail(name));
  const { value: table, problem } = usePoll<ProcessTable>('/all_processes', everyMs);
  const byCgroup = Map.groupBy(
    (table?.all ?? []).filter(({ cgroup }) => cgroup !== null),
    ({ cgroup }) => cgroup ?? '',
  );
  return (
    <Frame title="Cgroups" connection={connection} problem={error ?? problem}>
      {name === null ? (
        <Groups answers={answers} byCgroup={byCgroup} filter={place.params.get('q') ?? ''} />
      ) : (
        <One name={name} place={place} answers={answers} timestamp={timestamp} processes={byCgroup.get(name) ?? []} />
      )}
    </Frame>
  );
}

interface GroupsProps {
  readonly answers: Answers;
  readonly byCgroup: ReadonlyMap<string, readonly Process[]>;
  readonly filter: string;
}

function Groups({ answers, byCgroup, filter }: GroupsProps) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const value = (id: string, name: string) =>
    tipsIn(answers, id).find(({ labels }) => labels.cgroup === name)?.value ?? null;
  const known = tipsIn(answers, 'memory').map(({ labels }) => labels.cgroup ?? '');
  const names = [...new Set([...known, ...byCgroup.keys()])].filter((name) => name.includes(filter)).sort();
  const groups = Map.groupBy(names, (name) => name.split('.')[0] ?? name);
  const toggle = (group: string) => {
    const next = new Set(closed);
    if (!next.delete(group)) next.add(group);
    setClosed(next);
  };
  const memoryOf = (name: string) =>
    value('memory', name) ?? byCgroup.get(name)?.reduce((sum, { rss }) => sum + rss, 0) ?? null;
  const cpuOf = (name: string) => {
    const micros = value('usage', name);
    return micros === null ? value('ticks', name) : micros / 10_000;
  };
  return (
    <section aria-labelledby="groups-title">
      <div class="bar">
        <h2 id="groups-title">Control groups</h2>
        <p class="muted" role="status">
          {names.length}
        </p>
        <input
          type="search"
          placeholder="Filter by name"
          aria-label="Filter cgroups by name"
          value={filter}
          onInput={(event) => setParams({ q: event.currentTarget.value })}
        />
      </div>
      <table class="containers groups">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" class="number">
              CPU
            </th>
            <th scope="col" class="number">
              Memory
            </th>
            <th scope="col" class="number">
              Limit
            </th>
            <th scope="col" class="number">
              Processes
            </th>
            <th scope="col" class="number">
              OOM kills
            </th>
          </tr>
        </thead>
        {[...groups].map(([group, members]) => (
          <tbody key={group}>
            <tr class="group">
              <th scope="rowgroup" colSpan={6}>
                <button type="button" aria-expanded={!closed.has(group)} onClick={() => toggle(group)}>
                  {group}
                </button>{' '}
                <span class="muted">{members.length}</span>
              </th>
            </tr>
            {!closed.has(group) &&
              members.map((name) => (
                <tr key={name}>
                  <th scope="row">
                    <Link href={`/local/cgroups?name=${encodeURIComponent(name)}`}>{name}</Link>
                  </th>
                  <td class="number" data-label="CPU">
                    {percent.format(cpuOf(name))}
                  </td>
                  <td class="number" data-label="Memory">
                    {formatBytes(memoryOf(name))}
                  </td>
                  <td class="number" data-label="Limit">
                    {formatBytes(value('limit', name))}
                  </td>
                  <td class="number" data-label="Processes">
                    {byCgroup.get(name)?.length ?? 0}
                  </td>
                  <td class="number" data-label="OOM kills">
                    {formatCount(value('kills', name))}
                  </td>
                </tr>
              ))}
          </tbody>
        ))}
      </table>
    </section>
  );
}

interface OneProps {
  readonly name: string;
  readonly place: Place;
  readonly answers: Answers;
  readonly timestamp: number;
  readonly processes: readonly Process[];
}

/** What a supervisor does says nothing about what it supervises. */
const isSupervisor = ({ name }: Process) => name.startsWith('lithos_knot') || name.startsWith('lithos-knot');

function One({ name, place, answers, timestamp, processes }: OneProps) {
  const [all, setAll] = useState(false);
  const range = rangeOf(place.params, timestamp);
  const shown = processes.filter((process) => all || !isSupervisor(process));
  const hidden = processes.length - shown.length;
  const cores = (lines: ChartLine[]) =>
    lines.map(({ label, column }) => ({ label, column: column.map((us) => (us === null ? null : us / 10_000)) }));
  const table = (id: string) => tableIn(answers, id);
  return (
    <>
      <section aria-labelledby="one-title">
        <div class="bar">
          <h2 id="one-title">{name}</h2>
          <Link href="/local/cgroups">all cgroups</Link>
          <Link href={`/local/metrics?q=${encodeURIComponent(`cgroup=${name}`)}`}>its metrics</Link>
          <Zoom params={place.params} newestMs={timestamp} />
        </div>
        <div class="plots">
          <Chart
            title="CPU, of one core"
            times={table('cpu').times}
            lines={cores(byMetric(table('cpu'), /^cgroup\.cpu\./))}
            range={range}
            unit={percent}
          />
          <Chart
            title="Memory"
            times={table('used').times}
            lines={byMetric(table('used'), /^cgroup\.memory\./)}
            range={range}
            unit={bytes}
          />
          <Chart
            title="Disk"
            times={table('io').times}
            lines={byMetric(table('io'), /^cgroup\.io\./)}
            range={range}
            unit={bytesPerSecond}
          />
          <Chart
            title="Processes and threads"
            times={table('pids').times}
            lines={byMetric(table('pids'), /^cgroup\.pids\./)}
            range={range}
            unit={plain}
          />
          {table('pressure').lines.length > 0 && (
            <Chart
              title="Stalled for want of (PSI)"
              times={table('pressure').times}
              lines={cores(byMetric(table('pressure'), /^psi\.|\.total$/g))}
              range={range}
              unit={percent}
            />
          )}
        </div>
      </section>
      <section aria-labelledby="members-title">
        <div class="bar">
          <h2 id="members-title">Processes</h2>
          {(hidden > 0 || all) && (
            <button type="button" class="plain" aria-pressed={all} onClick={() => setAll(!all)}>
              {all ? 'hide supervisors' : `show ${hidden} supervisors`}
            </button>
          )}
        </div>
        <ul class="commands">
          {shown.map((process) => (
            <li key={process.pid}>
              <b>{process.pid}</b>{' '}
              <span class="muted">
                [{process.uid}/{process.gid}] {formatBytes(process.rss)}, up{' '}
                {formatAge(process.start_timestamp, Date.now())}
              </span>{' '}
              <code>{commandOf(process)}</code>
            </li>
          ))}
        </ul>
        {shown.length === 0 && <p class="muted">No process is in it now.</p>}
      </section>
      <OwnMetrics answers={answers} />
    </>
  );
}

/** What programs in it export themselves. */
function OwnMetrics({ answers }: { answers: Answers }) {
  const tips = tipsIn(answers, 'own');
  if (tips.length === 0) return null;
  return (
    <section aria-labelledby="own-title">
      <h2 id="own-title">Its own metrics</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Labels</th>
            <th scope="col" class="number">
              Value
            </th>
          </tr>
        </thead>
        <tbody>
          {tips.map(({ labels, value }) => {
            const { metric, cgroup: _, ...others } = labels;
            return (
              <tr key={JSON.stringify(labels)}>
                <th scope="row">{metric}</th>
                <td class="muted">
                  {Object.entries(others)
                    .map(([label, text]) => `${label}=${text}`)
                    .join(' ')}
                </td>
                <td class="number">{plain.format(value)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
