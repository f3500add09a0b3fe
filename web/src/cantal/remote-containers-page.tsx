import { formatBytes } from '../format.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Mark } from '../mark.tsx';
import { setParams } from '../place.ts';
import { tipsIn } from './answer.ts';
import { shownName } from './cgroup-name.ts';
import { ContainerWords, type Containment, containmentOf } from './cgroup-words.tsx';
import { Frame } from './frame.tsx';
import { type ListColumn, LongList } from './long-list.tsx';
import { type Provenance, provenanceWords } from './provenance.ts';
import { lackWords, type RemoteHost, useRemote } from './remote.ts';
import { equal, like, rateOf, sumBy, tipOf } from './rules.ts';
import { percent } from './units.ts';

const rateSamples = 16;
const rules = {
  // Where the host has the controllers; where not, what the processes used.
  usage: rateOf(equal('metric', 'cgroup.cpu.usage'), rateSamples),
  ticks: rateOf(like('metric', '^processes\\.(user|system)_time$'), rateSamples, sumBy('cgroup')),
  memory: tipOf(equal('metric', 'cgroup.memory.current')),
  rss: tipOf(equal('metric', 'processes.rss')),
};

interface Container extends Containment {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly origin: string;
  readonly provenance: Provenance;
  /** Percent of one core. */
  readonly cpu: number | null;
  readonly memory: number | null;
}

const columns: readonly ListColumn[] = [
  { title: 'Name' },
  { title: 'Host', width: '28%', phoneWidth: '25%' },
  { title: 'CPU', width: '84px', phoneWidth: '58px', numeric: true },
  { title: 'Memory', width: '96px', phoneWidth: '74px', numeric: true },
];

const orders = ['name', 'host', 'cpu', 'memory'] as const;
type Order = (typeof orders)[number];

/** Control groups of all hosts, which containers are too. */
export function RemoteContainersPage({ place }: PageProps) {
  const { hosts, problem, waiting } = useRemote(rules);
  const words = (place.params.get('q') ?? '').split(/\s+/).filter(Boolean);
  const order = orders.find((each) => each === place.params.get('by')) ?? 'name';
  const all = hosts.flatMap(containersOf);
  const rows = sorted(
    all.filter(({ name, host, runtime }) =>
      words.every((word) => `${name} ${shownName(name)} ${runtime ?? ''} ${host}`.includes(word)),
    ),
    order,
  );
  const lack = lackWords(hosts);
  return (
    <Frame title="Containers" of={`${hosts.length} hosts`} problem={problem}>
      <section aria-labelledby="all-title">
        <div class="bar">
          <h2 id="all-title">Containers and services</h2>
          <p class="muted" role="status">
            {rows.length === all.length ? rows.length : `${rows.length} of ${all.length}`}
            {lack !== null && `; ${lack}`}
          </p>
          <fieldset class="choice" aria-label="Order">
            {orders.map((each) => (
              <button key={each} type="button" aria-pressed={each === order} onClick={() => setParams({ by: each })}>
                {each === 'cpu' ? 'CPU' : each}
              </button>
            ))}
          </fieldset>
          <input
            type="search"
            placeholder="Filter by name or host"
            aria-label="Filter by name or host"
            value={place.params.get('q') ?? ''}
            onInput={(event) => setParams({ q: event.currentTarget.value })}
          />
        </div>
        {waiting && problem === null && <p class="muted empty">Asking all hosts…</p>}
        {!waiting && all.length === 0 && <p class="muted empty">No host has a control group with a name.</p>}
        <LongList
          label="Containers"
          columns={columns}
          count={rows.length}
          choice={`${order} ${words.join(' ')}`}
          row={(index) => {
            const row = rows[index];
            if (row === undefined) return null;
            return (
              <tr key={row.id} aria-rowindex={index + 2} class={row.provenance.kind === 'mirror' ? 'old' : undefined}>
                <th scope="row" class="cut" title={row.name}>
                  <a href={`${row.origin}/local/cgroups?name=${encodeURIComponent(row.name)}`}>{shownName(row.name)}</a>
                  <ContainerWords {...row} />
                </th>
                <td class="cut muted" title={`${row.host}: ${provenanceWords(row.provenance)}`}>
                  {row.provenance.kind === 'mirror' && <Mark tone="warn" />}
                  {row.host}
                </td>
                <td class="number">{percent.format(row.cpu)}</td>
                <td class="number">{formatBytes(row.memory)}</td>
              </tr>
            );
          }}
        />
      </section>
    </Frame>
  );
}

function sorted(rows: readonly Container[], order: Order): readonly Container[] {
  const by = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  switch (order) {
    case 'name':
      return [...rows].sort((a, b) => by(a.name, b.name));
    case 'host':
      return rows;
    case 'cpu':
      return [...rows].sort((a, b) => (b.cpu ?? -1) - (a.cpu ?? -1));
    case 'memory':
      return [...rows].sort((a, b) => (b.memory ?? -1) - (a.memory ?? -1));
    default:
      return order satisfies never;
  }
}

/** By the controllers where the host has them, else by what its processes used. */
function containersOf({ id, hostname, origin, provenance, answers }: RemoteHost): Container[] {
  if (answers === null) return [];
  const by = (id: string) => new Map(tipsIn(answers, id).map(({ labels, value }) => [labels.cgroup ?? '', value]));
  const [usage, ticks, memory, rss] = [by('usage'), by('ticks'), by('memory'), by('rss')];
  const labels = new Map(
    ['rss', 'usage'].flatMap((rule) => tipsIn(answers, rule).map(({ labels }) => [labels.cgroup ?? '', labels])),
  );
  const names = [...new Set([...usage.keys(), ...ticks.keys(), ...memory.keys(), ...rss.keys()])].filter(Boolean);
  return names.sort().map((name) => {
    const micros = usage.get(name) ?? null;
    return {
      id: `${id} ${name}`,
      name,
      host: hostname,
      origin,
      provenance,
      ...containmentOf(labels.get(name) ?? {}),
      cpu: micros === null ? (ticks.get(name) ?? null) : micros / 10_000,
      memory: memory.get(name) ?? rss.get(name) ?? null,
    };
  });
}
