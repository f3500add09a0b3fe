import './logs.css';
import { useState } from 'preact/hooks';
import { Frame } from '../../cantal/frame.tsx';
import { usePoll } from '../../cantal/poll.ts';
import { formatAge, formatBytes, formatCount, formatDuration } from '../../format.ts';
import { asList, member } from '../../json.ts';
import type { PageProps } from '../../lazy-page.tsx';
import { Link } from '../../link.tsx';
import { Mark, type Tone } from '../../mark.tsx';
import { setParams } from '../../place.ts';
import { clock } from '../clock.ts';
import { type Deployment, groupDeployments, type IndexEntry, ofRole, type RoleRender } from './deployments.ts';
import { logTitle, tailHref } from './log-address.ts';
import { OtherNodes } from './nodes-line.tsx';
import { useIndex } from './use-index.ts';

const rolesEveryMs = 10_000;
/** More at a click. */
const shownAtFirst = 50;

/** Deployments of this node, newest first; of one role with ?role=, each line of the index with ?raw=1. */
export function LogsPage({ place }: PageProps) {
  const { read, isPart, problem } = useIndex();
  const { value: logs } = usePoll<unknown>('/v1/log', rolesEveryMs);
  const role = place.params.get('role');
  const isRaw = place.params.get('raw') === '1';
  const names = new Set(asList(member(logs, 'roles')).map(String));
  if (role !== null) names.add(role);
  return (
    <Frame title="Logs" problem={problem}>
      <section aria-labelledby="deployments-title">
        <div class="bar">
          <h2 id="deployments-title">Deployments</h2>
          {role !== null && <Link href={`/why?role=${encodeURIComponent(role)}`}>why {role} is where it is</Link>}
          <Choice role={role} roles={[...names].sort()} isRaw={isRaw} />
        </div>
        {read !== null && <Shown key={`${role} ${isRaw}`} entries={read.entries} role={role} isRaw={isRaw} />}
        {isPart && (
          <p class="muted note">
            This is the last MiB of the index; older deployments are in its files:{' '}
            <Link href={tailHref({ log: 'index', file: 'latest', offset: 0 })}>index</Link>.
          </p>
        )}
        {read !== null && read.broken > 0 && (
          <p class="trouble">
            {formatCount(read.broken)} {read.broken === 1 ? 'line' : 'lines'} of the index cannot be read.
          </p>
        )}
        <OtherNodes path={`/logs${role === null ? '' : `?role=${encodeURIComponent(role)}`}`} />
      </section>
      <Others external={asList(member(logs, 'external')).map(String)} />
    </Frame>
  );
}

