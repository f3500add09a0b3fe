import './logs/logs.css';
import { datasetText } from '../../../src/verwalter/dataset-text.ts';
import { Frame } from '../cantal/frame.tsx';
import { usePoll } from '../cantal/poll.ts';
import { formatAge, shortHash } from '../format.ts';
import { asList, asNumber, asRecord, member } from '../json.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Link } from '../link.tsx';
import { Mark } from '../mark.tsx';
import { setParams } from '../place.ts';
import { nameOf, useNames } from './names.ts';

const everyMs = 5_000;
/** The whole schedule, only for the names of its roles. */
const rolesEveryMs = 60_000;

/** Why a role is on which node and not on others: ?role=NAME. */
export function WhyPage({ place }: PageProps) {
  const role = place.params.get('role');
  const { value: schedule, problem } = usePoll<unknown>('/v1/schedule', rolesEveryMs);
  const roles = rolesIn(member(schedule, 'data'));
  const shown = role ?? roles[0] ?? null;
  const names = role !== null && !roles.includes(role) ? [role, ...roles] : roles;
  return (
    <Frame title="Why" of={shown ?? undefined} problem={problem}>
      <section aria-label="Which role">
        <div class="pick">
          <label>
            Role
            <select value={shown ?? ''} onChange={(event) => setParams({ role: event.currentTarget.value })}>
              {names.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          {schedule !== null && roles.length === 0 && <p class="muted">The schedule has no roles.</p>}
        </div>
      </section>
      {shown !== null && <Explained key={shown} role={shown} />}
    </Frame>
  );
}

/** Names of all roles of a schedule. */
export function rolesIn(data: unknown): readonly string[] {
  const ofNodes = Object.values(asRecord(member(data, 'nodes'))).map((node) => member(node, 'roles'));
  const all = [member(data, 'roles'), member(data, 'explain'), ...ofNodes];
  return [...new Set(all.flatMap((each) => Object.keys(asRecord(each))))].sort();
}

/** Where a scheduler says what holds for all: what has no place on any node. */
const everyNode = '*';

function Explained({ role }: { role: string }) {
  const { value, problem } = usePoll<unknown>(`/v1/explain/${encodeURIComponent(role)}`, everyMs);
  if (value === null) return problem === null ? null : <p class="trouble">{problem}</p>;
  const nodes = Object.entries(asRecord(member(value, 'nodes')));
  const changes = asList(member(value, 'changes')).map(String);
  const hash = String(member(value, 'hash') ?? '');
  const hosts = nodes.filter(([host]) => host !== everyNode);
  const placed = hosts.filter(([, node]) => member(node, 'placed') === true).length;
  return (
    <>
      <section aria-labelledby="why-title">
        <div class="bar">
          <h2 id="why-title">
            {role} is on {placed} of {hosts.length} nodes
          </h2>
          <p class="muted">
            schedule <code title={hash}>{shortHash(hash)}</code>, confirmed{' '}
            {formatAge(asNumber(member(value, 'timestamp')), Date.now())} ago
          </p>
          <Link href={`/logs?role=${encodeURIComponent(role)}`}>its logs on this node</Link>
        </div>
        <table class="cards why">
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">State</th>
              <th scope="col">Instances</th>
              <th scope="col">Why</th>
              <th scope="col">Scores</th>
            </tr>
          </thead>
          <tbody>
            {nodes.map(([host, node]) => (
              <NodeRow key={host} host={host} node={node} />
            ))}
          </tbody>
        </table>
      </section>
      <Metrics metrics={member(value, 'metrics')} missing={asList(member(value, 'missing')).map(String)} />
      {changes.length > 0 && (
        <section aria-labelledby="changes-title">
          <h2 id="changes-title">Changed with this schedule</h2>
          <ul class="reason-list">
            {changes.map((change) => (
              <li key={change}>{change}</li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function NodeRow({ host, node }: { host: string; node: unknown }) {
  const isPlaced = member(node, 'placed') === true;
  const reasons = asList(member(node, 'reasons')).map(String);
  return (
    <tr>
      <th scope="row">{host === everyNode ? 'all nodes' : host}</th>
      <td data-label="State">
        {host !== everyNode && <Mark tone={isPlaced ? 'good' : 'idle'} />}
        {host === everyNode ? '–' : isPlaced ? 'placed' : 'not placed'}
      </td>
      <td data-label="Instances">{numbersOf(member(node, 'instances'), ' × ') || <span class="muted">none</span>}</td>
      <td data-label="Why" class="wrap">
        <div class="reason-list">
          {reasons.map((reason) => (
            <span key={reason}>{reason}</span>
          ))}
          {reasons.length === 0 && <span class="muted">the scheduler gave no reason</span>}
        </div>
      </td>
      <td data-label="Scores" class="wrap">
        {numbersOf(member(node, 'scores'), ' ') || <span class="muted">none</span>}
      </td>
    </tr>
  );
}

const numbersOf = (value: unknown, between: string): string =>
  Object.entries(asRecord(value))
    .map(([name, number]) => `${name}${between}${typeof number === 'number' ? Number(number.toPrecision(6)) : '?'}`)
    .join(', ');

function Metrics({ metrics, missing }: { metrics: unknown; missing: readonly string[] }) {
  const rows = Object.entries(asRecord(metrics)).flatMap(([host, rules]) =>
    Object.entries(asRecord(rules)).map(([rule, dataset]) => ({ host, rule, text: datasetText(dataset) })),
  );
  return (
    <section aria-labelledby="metrics-title">
      <h2 id="metrics-title">Metrics that the scheduler looked at</h2>
      {metrics === null && <LeaderOnly />}
      {metrics !== null && rows.length === 0 && <p class="muted">It looked at none.</p>}
      {missing.length > 0 && (
        <p class="warned">
          <Mark tone="warn" />
          None from {missing.join(', ')}: unknown, not zero.
        </p>
      )}
      {rows.length > 0 && (
        <table class="cards why">
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Metric</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ host, rule, text }) => (
              <tr key={`${host} ${rule}`}>
                <th scope="row">{host}</th>
                <td data-label="Metric" class="mono">
                  {rule}
                </td>
                <td data-label="Value" class="wrap">
                  {text}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function LeaderOnly() {
  const { value } = usePoll<unknown>('/v1/election', everyMs);
  const names = useNames();
  const leaderId = member(value, 'leaderId');
  const leader = names.find(({ id }) => id === leaderId);
  if (leader === undefined) return <p class="muted">Only the leader knows them, and there is none now.</p>;
  return (
    <p class="muted">
      Only the leader knows them:{' '}
      <a href={`http://${leader.addr}/why${location.search}`}>the same page of {nameOf(names, leader.id)}</a>
    </p>
  );
}
