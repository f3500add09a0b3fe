import { formatBytes, formatCount } from '../format.ts';
import { type Place, setParams } from '../place.ts';
import { tableIn } from './answer.ts';
import { Chart } from './chart.tsx';
import { Frame } from './frame.tsx';
import { byMetric } from './host-page.tsx';
import { usePoll } from './poll.ts';
import { all, has, hourOf, like, not, perSecondFold } from './rules.ts';
import { useStream } from './stream.ts';
import { bytesPerSecond, perSecond } from './units.ts';
import { rangeOf, Zoom } from './zoom.tsx';

interface Stats {
  readonly by_state: Readonly<Record<string, number>>;
  readonly tx_queue: number;
  readonly rx_queue: number;
}

interface Socket {
  readonly protocol: string;
  readonly local_address: string;
  readonly remote_address: string;
  readonly state: string;
}

interface Port {
  readonly stats: Stats;
  readonly listeners?: readonly Socket[] | null;
  readonly clients?: readonly Socket[] | null;
  readonly connections?: readonly Socket[] | null;
}

type Users = Readonly<Record<string, Readonly<Record<string, Port>>>>;

/** GET /all_sockets (spec cantal 4.5). */
interface SocketTable {
  readonly global: Stats;
  readonly by_user: Readonly<Record<string, Stats>>;
  readonly passive: Users;
  readonly active: Users;
}

const rules = {
  bytes: hourOf(like('metric', '^net\\.interface\\.[rt]x\\.bytes$'), perSecondFold),
  trouble: hourOf(
    all(
      like(
        'metric',
        '^net\\.(Tcp\\.(RetransSegs|AttemptFails|EstabResets|OutRsts)|TcpExt\\.(ListenDrops|ListenOverflows))$',
      ),
      not(has('cgroup')),
    ),
    perSecondFold,
  ),
  opens: hourOf(like('metric', '^net\\.Tcp\\.(ActiveOpens|PassiveOpens)$'), perSecondFold),
};

const everyMs = 5_000;

export function NetworkPage({ place }: { place: Place }) {
  const { answers, timestamp, connection, error } = useStream(rules);
  const { value: sockets, problem } = usePoll<SocketTable>('/all_sockets', everyMs);
  const range = rangeOf(place.params, timestamp);
  const bytes = tableIn(answers, 'bytes');
  const interfaces = [...new Set(bytes.lines.map(({ labels }) => labels.interface ?? ''))].sort();
  const lines = (name: string) =>
    byMetric(
      { ...bytes, lines: bytes.lines.filter(({ labels }) => labels.interface === name) },
      /^net\.interface\.|\.bytes$/g,
    );
  const chosen = place.params.get('port');
  return (
    <Frame title="Network" connection={connection} problem={error ?? problem}>
      <section aria-labelledby="interfaces-title">
        <div class="bar">
          <h2 id="interfaces-title">Interfaces</h2>
          <Zoom params={place.params} newestMs={timestamp} />
        </div>
        <div class="plots">
          {interfaces.map((name) => (
            <Chart
              key={name}
              title={name}
              times={bytes.times}
              lines={lines(name)}
              range={range}
              unit={bytesPerSecond}
            />
          ))}
          <Chart
            title="TCP connections opened"
            times={tableIn(answers, 'opens').times}
            lines={byMetric(tableIn(answers, 'opens'), /^net\.Tcp\./)}
            range={range}
            unit={perSecond}
          />
          <Chart
            title="TCP trouble"
            times={tableIn(answers, 'trouble').times}
            lines={byMetric(tableIn(answers, 'trouble'), /^net\.Tcp(Ext)?\./)}
            range={range}
            unit={perSecond}
          />
        </div>
      </section>
      {sockets && (
        <>
          <Users sockets={sockets} />
          <Ports title="Serving" users={sockets.passive} kind="passive" chosen={chosen} />
          <Ports title="Asking" users={sockets.active} kind="active" chosen={chosen} />
        </>
      )}
    </Frame>
  );
}

