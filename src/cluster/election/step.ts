import type { Env } from '../env.ts';
import { uniform } from '../env.ts';
import type { ScheduleStamp } from '../member.ts';
import { sameStamp } from '../member.ts';
import type { ElectionMessage } from './message.ts';
import { holdsQuorum, mayLead, neededVotes, peersAreFresh } from './quorum.ts';
import { canVote, type ElectionState, electionWakeMs, type Role, type Voter } from './state.ts';

/**
 * The election of spec/verwalter.md 4, as a pure machine. Where it says more than that page:
 * - Whoever would begin an election first asks (`asking`); the epoch rises only when a quorum would vote. A candidate
 *   whose time is over asks again too: cut off, it would otherwise count up epochs and depose the leader on return.
 * - Two leaders of one epoch that meet, and a leader that is told of a later epoch without a leader, begin an election
 *   at once: those who follow them would grant nobody a pre-vote.
 * - A leader that hears no quorum steps down, so that a minority has none.
 */
export type ElectionEvent =
  | { readonly kind: 'tick' }
  | { readonly kind: 'peers'; readonly peers: ReadonlyMap<string, Voter> }
  /** Authentic, and from a known node: the caller has seen to both. */
  | { readonly kind: 'packet'; readonly from: string; readonly message: ElectionMessage }
  | { readonly kind: 'announce'; readonly schedule: ScheduleStamp | null; readonly errors: number }
  /** Whether this node would know what to do as a leader. One that is forced leads all the same. */
  | { readonly kind: 'willing'; readonly willing: boolean };

export interface ElectionEffect {
  readonly kind: 'send';
  readonly to: string;
  readonly message: ElectionMessage;
}

export interface ElectionStep {
  readonly state: ElectionState;
  readonly effects: readonly ElectionEffect[];
}

interface Draft {
  state: ElectionState;
  readonly env: Env;
  readonly effects: ElectionEffect[];
}

export function stepElection(state: ElectionState, event: ElectionEvent, env: Env): ElectionStep {
  const draft: Draft = { state, env, effects: [] };
  // What is due comes before what arrives: a process that slept must not count a vote after its deadline, nor answer
  // as the leader that it was.
  if (event.kind !== 'peers') timers(draft);
  switch (event.kind) {
    case 'tick':
      break;
    case 'peers':
      change(draft, { peers: event.peers, peersMs: env.nowMs });
      break;
    case 'packet':
      receive(draft, event.from, event.message);
      break;
    case 'announce':
      announce(draft, event.schedule, event.errors);
      break;
    case 'willing':
      change(draft, { willing: event.willing });
      // Others notice within an election interval, as of a crash.
      if (draft.state.role.kind === 'leader' && !event.willing && !state.config.forceLeader) restart(draft);
      break;
    default:
      event satisfies never;
  }
  return { state: draft.state, effects: draft.effects };
}

function timers(draft: Draft): void {
  const { state, env } = draft;
  if (electionWakeMs(state) > env.nowMs) return;
  const { role, config } = state;
  const resends = (role.kind === 'asking' || role.kind === 'electing') && role.deadlineMs > env.nowMs;
  if (resends) {
    resend(draft, role);
    return;
  }
  if (!peersAreFresh(state, env.nowMs)) {
    restart(draft);
    return;
  }
  switch (role.kind) {
    case 'starting':
      if (config.forceLeader) lead(draft, state.epoch + 1, new Set([state.id]));
      else ask(draft, state.epoch + 1);
      return;
    case 'asking':
      ask(draft, role.asked);
      return;
    case 'electing':
    case 'voted':
    case 'follower':
      ask(draft, state.epoch + 1);
      return;
    case 'leader':
      heartbeat(draft, role);
      return;
    default:
      role satisfies never;
  }
}

