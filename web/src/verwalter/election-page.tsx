import './logs/logs.css';
import { Frame } from '../cantal/frame.tsx';
import { usePoll } from '../cantal/poll.ts';
import { formatAge, formatCount, unknown } from '../format.ts';
import { Mark, type Tone } from '../mark.tsx';
import { clock } from './clock.ts';
import { type Election, electionWords, readElection, type Turn } from './election.ts';
import { type Named, nameOf, useNames } from './names.ts';

const everyMs = 1_000;
const tones: Readonly<Record<string, Tone>> = { leader: 'good', follower: 'good' };

/** Who leads, and how it came to it, as this node sees it. */
export function ElectionPage() {
  const { value, problem } = usePoll<unknown>('/v1/election', everyMs);
  const names = useNames();
  const election = readElection(value);
  return (
    <Frame title="Election" problem={problem}>
      {election !== null && <State election={election} names={names} />}
      {election !== null && <Counts election={election} />}
      {election?.timeline != null && <Timeline turns={election.timeline} names={names} />}
    </Frame>
  );
}

function State({ election, names }: { election: Election; names: readonly Named[] }) {
  const { state, epoch, leaderId, votes, needed, known, visible, endsInMs, votedFor } = election;
  const leader = names.find(({ id }) => id === leaderId);
  return (
    <section aria-labelledby="election-title">
      <div class="bar">
        <h2 id="election-title">
          <Mark tone={tones[state] ?? 'warn'} />
          {state}
        </h2>
        <p class="muted">this node {electionWords(state)}</p>
      </div>
      <dl class="figures">
        <Fact term="Leader">
          {leaderId === null ? 'none' : nameOf(names, leaderId)}
          {leader !== undefined && leader !== names[0] && (
            <>
              {' '}
              <a href={`http://${leader.addr}/election`}>its page</a>
            </>
          )}
        </Fact>
        <Fact term="Epoch">{formatCount(epoch)}</Fact>
        <Fact term="Votes for this node">
          {votes.length} of {needed ?? unknown} needed
          {votes.length > 0 && <span class="muted"> ({votes.map((id) => nameOf(names, id)).join(', ')})</span>}
        </Fact>
        <Fact term="Voted for">{votedFor === null ? 'nobody' : nameOf(names, votedFor)}</Fact>
        <Fact term="Nodes seen of those known">
          {visible ?? unknown} of {known ?? unknown}
        </Fact>
        <Fact term={state === 'leader' ? 'Next ping' : 'Deadline'}>
          {endsInMs === null ? unknown : `in ${formatCount(Math.max(0, endsInMs))} ms`}
        </Fact>
        <Fact term="What it knows of its peers">{election.peersAreFresh ? 'is fresh' : 'is old: it does nothing'}</Fact>
        <Fact term="A minority may lead">{election.allowMinority ? 'yes' : 'no'}</Fact>
      </dl>
    </section>
  );
}

function Fact({ term, children }: { term: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Counts({ election: { counts } }: { election: Election }) {
  if (counts.length === 0) return null;
  return (
    <section aria-labelledby="counts-title">
      <h2 id="counts-title">Since this agent started</h2>
      <dl class="figures">
        {counts.map(([name, count]) => (
          <Fact key={name} term={words(name)}>
            {formatCount(count)}
          </Fact>
        ))}
      </dl>
    </section>
  );
}

/** "electionsStarted" → "elections started" */
const words = (name: string): string =>
  name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll('_', ' ');

function Timeline({ turns, names }: { turns: readonly Turn[]; names: readonly Named[] }) {
  const now = Date.now();
  return (
    <section aria-labelledby="timeline-title">
      <h2 id="timeline-title">Timeline</h2>
      {turns.length === 0 ? (
        <p class="muted">Nothing has changed since this agent started.</p>
      ) : (
        <table class="cards plain-numbers">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col" class="number">
                Ago
              </th>
              <th scope="col" class="number">
                Epoch
              </th>
              <th scope="col">This node</th>
              <th scope="col">Leader</th>
            </tr>
          </thead>
          <tbody>
            {turns.map(({ atMs, epoch, role, leader }) => (
              <tr key={`${atMs} ${epoch} ${role}`}>
                <th scope="row" title={new Date(atMs).toISOString()}>
                  {clock(atMs, now)}
                </th>
                <td data-label="Ago" class="number">
                  {formatAge(atMs, now)}
                </td>
                <td data-label="Epoch" class="number">
                  {formatCount(epoch)}
                </td>
                <td data-label="This node">
                  <Mark tone={tones[role] ?? 'warn'} />
                  {role}
                </td>
                <td data-label="Leader">{leader === null ? 'none' : nameOf(names, leader)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
