import { formatBytes } from '../format.ts';
import { type Place, setParams } from '../place.ts';
import { tipsIn } from './answer.ts';
import { Frame } from './frame.tsx';
import { type RemoteHost, useRemote } from './remote.ts';
import { all, equal, has, like, rateOf, sumBy, tipOf } from './rules.ts';
import { percent } from './units.ts';

const rateSamples = 16;
const rules = {
  usage: rateOf(equal('metric', 'cgroup.cpu.usage'), rateSamples, sumBy('cgroup')),
  ticks: rateOf(all(like('metric', '^(user|system)_time$'), has('cgroup')), rateSamples, sumBy('cgroup')),
  memory: tipOf(equal('metric', 'cgroup.memory.current'), sumBy('cgroup')),
  rss: tipOf(all(equal('metric', 'rss'), has('cgroup')), sumBy('cgroup')),
};

interface Container {
  readonly name: string;
  readonly host: string;
  /** Percent of one core. */
  readonly cpu: number | null;
  readonly memory: number | null;
}

export function RemoteContainersPage({ place }: { place: Place }) {
  const { hosts, problem } = useRemote(rules);
  const filter = place.params.get('q') ?? '';
  const rows = hosts.flatMap(containersOf).filter(({ name, host }) => `${name} ${host}`.includes(filter));
  const missing = hosts.filter(({ answers }) => answers === null);
  return (
    <Frame title="All containers" problem={problem}>
      <section aria-labelledby="all-title">
        <div class="bar">
          <h2 id="all-title">Containers and services of all hosts</h2>
          <p class="muted" role="status">
            {rows.length}
            {missing.length > 0 && `; no answer from ${missing.map(({ hostname }) => hostname).join(', ')}`}
          </p>
          <input
            type="search"
            placeholder="Filter by name or host"
            aria-label="Filter by name or host"
            value={filter}
            onInput={(event) => setParams({ q: event.currentTarget.value })}
          />
        </div>
        <table class="nodes">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Host</th>
              <th scope="col" class="number">
                CPU
              </th>
              <th scope="col" class="number">
                Memory
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, host, cpu, memory }) => (
              <tr key={`${name} ${host}`}>
                <th scope="row">{name}</th>
                <td data-label="Host">{host}</td>
                <td data-label="CPU" class="number">
                  {percent.format(cpu)}
                </td>
                <td data-label="Memory" class="number">
                  {formatBytes(memory)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </Frame>
  );
}

/** By the controllers where the host has them, else by what its processes used. */
function containersOf({ hostname, answers }: RemoteHost): Container[] {
  if (answers === null) return [];
  const by = (id: string) => new Map(tipsIn(answers, id).map(({ labels, value }) => [labels.cgroup ?? '', value]));
  const [usage, ticks, memory, rss] = [by('usage'), by('ticks'), by('memory'), by('rss')];
  const names = [...new Set([...usage.keys(), ...ticks.keys(), ...memory.keys(), ...rss.keys()])].filter(Boolean);
  return names.sort().map((name) => {
    const micros = usage.get(name) ?? null;
    return {
      name,
      host: hostname,
      cpu: micros === null ? (ticks.get(name) ?? null) : micros / 10_000,
      memory: memory.get(name) ?? rss.get(name) ?? null,
    };
  });
}
