import { formatAge, formatCount, unknown } from '../format.ts';
import { Link } from '../link.tsx';
import { Mark } from '../mark.tsx';
import { type Connection, connectionsOf } from './connections.ts';
import { Frame } from './frame.tsx';
import { peerFacts } from './peer-facts.ts';
import { usePoll } from './poll.ts';
import { remoteEveryMs } from './remote.ts';

/** The connections over which this agent asks the others (GET /remote_stats). */
export function RemoteListPage() {
  const { value, problem, missing } = usePoll<unknown>('/remote_stats', remoteEveryMs);
  const { value: peers } = usePoll<unknown>('/all_peers', remoteEveryMs);
  const connections = connectionsOf(value, peerFacts(peers, null, Date.now()));
  return (
    <Frame title="Connections" problem={missing ? null : problem}>
      <section aria-labelledby="connections-title">
        <div class="bar">
          <h2 id="connections-title">Connections to other agents</h2>
          <p class="muted">
            {connections.filter(({ connected }) => connected).length} of {connections.length}
          </p>
        </div>
        {missing ? (
          <p class="muted">This agent holds no connections: it asks each host anew.</p>
        ) : (
          value !== null &&
          connections.length === 0 && (
            <p class="muted">
              There are none: nobody has asked for all hosts in the last minutes. A page of all hosts opens them, or{' '}
              <Link href="/remote/enable">enable them</Link>.
            </p>
          )
        )}
        {connections.length > 0 && <Connections all={connections} />}
      </section>
    </Frame>
  );
}

function Connections({ all }: { all: readonly Connection[] }) {
  const now = Date.now();
  return (
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">Host</th>
          <th scope="col">State</th>
          <th scope="col">Address</th>
          <th scope="col">Last attempt</th>
          <th scope="col" class="number">
            Beacon
          </th>
          <th scope="col" class="number">
            Values
          </th>
          <th scope="col" class="number">
            Its peers
          </th>
          <th scope="col" class="number">
            Clock
          </th>
        </tr>
      </thead>
      <tbody>
        {all.map((each) => (
          <tr key={each.id}>
            <th scope="row" title={each.id}>
              <a href={`http://${each.addr}/local/status`}>{each.hostname}</a>
            </th>
            <td data-label="State">
              <Mark tone={each.connected ? 'good' : 'warn'} />
              {each.connected ? 'connected' : 'not connected'}
            </td>
            <td data-label="Address" class="mono">
              {each.addr || unknown}
            </td>
            <td data-label="Last attempt" class="wrap">
              {each.lastAttemptReason}{' '}
              {each.lastAttemptAt === null ? (
                unknown
              ) : (
                <span class="muted">{formatAge(each.lastAttemptAt, now)} ago</span>
              )}
            </td>
            <td data-label="Beacon" class="number">
              {each.beaconAt === null ? unknown : `${formatAge(each.beaconAt, now)} ago`}
            </td>
            <td data-label="Values" class="number">
              {formatCount(each.values)}
            </td>
            <td data-label="Its peers" class="number">
              {formatCount(each.peers)}
            </td>
            <td data-label="Clock" class="number">
              {each.clockMs === null ? unknown : `${each.clockMs > 0 ? '+' : ''}${Math.round(each.clockMs)} ms`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
