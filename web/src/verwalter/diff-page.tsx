import './logs/logs.css';
import { useState } from 'preact/hooks';
import { Frame } from '../cantal/frame.tsx';
import { usePoll } from '../cantal/poll.ts';
import { formatCount, shortHash } from '../format.ts';
import { asList } from '../json.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Mark, type Tone } from '../mark.tsx';
import { setParams } from '../place.ts';
import { clock } from './clock.ts';
import { type Move, otherDifferences, scheduleMoves } from './schedule-diff.ts';
import { type Held, useSchedule } from './schedule-source.ts';
import { currentName } from './schedule-url.ts';

const backupsEveryMs = 60_000;
const shownAtFirst = 200;

/** What another schedule means: ?from=…&to=…, each "current", a hash or a snapshot. */
export function DiffPage({ place }: PageProps) {
  const { value, problem } = usePoll<unknown>('/v1/backups', backupsEveryMs);
  const backups = asList(value).map(String);
  const from = place.params.get('from') ?? oldestHourOf(backups);
  const to = place.params.get('to') ?? currentName;
  const [before, after] = [useSchedule(from), useSchedule(to)];
  return (
    <Frame title="Schedule diff" problem={problem}>
      <section aria-label="Which schedules">
        <div class="pick">
          <Pick name="from" title="From" value={from} backups={backups} />
          <Pick name="to" title="To" value={to} backups={backups} />
          <button type="button" onClick={() => setParams({ from: to, to: from })}>
            Swap
          </button>
        </div>
        <p class="muted note">
          <code>current</code>, a snapshot, or the hash of one of the last eight schedules of this node.
        </p>
      </section>
      <Difference before={before} after={after} />
    </Frame>
  );
}

/** A change of today is looked for most often: the oldest of the hours that are kept. */
const oldestHourOf = (backups: readonly string[]): string =>
  backups.filter((name) => name.startsWith('hourly-')).at(-1) ?? backups.at(-1) ?? '';

interface PickProps {
  readonly name: 'from' | 'to';
  readonly title: string;
  readonly value: string;
  readonly backups: readonly string[];
}

function Pick({ name, title, value, backups }: PickProps) {
  const list = `schedules-${name}`;
  return (
    <label>
      {title}
      <input
        type="text"
        list={list}
        value={value}
        spellcheck={false}
        onChange={(event) => setParams({ [name]: event.currentTarget.value.trim() })}
      />
      <datalist id={list}>
        {[currentName, ...backups].map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </label>
  );
}

function Difference({ before, after }: { before: Held; after: Held }) {
  for (const held of [before, after]) if (held.kind === 'problem') return <p class="trouble">{held.problem}</p>;
  if (before.kind === 'none' || after.kind === 'none') {
    return (
      <section>
        <p class="muted">There is no snapshot yet: choose two schedules above.</p>
      </section>
    );
  }
  if (before.kind !== 'schedule' || after.kind !== 'schedule') return <section aria-busy="true" />;
  const moves = scheduleMoves(before.data, after.data);
  const others = otherDifferences(before.data, after.data);
  const now = Date.now();
  const label = ({ hash, timestampMs }: typeof before) => (
    <>
      <code title={hash}>{shortHash(hash)}</code>
      {timestampMs !== null && ` of ${clock(timestampMs, now)}`}
    </>
  );
  return (
    <section aria-labelledby="moves-title">
      <div class="bar">
        <h2 id="moves-title">{before.hash === after.hash ? 'The same schedule' : headline(moves)}</h2>
        <p class="muted">
          {label(before)} → {label(after)}
        </p>
      </div>
      {moves.length > 0 && <Moves moves={moves} />}
      {others.length > 0 && (
        <p class="note">
          Beside what runs where, these differ:{' '}
          {others.map((path) => (
            <code key={path} class="other-part">
              {path}
            </code>
          ))}
        </p>
      )}
    </section>
  );
}

function headline(moves: readonly Move[]): string {
  if (moves.length === 0) return 'Nothing starts, stops or moves';
  const sum = (kind: Move['kind']): number =>
    moves.filter((move) => move.kind === kind).reduce((total, { count }) => total + count, 0);
  const parts = (['started', 'stopped', 'moved', 'changed'] as const).flatMap((kind) =>
    sum(kind) === 0 ? [] : [`${formatCount(sum(kind))} ${kind}`],
  );
  return parts.join(', ');
}

const tones: Readonly<Record<Move['kind'], Tone>> = { started: 'good', stopped: 'bad', moved: 'warn', changed: 'idle' };

function Moves({ moves }: { moves: readonly Move[] }) {
  const [most, setMost] = useState(shownAtFirst);
  return (
    <>
      <table class="cards moves">
        <thead>
          <tr>
            <th scope="col">Role</th>
            <th scope="col">What</th>
            <th scope="col">Node</th>
            <th scope="col">Daemon</th>
            <th scope="col">Instances there</th>
            <th scope="col">How</th>
          </tr>
        </thead>
        <tbody>
          {moves.slice(0, most).map((move) => (
            <tr key={`${move.role} ${move.daemon} ${move.node} ${move.kind} ${move.fromNode}`}>
              <th scope="row">{move.role}</th>
              <td data-label="What">
                <Mark tone={tones[move.kind]} />
                {move.count} {move.kind}
              </td>
              <td data-label="Node">{move.node}</td>
              <td data-label="Daemon">{move.daemon || <span class="muted">the role itself</span>}</td>
              <td data-label="Instances there">
                {move.before === move.after ? move.after : `${move.before} → ${move.after}`}
              </td>
              <td data-label="How" class="wrap">
                {move.fromNode !== undefined && `from ${move.fromNode}`}
                {move.keys !== undefined && `other ${move.keys.join(', ')}`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {moves.length > most && (
        <p class="note">
          <button type="button" class="plain" onClick={() => setMost(most * 10)}>
            Show more of {formatCount(moves.length)}
          </button>
        </p>
      )}
    </>
  );
}