function heartbeat(draft: Draft, role: Extract<Role, { kind: 'leader' }>): void {
  const { state, env } = draft;
  const { config } = state;
  // The votes are the first lease; they are up to a candidature old.
  const settled = env.nowMs - role.sinceMs >= config.leaseMs - config.candidateMs[1];
  const lost = settled && !holdsQuorum(state, role.heardMs, env.nowMs);
  if (!config.forceLeader && (lost || !mayLead(state))) {
    count(draft, 'steppedDown');
    if (mayLead(state)) ask(draft, state.epoch + 1);
    else restart(draft);
    return;
  }
  become(draft, { ...role, nextPingMs: env.nowMs + config.heartbeatMs });
  broadcast(draft, { kind: 'ping', epoch: state.epoch, schedule: role.schedule });
}

function receive(draft: Draft, from: string, message: ElectionMessage): void {
  if (from === draft.state.id || !draft.state.peers.has(from)) return;
  switch (message.kind) {
    case 'ping':
      onPing(draft, from, message.epoch, message.schedule);
      return;
    case 'pong':
      onPong(draft, from, message.epoch);
      return;
    case 'vote':
      onVote(draft, from, message);
      return;
    case 'ask':
      onAsk(draft, from, message.epoch, message.life);
      return;
    case 'grant':
      onGrant(draft, from, message);
      return;
    case 'current':
      onCurrent(draft, message.epoch, message.leader);
      return;
    default:
      message satisfies never;
  }
}

function onPing(draft: Draft, from: string, epoch: number, schedule: ScheduleStamp | null): void {
  const { state } = draft;
  if (epoch < state.epoch) {
    tellCurrent(draft, from);
    return;
  }
  if (state.role.kind === 'leader') {
    if (state.config.forceLeader) return;
    // Two partitions met: neither may go on in an epoch that the other led as well.
    if (epoch === state.epoch) {
      elect(draft, epoch + 1);
      return;
    }
  }
  follow(draft, from, epoch, schedule);
  change(draft, { leaderHeardMs: draft.env.nowMs });
  const { schedule: own, errors } = draft.state;
  send(draft, from, { kind: 'pong', epoch, schedule: own, errors });
}

function onPong(draft: Draft, from: string, epoch: number): void {
  const { state, env } = draft;
  if (epoch < state.epoch) return;
  const { role } = state;
  if (epoch === state.epoch && role.kind === 'leader') {
    become(draft, { ...role, heardMs: new Map(role.heardMs).set(from, env.nowMs) });
    return;
  }
  // Somebody believes that we lead, and we know better. If we are not well served ourselves, put it to the vote.
  if (state.config.forceLeader || role.kind === 'starting' || role.kind === 'asking' || hearsLeader(state, env)) return;
  ask(draft, epoch + 1);
}

function onVote(draft: Draft, from: string, message: Extract<ElectionMessage, { kind: 'vote' }>): void {
  const { state, env } = draft;
  const { role } = state;
  const candidature = message.target === from;
  if (message.epoch < state.epoch) {
    if (candidature) tellCurrent(draft, from);
    return;
  }
  if (message.epoch > state.epoch) {
    if (!candidature || state.config.forceLeader || !canVote(state, env.nowMs)) return;
    const deadlineMs = env.nowMs + uniform(env, ...state.config.intervalMs);
    if (role.kind === 'leader') count(draft, 'steppedDown');
    become(draft, { kind: 'voted', peer: from, life: message.life, sinceMs: env.nowMs, deadlineMs }, message.epoch);
    confirm(draft, from, message.life);
    return;
  }
  if (role.kind === 'electing' && message.target === state.id && message.life === state.life) {
    const votes = new Set(role.votes).add(from);
    if (votes.size >= Math.max(role.needed, neededVotes(state, env.nowMs)) && mayLead(state)) {
      lead(draft, state.epoch, votes);
    } else {
      become(draft, { ...role, votes });
    }
    return;
  }
  // The candidate has not heard our vote: the same vote once more is no second one.
  if (role.kind === 'voted' && candidature && role.peer === from && role.life === message.life) {
    confirm(draft, from, message.life);
  }
}

