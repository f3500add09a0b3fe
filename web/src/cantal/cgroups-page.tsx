import { formatBytes, formatCount } from '../format.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Link } from '../link.tsx';
import { setParams } from '../place.ts';
import { type Answers, tipsIn } from './answer.ts';
import { CgroupDetail } from './cgroup-detail.tsx';
import { shownName } from './cgroup-name.ts';
import { CgroupName, ContainerWords, type Containment, containmentOf, noContainment } from './cgroup-words.tsx';
import { Frame } from './frame.tsx';
import { openOf } from './open-groups.ts';
import { usePoll } from './poll.ts';
import type { Process, ProcessTable } from './process-tree.ts';
import { all, any, equal, has, hourOf, like, perSecondFold, rateOf, sumBy, tipOf } from './rules.ts';
import { useStream } from './stream.ts';
import { percent } from './units.ts';

const everyMs = 5_000;
/** Half a minute. */
const rateSamples = 16;

const overview = {
  // Where the host has the controllers; where not, what the processes used.
  usage: rateOf(equal('metric', 'cgroup.cpu.usage'), rateSamples),
  ticks: rateOf(like('metric', '^processes\\.(user|system)_time$'), rateSamples, sumBy('cgroup')),
  memory: tipOf(equal('metric', 'cgroup.memory.current')),
  limit: tipOf(equal('metric', 'cgroup.memory.max')),
  kills: tipOf(equal('metric', 'cgroup.memory.events.oom_kill')),
};

const detail = (name: string) => {
  const of = (regex: string) => all(like('metric', regex), equal('cgroup', name));
  const exported = all(equal('cgroup', name), any(has('group'), has('state')));
  return {
    cpu: hourOf(of('^cgroup\\.cpu\\.(usage|user|system|throttled_time)$'), perSecondFold),
    used: hourOf(of('^cgroup\\.memory\\.(current|working_set)$')),
    io: hourOf(of('^cgroup\\.io\\.[rw]bytes$'), perSecondFold, sumBy('metric')),
    pids: hourOf(of('^cgroup\\.pids\\.current$')),
    pressure: hourOf(of('^psi\\..*\\.total$'), perSecondFold),
    processCpu: hourOf(of('^processes\\.(user|system)_time$'), perSecondFold, sumBy('metric')),
    processMemory: hourOf(of('^processes\\.(rss|swap)$'), sumBy('metric')),
    own: tipOf(exported),
    states: { series: { source: 'Tip', condition: exported }, extract: ['Tip'], functions: [] },
  };
};

export function CgroupsPage({ place }: PageProps) {
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
        <Groups
          answers={answers}
          byCgroup={byCgroup}
          filter={place.params.get('q') ?? ''}
          opened={place.params.get('open')}
          known={timestamp > 0 && table !== null}
        />
      ) : (
        <CgroupDetail
          name={name}
          place={place}
          answers={answers}
          timestamp={timestamp}
          processes={byCgroup.get(name) ?? []}
          containment={byCgroup.get(name)?.[0] ?? noContainment}
        />
      )}
    </Frame>
  );
}

interface GroupsProps {
  readonly answers: Answers;
  readonly byCgroup: ReadonlyMap<string, readonly Process[]>;
  readonly filter: string;
  /** Names of those that were opened, separated by commas; null: nobody said. */
  readonly opened: string | null;
  readonly known: boolean;
}

function Groups({ answers, byCgroup, filter, opened, known }: GroupsProps) {
  const by = (id: string) => new Map(tipsIn(answers, id).map(({ labels, value }) => [labels.cgroup ?? '', value]));
  const [usage, ticks, memory, limit, kills] = [by('usage'), by('ticks'), by('memory'), by('limit'), by('kills')];
  const names = [...new Set([...memory.keys(), ...usage.keys(), ...byCgroup.keys()])]
    .filter((name) => name.includes(filter) || shownName(name).includes(filter))
    .sort();
  const tips = new Map(
    ['usage', 'memory'].flatMap((id) => tipsIn(answers, id).map(({ labels }) => [labels.cgroup ?? '', labels])),
  );
  const containment = (name: string): Containment => byCgroup.get(name)?.[0] ?? containmentOf(tips.get(name) ?? {});
  const groups = Map.groupBy(names, (name) => name.split('.')[0] ?? name);
  const open = openOf([...groups.keys()], names.length, opened, filter);
  const toggle = (group: string) => {
    const next = new Set(open);
    if (!next.delete(group)) next.add(group);
    setParams({ open: next.size === 0 ? 'none' : [...next].join(',') });
  };
  const memoryOf = (name: string) =>
    memory.get(name) ?? byCgroup.get(name)?.reduce((sum, { rss }) => sum + rss, 0) ?? null;
  const cpuOf = (name: string) => {
    const micros = usage.get(name) ?? null;
    return micros === null ? (ticks.get(name) ?? null) : micros / 10_000;
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
      {known && names.length === 0 && (
        <p class="muted">
          {filter === ''
            ? 'No process of this host is in a control group with a name.'
            : `No control group has “${filter}” in its name.`}
        </p>
      )}
      {names.length > 0 && (
        <table class="grouped cards">
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
                  <button type="button" aria-expanded={open.has(group)} onClick={() => toggle(group)}>
                    {shownName(group)}
                  </button>{' '}
                  <span class="muted">{members.length}</span>
                </th>
              </tr>
              {open.has(group) &&
                members.map((name) => (
                  <tr key={name}>
                    <th scope="row">
                      <Link href={`/local/cgroups?name=${encodeURIComponent(name)}`}>
                        <CgroupName name={name} />
                      </Link>
                      <ContainerWords {...containment(name)} />
                    </th>
                    <td class="number" data-label="CPU">
                      {percent.format(cpuOf(name))}
                    </td>
                    <td class="number" data-label="Memory">
                      {formatBytes(memoryOf(name))}
                    </td>
                    <td class="number muted" data-label="Limit">
                      {limitText(limit.get(name) ?? null)}
                    </td>
                    <td class="number" data-label="Processes">
                      {byCgroup.get(name)?.length ?? 0}
                    </td>
                    <td class="number muted" data-label="OOM kills">
                      {formatCount(kills.get(name) ?? null)}
                    </td>
                  </tr>
                ))}
            </tbody>
          ))}
        </table>
      )}
    </section>
  );
}

/** Of v1, where no limit is the largest multiple of a page. */
const limitless = 2 ** 60;
const limitText = (bytes: number | null): string =>
  bytes !== null && bytes >= limitless ? 'none' : formatBytes(bytes);
