import '../../cantal/cantal.css';
import './roles.css';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Overview } from '../../api.ts';
import { usePoll } from '../../cantal/poll.ts';
import { ConnectionState } from '../../connection-state.tsx';
import { formatCount, shortHash } from '../../format.ts';
import { Link } from '../../link.tsx';
import type { Live } from '../../live.ts';
import { Mark, type Tone } from '../../mark.tsx';
import { ConfirmDialog } from './confirm.tsx';
import { setExpert, useExpert } from './expert.ts';
import { logsHref, sameOn } from './links.ts';
import { type Situation, situationOf } from './node-state.ts';
import { ActingContext, PressButton, PressedList } from './press-button.tsx';
import { roleNames } from './role-facts.ts';
import { SchedulerLog } from './scheduler-log.tsx';

interface Props {
  readonly title: string;
  /** Beside the title; default: the cluster. */
  readonly of?: ComponentChildren;
  readonly live: Live;
  readonly token: string | null;
  /** What of the schedule was not understood, in sentences. */
  readonly odd?: readonly string[];
  readonly children: (overview: Overview, now: number) => ComponentChildren;
}

const statusEveryMs = 5_000;

/** What stands on every page about roles: who leads, whether the schedule is held here, and what fails. */
export function Frame({ title, of, live, token, odd, children }: Props) {
  const { value: status } = usePoll<unknown>('/v1/status', statusEveryMs);
  const { overview } = live;
  const isLive = live.connection.kind === 'live';
  const situation = overview === null ? null : situationOf(overview, status);
  useEffect(() => {
    document.title = `${title} · Stellwerk`;
  }, [title, overview === null]);
  return (
    <ActingContext.Provider value={{ token, leader: overview?.leaderId ?? null }}>
      <header class="top host">
        <div class="brand">
          <h1>{title}</h1>
          <p class="muted">
            {of ?? (overview && `${overview.clusterName}, seen from ${situation?.self?.hostname ?? ''}`)}
          </p>
        </div>
        <ConnectionState live={live} />
        {overview && situation && <Facts overview={overview} situation={situation} />}
      </header>
      {overview === null || situation === null ? (
        <main class="empty">
          <p>Waiting for the first overview from this node’s agent…</p>
        </main>
      ) : (
        <main class={isLive ? undefined : 'stale'}>
          <Notices situation={situation} />
          {children(overview, overview.now + (isLive ? 0 : Date.now() - live.receivedAtMs))}
          <Odd sentences={odd ?? []} />
        </main>
      )}
      <PressedList />
      <ConfirmDialog />
    </ActingContext.Provider>
  );
}

const statusTones: Readonly<Record<string, Tone>> = { ok: 'good', fetching: 'warn', waiting: 'warn', unstable: 'bad' };

function Facts({ overview, situation }: { overview: Overview; situation: Situation }) {
  const expert = useExpert();
  const { leader, leads, scheduleStatus, fetchState, errorBadge, errors } = situation;
  const roles = roleNames(overview.schedule?.data).length;
  return (
    <div class="scheduling">
      <p>
        <Link href="/roles">{roles === 1 ? '1 role' : `${formatCount(roles)} roles`}</Link> on{' '}
        <Link href="/servers">
          {overview.nodes.length === 1 ? '1 server' : `${formatCount(overview.nodes.length)} servers`}
        </Link>
        <span class="muted"> · {overview.version}</span>
      </p>
      <p>
        {leader === null ? (
          <b class="warned">no leader</b>
        ) : leads ? (
          <>
            <b>{leader.hostname}</b> leads
          </>
        ) : (
          <>
            <a href={sameOn(leader.addr)} title="The same page there">
              {leader.hostname}
            </a>{' '}
            leads
          </>
        )}
        {scheduleStatus !== null && (
          <span title={`here: ${fetchState ?? 'unknown'}`}>
            {' · '}
            <Mark tone={statusTones[scheduleStatus] ?? 'idle'} />
            {fetchState}: schedule {scheduleStatus}
          </span>
        )}
      </p>
      {errorBadge !== null && (
        <span class="badge bad" title={errors.join('\n')}>
          {errorBadge}
        </span>
      )}
      {leads && <SchedulerLog />}
      <label class="expert">
        <input type="checkbox" checked={expert} onChange={(event) => setExpert(event.currentTarget.checked)} /> expert
      </label>
    </div>
  );
}