function onAsk(draft: Draft, from: string, epoch: number, life: number): void {
  const { state, env } = draft;
  const { role } = state;
  if (role.kind === 'leader') {
    // The answer to "would you?" is "I am here".
    send(draft, from, { kind: 'ping', epoch: state.epoch, schedule: role.schedule });
    return;
  }
  if (epoch <= state.epoch || hearsLeader(state, env)) {
    tellCurrent(draft, from);
    return;
  }
  if (!canVote(state, env.nowMs)) return;
  if (role.kind === 'voted' && env.nowMs - role.sinceMs < state.config.settleMs) return;
  send(draft, from, { kind: 'grant', epoch, life });
}

function onGrant(draft: Draft, from: string, message: Extract<ElectionMessage, { kind: 'grant' }>): void {
  const { state, env } = draft;
  const { role } = state;
  if (role.kind !== 'asking' || role.asked !== message.epoch || message.life !== state.life) return;
  const grants = new Set(role.grants).add(from);
  if (grants.size >= Math.max(role.needed, neededVotes(state, env.nowMs))) elect(draft, role.asked);
  else become(draft, { ...role, grants });
}

function onCurrent(draft: Draft, epoch: number, leader: string | null): void {
  const { state } = draft;
  const { role } = state;
  if (epoch <= state.epoch || state.config.forceLeader) return;
  if (leader !== null && leader !== state.id && state.peers.has(leader)) {
    if (role.kind === 'leader') count(draft, 'steppedDown');
    follow(draft, leader, epoch, null);
    change(draft, { leaderHeardMs: null });
    return;
  }
  switch (role.kind) {
    case 'leader':
      // We have a quorum that hears us; ours is the quickest way to one epoch for all.
      elect(draft, epoch + 1);
      return;
    case 'asking':
      if (epoch + 1 > role.asked) become(draft, { ...role, asked: epoch + 1, grants: new Set([state.id]) });
      return;
    case 'electing':
      ask(draft, epoch + 1);
      return;
    case 'starting':
    case 'voted':
    case 'follower':
      return;
    default:
      role satisfies never;
  }
}

function announce(draft: Draft, schedule: ScheduleStamp | null, errors: number): void {
  const { state } = draft;
  const { role } = state;
  const isNew = schedule !== null && !sameStamp(schedule, state.schedule);
  change(draft, { schedule, errors });
  if (role.kind !== 'leader' || !isNew || schedule.origin !== state.id) return;
  become(draft, { ...role, schedule });
  // Followers fetch at once instead of at the next heartbeat.
  broadcast(draft, { kind: 'ping', epoch: state.epoch, schedule });
}

function ask(draft: Draft, epoch: number): void {
  const { state, env } = draft;
  if (!mayLead(state) || !canVote(state, env.nowMs)) {
    restart(draft);
    return;
  }
  const needed = neededVotes(state, env.nowMs);
  if (needed <= 1) {
    elect(draft, epoch);
    return;
  }
  count(draft, 'asked');
  become(draft, {
    kind: 'asking',
    asked: epoch,
    needed,
    grants: new Set([state.id]),
    resendMs: env.nowMs + state.config.resendMs,
    deadlineMs: env.nowMs + uniform(env, ...state.config.candidateMs),
  });
  broadcast(draft, { kind: 'ask', epoch, life: state.life });
}

function elect(draft: Draft, epoch: number): void {
  const { state, env } = draft;
  if (!mayLead(state) || !canVote(state, env.nowMs)) {
    restart(draft);
    return;
  }
  count(draft, 'elections');
  const needed = neededVotes(state, env.nowMs);
  const votes = new Set([state.id]);
  if (votes.size >= needed) {
    lead(draft, epoch, votes);
    return;
  }
  become(
    draft,
    {
      kind: 'electing',
      needed,
      votes,
      resendMs: env.nowMs + state.config.resendMs,
      deadlineMs: env.nowMs + uniform(env, ...state.config.candidateMs),
    },
    epoch,
  );
  broadcast(draft, candidature(draft.state));
}