const of = ({ by_state }: Stats, name: string) => by_state[name] ?? 0;
const total = ({ by_state }: Stats) => Object.values(by_state).reduce((sum, count) => sum + count, 0);

function Users({ sockets }: { sockets: SocketTable }) {
  const rows: readonly (readonly [string, Stats])[] = [
    ['all', sockets.global],
    ...Object.entries(sockets.by_user).map(([uid, stats]) => [`uid ${uid}`, stats] as const),
  ];
  return (
    <section aria-labelledby="users-title">
      <h2 id="users-title">Sockets</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">User</th>
            <th scope="col" class="number">
              All
            </th>
            <th scope="col" class="number">
              Listening
            </th>
            <th scope="col" class="number">
              Established
            </th>
            <th scope="col" class="number">
              To be read
            </th>
            <th scope="col" class="number">
              To be sent
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([user, stats]) => (
            <tr key={user}>
              <th scope="row">{user}</th>
              <td class="number">{formatCount(total(stats))}</td>
              <td class="number">{formatCount(of(stats, 'LISTEN'))}</td>
              <td class="number">{formatCount(of(stats, 'ESTABLISHED'))}</td>
              <td class="number">{formatBytes(stats.rx_queue)}</td>
              <td class="number">{formatBytes(stats.tx_queue)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface PortsProps {
  readonly title: string;
  readonly users: Users;
  readonly kind: string;
  readonly chosen: string | null;
}

function Ports({ title, users, kind, chosen }: PortsProps) {
  const rows = Object.entries(users)
    .flatMap(([uid, ports]) =>
      Object.entries(ports).map(([port, held]) => ({ uid, port, held, id: `${kind}-${uid}-${port}` })),
    )
    .sort((a, b) => Number(a.port) - Number(b.port));
  if (rows.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <table class="groups">
        <thead>
          <tr>
            <th scope="col">{kind === 'passive' ? 'Port' : 'Remote port'}</th>
            <th scope="col">User</th>
            <th scope="col" class="number">
              Sockets
            </th>
            <th scope="col" class="number">
              Established
            </th>
            <th scope="col">At</th>
          </tr>
        </thead>
        {rows.map(({ uid, port, held, id }) => (
          <tbody key={id}>
            <tr>
              <th scope="row">
                <button
                  type="button"
                  class="fold"
                  aria-expanded={chosen === id}
                  onClick={() => setParams({ port: chosen === id ? null : id })}
                >
                  {port}
                </button>
              </th>
              <td>{uid}</td>
              <td class="number">{formatCount(total(held.stats))}</td>
              <td class="number">{formatCount(of(held.stats, 'ESTABLISHED'))}</td>
              <td class="mono cut">{places(held)}</td>
            </tr>
            {chosen === id && (
              <tr>
                <td colSpan={5}>
                  <Sockets of={held} />
                </td>
              </tr>
            )}
          </tbody>
        ))}
      </table>
    </section>
  );
}

const places = ({ listeners, connections }: Port): string =>
  [
    ...new Set(
      (listeners ?? connections ?? []).map((socket) =>
        listeners ? `${socket.protocol} ${socket.local_address}` : socket.remote_address,
      ),
    ),
  ]
    .slice(0, 4)
    .join(', ');

function Sockets({ of: port }: { of: Port }) {
  const tooMany = [port.listeners, port.clients, port.connections].some((list) => list === null);
  const all = [...(port.listeners ?? []), ...(port.clients ?? []), ...(port.connections ?? [])];
  return (
    <ul class="commands">
      {tooMany && <li class="muted">More than 1000: only their numbers are kept.</li>}
      {all.map((socket) => (
        <li key={`${socket.protocol} ${socket.local_address} ${socket.remote_address}`}>
          <code>
            {socket.protocol} {socket.local_address} ↔ {socket.remote_address}
          </code>{' '}
          <span class="muted">{socket.state}</span>
        </li>
      ))}
    </ul>
  );
}
