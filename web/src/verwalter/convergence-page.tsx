import './logs/logs.css';
import type { Overview } from '../api.ts';
import { Frame } from '../cantal/frame.tsx';
import { formatAge, shortHash } from '../format.ts';
import { Link } from '../link.tsx';
import { useLive } from '../live.ts';
import { Mark, type Tone } from '../mark.tsx';
import { type Convergence, convergenceOf, type Progress } from './convergence.ts';

const tones: Readonly<Record<Progress, Tone>> = {
  converged: 'good',
  rendering: 'warn',
  fetching: 'warn',
  none: 'idle',
  failed: 'bad',
  unreachable: 'bad',
};

const words: Readonly<Record<Progress, string>> = {
  converged: 'converged',
  rendering: 'holds it, has not rendered it',
  fetching: 'holds another',
  none: 'no schedule yet',
  failed: 'roles failed',
  unreachable: 'not reachable',
};

/** How far each node is with the leader's schedule. */
export function ConvergencePage() {
  const { overview, connection, receivedAtMs } = useLive();
  const isLive = connection.kind === 'live';
  const now = overview === null ? 0 : overview.now + (isLive ? 0 : Date.now() - receivedAtMs);
  return (
    <Frame title="Convergence" of={overview?.clusterName} connection={connection}>
      {overview !== null && <Nodes overview={overview} now={now} />}
    </Frame>
  );
}

function Nodes({ overview, now }: { overview: Overview; now: number }) {
  const all = convergenceOf(overview);
  const done = all.filter(({ progress }) => progress === 'converged').length;
  const leader = overview.nodes.find(({ id }) => id === overview.leaderId);
  const hash = leader?.scheduleHash ?? overview.schedule?.hash ?? null;
  return (
    <section aria-labelledby="convergence-title">
      <div class="bar">
        <h2 id="convergence-title">
          {done} of {all.length} nodes have converged on <code title={hash ?? undefined}>{shortHash(hash)}</code>
        </h2>
        <p class="muted">
          {leader === undefined
            ? 'there is no leader: each keeps what it has'
            : `the schedule of ${leader.hostname}, which leads in epoch ${overview.epoch}`}
        </p>
      </div>
      <table class="cards plain-numbers">
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">State</th>
            <th scope="col">Holds</th>
            <th scope="col">Rendered</th>
            <th scope="col" class="number">
              Confirmed
            </th>
            <th scope="col">Failed roles and errors</th>
          </tr>
        </thead>
        <tbody>
          {all.map((each) => (
            <Row key={each.node.id} of={each} self={overview.self} now={now} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ of: { node, progress }, self, now }: { of: Convergence; self: string; now: number }) {
  const logs = (role: string): string => `/logs?role=${encodeURIComponent(role)}`;
  return (
    <tr>
      <th scope="row">
        {node.id === self ? node.hostname : <a href={`http://${node.addr}/convergence`}>{node.hostname}</a>}
        {node.leader && <span class="badge leader">leader</span>}
      </th>
      <td data-label="State">
        <Mark tone={tones[progress]} />
        {words[progress]}
      </td>
      <td data-label="Holds">
        <code title={node.scheduleHash ?? undefined}>{shortHash(node.scheduleHash)}</code>
      </td>
      <td data-label="Rendered">
        <code title={node.renderedHash ?? undefined}>{shortHash(node.renderedHash)}</code>
      </td>
      <td data-label="Confirmed" class="number">
        {node.scheduleTimestamp === null ? 'never' : `${formatAge(node.scheduleTimestamp, now)} ago`}
      </td>
      <td data-label="Failed roles and errors" class="wrap">
        <div class="reason-list">
          {node.failedRoles.map((role) => (
            <span key={role}>
              <Mark tone="bad" />
              {node.id === self ? (
                <Link href={logs(role)}>{role}</Link>
              ) : (
                <a href={`http://${node.addr}${logs(role)}`}>{role}</a>
              )}
            </span>
          ))}
          {node.errors.map((error) => (
            <span key={error}>{error}</span>
          ))}
          {node.failedRoles.length + node.errors.length === 0 && <span class="muted">none</span>}
        </div>
      </td>
    </tr>
  );
}