function lead(draft: Draft, epoch: number, votes: ReadonlySet<string>): void {
  const { env } = draft;
  count(draft, 'won');
  const heardMs = new Map<string, number>();
  const nextPingMs = env.nowMs + draft.state.config.heartbeatMs;
  become(draft, { kind: 'leader', sinceMs: env.nowMs, nextPingMs, votes, heardMs, schedule: null }, epoch);
  broadcast(draft, { kind: 'ping', epoch, schedule: null });
}

function follow(draft: Draft, leader: string, epoch: number, schedule: ScheduleStamp | null): void {
  const { env, state } = draft;
  const deadlineMs = env.nowMs + uniform(env, ...state.config.intervalMs);
  become(draft, { kind: 'follower', leader, schedule, deadlineMs }, epoch);
}

/** Back to the start, with the epoch kept: votes given in it are still given. */
function restart(draft: Draft): void {
  const { state, env } = draft;
  if (state.role.kind === 'leader') count(draft, 'steppedDown');
  const delay = state.config.startMs + uniform(env, ...state.config.intervalMs);
  become(draft, { kind: 'starting', deadlineMs: env.nowMs + delay });
}

function resend(draft: Draft, role: Extract<Role, { kind: 'asking' | 'electing' }>): void {
  const { state, env } = draft;
  become(draft, { ...role, resendMs: env.nowMs + state.config.resendMs });
  const answered = role.kind === 'asking' ? role.grants : role.votes;
  const message: ElectionMessage =
    role.kind === 'asking' ? { kind: 'ask', epoch: role.asked, life: state.life } : candidature(state);
  for (const id of state.peers.keys()) if (!answered.has(id)) send(draft, id, message);
}

const candidature = (state: ElectionState): ElectionMessage => ({
  kind: 'vote',
  epoch: state.epoch,
  target: state.id,
  life: state.life,
  schedule: state.schedule,
});

function confirm(draft: Draft, target: string, life: number): void {
  const { epoch, schedule } = draft.state;
  send(draft, target, { kind: 'vote', epoch, target, life, schedule });
}

function tellCurrent(draft: Draft, to: string): void {
  const { state } = draft;
  const { role } = state;
  if (role.kind === 'leader') {
    send(draft, to, { kind: 'ping', epoch: state.epoch, schedule: role.schedule });
    return;
  }
  // Only whom we hear ourselves: hearsay of hearsay would give a minority the leader that it has lost, node after node.
  const leader = role.kind === 'follower' && hearsLeader(state, draft.env) ? role.leader : null;
  send(draft, to, { kind: 'current', epoch: state.epoch, leader });
}

/** Heard its leader within the shortest election interval: nobody has a reason to think it gone. */
function hearsLeader(state: ElectionState, env: Env): boolean {
  const { role, leaderHeardMs, config } = state;
  return role.kind === 'follower' && leaderHeardMs !== null && env.nowMs - leaderHeardMs < config.intervalMs[0];
}

function become(draft: Draft, role: Role, epoch = draft.state.epoch): void {
  draft.state = { ...draft.state, role, epoch };
}

function change(draft: Draft, part: Partial<ElectionState>): void {
  draft.state = { ...draft.state, ...part };
}

function count(draft: Draft, what: keyof ElectionState['counts']): void {
  const { counts } = draft.state;
  draft.state = { ...draft.state, counts: { ...counts, [what]: counts[what] + 1 } };
}

function send(draft: Draft, to: string, message: ElectionMessage): void {
  draft.effects.push({ kind: 'send', to, message });
}

function broadcast(draft: Draft, message: ElectionMessage): void {
  for (const id of draft.state.peers.keys()) send(draft, id, message);
}