/** What a person must not overlook. */
function Notices({ situation }: { situation: Situation }) {
  const { forcedLeader, held, self, failing, errors } = situation;
  return (
    <>
      {forcedLeader && (
        <p class="notice bad" role="alert">
          <b>This node leads by force</b> (--debug-force-leader): nobody elected it. Never use this in a real cluster.
        </p>
      )}
      {held !== null && <Guard held={held} />}
      {errors.length + failing.length > 0 && (
        <div class="failures">
          {errors.length > 0 && (
            <p class="notice bad">
              <Mark tone="bad" />
              <b>Failing on {self?.hostname}: </b>
              {self?.failedRoles.map((role) => (
                <span key={role}>
                  <Link href={logsHref(role)}>{role}</Link>{' '}
                </span>
              ))}
              {self?.errors.join('; ')}
            </p>
          )}
          {failing.length > 0 && (
            <p class="notice warn">
              <Mark tone="warn" />
              <b>Failing nodes: </b>
              {failing.map(({ node, words }, index) => (
                <span key={node.id}>
                  {index > 0 && ', '}
                  <a href={sameOn(node.addr)} title={[...node.failedRoles, ...node.errors].join('\n')}>
                    {node.hostname}
                  </a>{' '}
                  <span class="muted">({words})</span>
                </span>
              ))}
            </p>
          )}
        </div>
      )}
    </>
  );
}

function Guard({ held }: { held: NonNullable<Situation['held']> }) {
  const stops = held.before - held.after;
  const decide = (decision: 'apply' | 'discard', title: string) =>
    ({ path: '/v1/guard', body: { decision, hash: held.hash }, title, key: `guard ${decision} ${held.hash}` }) as const;
  return (
    <section class="notice warn guard" role="alert" aria-label="A schedule is held back">
      <p>
        <Mark tone="warn" />
        <b>
          A new schedule would stop {formatCount(stops)} of {formatCount(held.before)} instances at once.
        </b>{' '}
        Neither an action nor new metadata says why, so <code title={held.hash}>{shortHash(held.hash)}</code> is held
        back and the one before it stays.
      </p>
      <div class="presses">
        <PressButton
          title="Apply anyway"
          kind="danger"
          confirm={`Stop ${stops} of ${held.before} instances?`}
          request={decide('apply', 'Apply the held schedule')}
        />
        <PressButton title="Discard" request={decide('discard', 'Discard the held schedule')} />
      </div>
    </section>
  );
}

/** A schedule comes from somebody's code: it may say what this page does not understand. */
function Odd({ sentences }: { sentences: readonly string[] }) {
  const all = [...new Set(sentences)];
  if (all.length === 0) return null;
  return (
    <section aria-labelledby="odd-title">
      <h2 id="odd-title">Not understood in the schedule</h2>
      <ul class="odd">
        {all.map((sentence) => (
          <li key={sentence}>
            <Mark tone="warn" />
            {sentence}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Renders the roles of the node that serves this page anew; for experts, of all. */
export function ForceRender({ hostname }: { hostname: string }) {
  const expert = useExpert();
  return (
    <>
      <PressButton
        title="Force re-render all"
        description={`All roles of ${hostname} are rendered again, changed or not`}
        needsLeader={false}
        request={{ path: '/v1/force_render_all', body: {}, title: `Force re-render all on ${hostname}`, key: 'force' }}
      />
      {expert && (
        <PressButton
          title="… on all nodes"
          description="All roles of all nodes are rendered again, changed or not"
          confirm="Render all roles of all nodes again, and run their commands?"
          needsLeader={false}
          request={{
            path: '/v1/force_render_all?nodes=all',
            body: {},
            title: 'Force re-render all on all nodes',
            key: 'force everywhere',
          }}
        />
      )}
    </>
  );
}
