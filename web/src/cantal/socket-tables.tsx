import { formatBytes, formatCount } from '../format.ts';
import { Link } from '../link.tsx';
import { setParams } from '../place.ts';
import { ProcessList } from './process-list.tsx';
import type { Process } from './process-tree.ts';
import {
  busiest,
  countOf,
  mostPorts,
  type Port,
  type PortRow,
  placesOf,
  portRows,
  runsOf,
  type SocketTable,
  type Stats,
  totalOf,
} from './sockets.ts';

interface UsersProps {
  readonly sockets: SocketTable;
  readonly processes: readonly Process[];
}

export function Users({ sockets, processes }: UsersProps) {
  const byUser = Map.groupBy(processes, ({ uid }) => String(uid));
  const uids = [...new Set([...Object.keys(sockets.by_user), ...byUser.keys()])].sort((a, b) => Number(a) - Number(b));
  return (
    <section aria-labelledby="users-title">
      <div class="bar">
        <h2 id="users-title">Users</h2>
        <p class="muted">{uids.length}</p>
      </div>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">User</th>
            <th scope="col" class="number">
              Processes
            </th>
            <th scope="col" class="number">
              Listening
            </th>
            <th scope="col" class="number">
              Established
            </th>
            <th scope="col" class="number">
              Sockets
            </th>
            <th scope="col" class="number">
              To be read
            </th>
            <th scope="col" class="number">
              To be sent
            </th>
            <th scope="col">Runs</th>
          </tr>
        </thead>
        <tbody>
          {uids.map((uid) => {
            const own = byUser.get(uid) ?? [];
            return (
              <tr key={uid}>
                <th scope="row">
                  <Link href={`/local/network?uid=${uid}`}>uid {uid}</Link>
                </th>
                <td class="number" data-label="Processes">
                  {formatCount(own.length)}
                </td>
                <StatsCells stats={sockets.by_user[uid] ?? nothing} />
                <td class="cut muted" data-label="Runs">
                  {runsOf(own)}
                </td>
              </tr>
            );
          })}
          <tr class="total">
            <th scope="row">all</th>
            <td class="number" data-label="Processes">
              {formatCount(processes.length)}
            </td>
            <StatsCells stats={sockets.global} />
            <td />
          </tr>
        </tbody>
      </table>
    </section>
  );
}

const nothing: Stats = { by_state: {}, rx_queue: 0, tx_queue: 0 };

function StatsCells({ stats }: { stats: Stats }) {
  return (
    <>
      <td class="number" data-label="Listening">
        {formatCount(countOf(stats, 'LISTEN'))}
      </td>
      <td class="number" data-label="Established">
        {formatCount(countOf(stats, 'ESTABLISHED'))}
      </td>
      <td class="number" data-label="Sockets">
        {formatCount(totalOf(stats))}
      </td>
      <td class="number" data-label="To be read">
        {formatBytes(stats.rx_queue)}
      </td>
      <td class="number" data-label="To be sent">
        {formatBytes(stats.tx_queue)}
      </td>
    </>
  );
}

interface DetailProps extends UsersProps {
  readonly uid: string;
  /** The port whose sockets are listed. */
  readonly opened: string | null;
}

export function UserDetail({ uid, sockets, processes, opened }: DetailProps) {
  const own = processes.filter((process) => String(process.uid) === uid && process.cmdline !== '');
  return (
    <>
      <section aria-labelledby="user-title">
        <div class="bar">
          <h2 id="user-title">User {uid}</h2>
          <Link href="/local/network">all users</Link>
        </div>
        <p class="muted">{runsOf(own) || 'No program of this user runs now.'}</p>
      </section>
      <Ports title="Serves" kind="passive" rows={portRows('passive', sockets.passive, uid)} opened={opened} />
      <Ports title="Asks" kind="active" rows={portRows('active', sockets.active, uid)} opened={opened} />
      <section aria-labelledby="own-title">
        <div class="bar">
          <h2 id="own-title">Processes</h2>
          <p class="muted">{own.length}</p>
        </div>
        <ProcessList label="Processes" processes={own} />
      </section>
    </>
  );
}

export function PortsInUse({ sockets, opened }: { sockets: SocketTable; opened: string | null }) {
  return (
    <>
      <Ports title="Ports in use" kind="passive" rows={portRows('passive', sockets.passive, null)} opened={opened} />
      <Ports
        title="Ports of others, asked"
        kind="active"
        rows={portRows('active', sockets.active, null)}
        opened={opened}
      />
    </>
  );
}

interface PortsProps {
  readonly title: string;
  readonly kind: 'passive' | 'active';
  readonly rows: readonly PortRow[];
  readonly opened: string | null;
}

function Ports({ title, kind, rows, opened }: PortsProps) {
  return (
    <section aria-label={title}>
      <div class="bar">
        <h2>{title}</h2>
        <p class="muted">
          {rows.length > mostPorts ? `the ${mostPorts} busiest of ${formatCount(rows.length)}` : rows.length}
        </p>
      </div>
      {rows.length === 0 ? (
        <p class="muted">{kind === 'passive' ? 'Nothing listens.' : 'There is no connection to elsewhere.'}</p>
      ) : (
        <table class="ports">
          <thead>
            <tr>
              <th scope="col">Port</th>
              <th scope="col">User</th>
              <th scope="col" class="number">
                Sockets
              </th>
              <th scope="col" class="number">
                Established
              </th>
              <th scope="col">{kind === 'passive' ? 'Listens at' : 'Asks'}</th>
            </tr>
          </thead>
          {busiest(rows).map(({ uid, port, held, id }) => (
            <tbody key={id}>
              <tr>
                <th scope="row">
                  <button
                    type="button"
                    class="fold"
                    aria-expanded={opened === id}
                    onClick={() => setParams({ port: opened === id ? null : id })}
                  >
                    {port}
                  </button>
                </th>
                <td data-label="user">
                  <Link href={`/local/network?uid=${uid}`}>{uid}</Link>
                </td>
                <td class="number" data-label="sockets">
                  {formatCount(totalOf(held.stats))}
                </td>
                <td class="number" data-label="used">
                  {formatCount(countOf(held.stats, 'ESTABLISHED'))}
                </td>
                <td class="mono wrap">{placesOf(held)}</td>
              </tr>
              {opened === id && (
                <tr>
                  <td colSpan={5}>
                    <Sockets of={held} />
                  </td>
                </tr>
              )}
            </tbody>
          ))}
        </table>
      )}
    </section>
  );
}

function Sockets({ of: port }: { of: Port }) {
  const tooMany = [port.listeners, port.clients, port.connections].some((list) => list === null);
  const all = [...(port.listeners ?? []), ...(port.clients ?? []), ...(port.connections ?? [])];
  return (
    <>
      <p class="muted">
        {Object.entries(port.stats.by_state)
          .map(([state, count]) => `${formatCount(count)} ${state}`)
          .join(', ')}
        ; {formatBytes(port.stats.rx_queue)} to be read, {formatBytes(port.stats.tx_queue)} to be sent
      </p>
      <ul class="commands">
        {tooMany && <li class="muted">More than 1000: only their numbers are kept.</li>}
        {all.map((socket, index) => (
          <li key={`${index} ${socket.local_address} ${socket.remote_address}`}>
            <code>
              {socket.protocol ?? 'tcp'} {socket.local_address} ↔ {socket.remote_address}
            </code>{' '}
            <span class="muted">{socket.state}</span>
          </li>
        ))}
      </ul>
    </>
  );
}