function Choice({ role, roles, isRaw }: { role: string | null; roles: readonly string[]; isRaw: boolean }) {
  return (
    <div class="search log-choice">
      <label>
        Role{' '}
        <select value={role ?? ''} onChange={(event) => setParams({ role: event.currentTarget.value || null })}>
          <option value="">all</option>
          {roles.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <input
          type="checkbox"
          checked={isRaw}
          onChange={(event) => setParams({ raw: event.currentTarget.checked ? '1' : null })}
        />{' '}
        each mark of the index
      </label>
    </div>
  );
}

interface ShownProps {
  readonly entries: readonly IndexEntry[];
  readonly role: string | null;
  readonly isRaw: boolean;
}

function Shown({ entries, role, isRaw }: ShownProps) {
  const [most, setMost] = useState(shownAtFirst);
  const marks = isRaw ? entries.filter(({ place }) => role === null || place.log === `role/${role}`).toReversed() : [];
  const deployments = isRaw ? [] : ofRole(groupDeployments(entries), role);
  const count = isRaw ? marks.length : deployments.length;
  if (count === 0) {
    return (
      <p class="muted">
        {role === null ? 'Nothing was rendered on this node yet.' : `Nothing of ${role} was rendered on this node.`}
      </p>
    );
  }
  return (
    <>
      {isRaw ? <Marks marks={marks.slice(0, most)} /> : <Deployments all={deployments.slice(0, most)} />}
      {count > most && (
        <p class="note">
          <button type="button" class="plain" onClick={() => setMost(most * 4)}>
            Show more of {formatCount(count)}
          </button>
        </p>
      )}
    </>
  );
}

const outcomes: Readonly<Record<Deployment['outcome'], Tone>> = { finished: 'good', failed: 'bad', running: 'warn' };

function Deployments({ all }: { all: readonly Deployment[] }) {
  const now = Date.now();
  return (
    <table class="cards grouped deployments">
      <thead>
        <tr>
          <th scope="col">Role</th>
          <th scope="col">Log</th>
          <th scope="col" class="number">
            Written
          </th>
          <th scope="col" class="number">
            Took
          </th>
          <th scope="col">Render files</th>
          <th scope="col">Logs of its programs</th>
        </tr>
      </thead>
      {all.map((deployment) => (
        <tbody key={deployment.id}>
          <tr class="group">
            <th scope="rowgroup" colSpan={6}>
              <Mark tone={outcomes[deployment.outcome]} />
              {deployment.outcome}{' '}
              <span title={new Date(deployment.startMs).toISOString()}>{clock(deployment.startMs, now)}</span>{' '}
              <span class="muted">
                {formatAge(deployment.startMs, now)} ago
                {deployment.endMs !== null && `, took ${formatTook(deployment.endMs - deployment.startMs)}`}
              </span>
              <span class="deployment-links">
                {deployment.global !== null && <Link href={tailHref(deployment.global)}>its log</Link>}
                {deployment.changes !== null && <Link href={tailHref(deployment.changes)}>changes</Link>}
                <code class="muted">{deployment.id}</code>
              </span>
            </th>
          </tr>
          {deployment.roles.map((role) => (
            <RoleRow key={`${role.role} ${role.place.offset}`} role={role} />
          ))}
        </tbody>
      ))}
    </table>
  );
}

function RoleRow({ role }: { role: RoleRender }) {
  return (
    <tr>
      <th scope="row">
        <Link href={`/logs?role=${encodeURIComponent(role.role)}`}>{role.role}</Link>
      </th>
      <td data-label="Log">
        <Link href={tailHref(role.place)}>view from here</Link>
      </td>
      <td data-label="Written" class="number">
        {formatBytes(role.bytes)}
      </td>
      <td data-label="Took" class="number">
        {role.endMs === null ? 'not ended' : formatTook(role.endMs - role.startMs)}
      </td>
      <td data-label="Render files" class="wrap">
        {role.actions.length === 0 && <span class="muted">none came to its commands</span>}
        {role.actions.map(({ file, finished, place }) => (
          <span key={place.offset} class="each" title={file}>
            {!finished && <Mark tone="bad" />}
            <Link href={tailHref(place)}>{templatePath(file)}</Link>
            {!finished && ' did not finish'}
          </span>
        ))}
      </td>
      <td data-label="Logs of its programs" class="wrap">
        {role.external.map((place) => (
          <span key={`${place.log} ${place.file}`} class="each">
            <Link href={tailHref(place)}>{`${place.log.slice(place.log.indexOf('/') + 1)}/${place.file}`}</Link>
          </span>
        ))}
      </td>
    </tr>
  );
}

/** The folder of the configuration is the same for all. */
const templatePath = (file: string): string => file.replace(/^.*\/templates\//, '');
const formatTook = (ms: number): string => (ms < 1000 ? `${ms} ms` : formatDuration(ms));

function Marks({ marks }: { marks: readonly IndexEntry[] }) {
  const now = Date.now();
  return (
    <table class="cards marks">
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Mark</th>
          <th scope="col">Log</th>
          <th scope="col" class="number">
            Byte
          </th>
          <th scope="col">Deployment</th>
        </tr>
      </thead>
      <tbody>
        {marks.map(({ atMs, id, place, marker, detail }, index) => (
          <tr key={marks.length - index}>
            <th scope="row" title={new Date(atMs).toISOString()}>
              {clock(atMs, now)}
            </th>
            <td data-label="Mark">
              {marker}
              {detail !== null && (
                <span class="muted" title={detail}>
                  {' '}
                  {templatePath(detail)}
                </span>
              )}
            </td>
            <td data-label="Log">
              {logTitle(place.log)} <Link href={tailHref(place)}>view from here</Link>
            </td>
            <td data-label="Byte" class="number">
              {formatCount(place.offset)}
            </td>
            <td class="mono muted">{id}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Logs beside those of deployments. */
function Others({ external }: { external: readonly string[] }) {
  const tail = (log: 'global' | 'changes' | 'index') => tailHref({ log, file: 'latest', offset: 'end' });
  return (
    <section aria-labelledby="others-title">
      <h2 id="others-title">Whole logs</h2>
      <ul class="others">
        <li>
          <Link href={tail('global')}>deployments</Link>{' '}
          <span class="muted">what the scheduler said, on the leader</span>
        </li>
        <li>
          <Link href={tail('changes')}>changes</Link> <span class="muted">sentence by sentence</span>
        </li>
        <li>
          <Link href={tail('index')}>index</Link>
        </li>
        {external.map((alias) => (
          <li key={alias}>
            <Link href={`/logs/tail?log=${encodeURIComponent(`external/${alias}`)}`}>{alias}</Link>{' '}
            <span class="muted">another program’s log</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
