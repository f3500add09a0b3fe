import { asList, asNumber, asRecord, asText, member } from '../json.ts';

/** GET /v1/election, as far as it is shown. */
export interface Election {
  readonly state: string;
  readonly epoch: number;
  readonly leaderId: string | null;
  readonly endsInMs: number | null;
  readonly votedFor: string | null;
  readonly votes: readonly string[];
  readonly needed: number | null;
  readonly known: number | null;
  readonly visible: number | null;
  readonly peersAreFresh: boolean;
  readonly allowMinority: boolean;
  readonly counts: readonly (readonly [name: string, count: number])[];
  /** Changes of this node's part, newest first; null: this agent keeps none. */
  readonly timeline: readonly Turn[] | null;
}

export interface Turn {
  readonly atMs: number;
  readonly epoch: number;
  readonly role: string;
  readonly leader: string | null;
}

export function readElection(value: unknown): Election | null {
  const state = asText(member(value, 'state'));
  const epoch = asNumber(member(value, 'epoch'));
  if (state === null || epoch === null) return null;
  const number = (key: string): number | null => asNumber(member(value, key));
  const timeline = member(value, 'timeline');
  return {
    state,
    epoch,
    leaderId: asText(member(value, 'leaderId')),
    endsInMs: number('endsInMs'),
    votedFor: asText(member(value, 'votedFor')),
    votes: asList(member(value, 'votes')).map(String),
    needed: number('needed'),
    known: number('known'),
    visible: number('visible'),
    peersAreFresh: member(value, 'peersAreFresh') !== false,
    allowMinority: member(value, 'allowMinority') === true,
    counts: Object.entries(asRecord(member(value, 'counts'))).flatMap(([name, count]) =>
      typeof count === 'number' ? [[name, count] as const] : [],
    ),
    timeline: Array.isArray(timeline) ? timeline.flatMap(readTurn).sort((a, b) => b.atMs - a.atMs) : null,
  };
}

function readTurn(value: unknown): readonly Turn[] {
  const atMs = asNumber(member(value, 'at_ms'));
  const role = asText(member(value, 'role'));
  if (atMs === null || role === null) return [];
  const epoch = asNumber(member(value, 'epoch')) ?? 0;
  return [{ atMs, epoch, role, leader: asText(member(value, 'leader')) }];
}

/** What this node is doing, in words. */
export function electionWords(state: string): string {
  switch (state) {
    case 'leader':
      return 'leads: it schedules for all';
    case 'follower':
      return 'follows the leader';
    case 'starting':
      return 'has just started, or knows too little of its peers: it waits for a leader before it stands itself';
    case 'asking':
      return 'has heard no leader: it asks the others whether they would vote for it';
    case 'electing':
      return 'stands for election and collects votes';
    case 'voted':
      return 'has voted for another and waits for it to lead';
    default:
      return state;
  }
}
