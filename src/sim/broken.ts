import { neededVotes } from '../cluster/election/quorum.ts';
import type { Role } from '../cluster/election/state.ts';
import { type NodeState, stepNode } from '../cluster/node.ts';
import { gossipOnly } from './gossip-only.ts';
import type { StepNode } from './world.ts';

/**
 * Copies of the machine with one mistake each. A simulator that passes these would pass anything; its tests demand that
 * each is caught, by the invariant that it breaks.
 */

/** Forgets that it voted in this epoch whenever another candidate asks. */
export const votesTwice: StepNode = (state, event, env) => {
  const { role, epoch } = state.election;
  if (event.kind !== 'packet' || event.packet.channel !== 'election') return stepNode(state, event, env);
  const { message } = event.packet;
  const forgets = message.kind === 'vote' && message.target === event.from && message.epoch === epoch;
  if (!forgets || (role.kind !== 'voted' && role.kind !== 'electing')) return stepNode(state, event, env);
  return stepNode(withElection(state, { epoch: epoch - 1 }), event, env);
};

/** Leads as soon as it is a candidate. */
export const leadsWithoutQuorum: StepNode = (state, event, env) => {
  const result = stepNode(state, event, env);
  const { election } = result.state;
  if (election.role.kind !== 'electing' || neededVotes(election, env.nowMs) <= 1) return result;
  const role: Role = {
    kind: 'leader',
    sinceMs: env.nowMs,
    nextPingMs: env.nowMs,
    votes: election.role.votes,
    heardMs: new Map(),
    schedule: null,
  };
  return { ...result, state: withElection(result.state, { role }) };
};

/** Votes right after its start, when it cannot know whether it voted before. */
export const votesAtOnce: StepNode = (state, event, env) => {
  const patient = state.election.config;
  const hasty = withElection(state, { startedMs: state.election.startedMs - patient.intervalMs[1] });
  const result = stepNode(hasty, event, env);
  return { ...result, state: withElection(result.state, { startedMs: state.election.startedMs }) };
};

/** Holds its lease for renewed whatever it hears. */
export const keepsLeading: StepNode = (state, event, env) => {
  const { role, peers } = state.election;
  if (role.kind !== 'leader') return stepNode(state, event, env);
  const heardMs = new Map([...peers.keys()].map((id) => [id, env.nowMs]));
  return stepNode(withElection(state, { role: { ...role, heardMs } }), event, env);
};

/** Follows for ever whom it has followed once. */
export const neverGivesUp: StepNode = (state, event, env) => {
  const { role } = state.election;
  if (role.kind !== 'follower') return stepNode(state, event, env);
  const deadlineMs = env.nowMs + state.election.config.intervalMs[1];
  return stepNode(withElection(state, { role: { ...role, deadlineMs } }), event, env);
};

/** Asks nobody for a vote. */
export const neverAsks: StepNode = (state, event, env) => {
  const result = stepNode(state, event, env);
  const effects = result.effects.filter(
    (effect) => effect.kind !== 'send' || effect.packet.channel !== 'election' || effect.packet.message.kind !== 'ask',
  );
  return { ...result, effects };
};

/** Begins at the first epoch again whenever it begins again. */
export const forgetsItsEpoch: StepNode = (state, event, env) => {
  const result = stepNode(state, event, env);
  const again = result.state.election.role.kind === 'starting' && state.election.role.kind !== 'starting';
  return again ? { ...result, state: withElection(result.state, { epoch: 0 }) } : result;
};

/** Takes who asks for who leads. */
export const followsWhoAsks: StepNode = (state, event, env) => {
  const result = stepNode(state, event, env);
  if (event.kind !== 'packet' || event.packet.channel !== 'election') return result;
  const { message } = event.packet;
  if (message.kind !== 'ask' || message.epoch <= result.state.election.epoch) return result;
  const deadlineMs = env.nowMs + state.election.config.intervalMs[0];
  const role: Role = { kind: 'follower', leader: event.from, schedule: null, deadlineMs };
  return { ...result, state: withElection(result.state, { role, epoch: message.epoch }) };
};

/** Meets itself in what others tell of it. */
export const meetsItself: StepNode = (state, event, env) => {
  const result = stepNode(state, event, env);
  const { gossip } = result.state;
  const [some] = gossip.peers.values();
  if (some === undefined || gossip.peers === state.gossip.peers) return result;
  const peers = new Map(gossip.peers).set(gossip.self.id, { ...some, record: gossip.self });
  return { ...result, state: { ...result.state, gossip: { ...gossip, peers } } };
};

/** Takes a dead node's return for granted: raises the other's incarnation in its name. */
export const speaksForOthers: StepNode = (state, event, env) => {
  const result = stepNode(state, event, env);
  const peers = new Map(result.state.gossip.peers);
  let spoke = false;
  for (const [id, peer] of peers) {
    if (peer.record.liveness !== 'suspect') continue;
    peers.set(id, { ...peer, record: { ...peer.record, liveness: 'alive', incarnation: peer.record.incarnation + 1 } });
    spoke = true;
  }
  if (!spoke) return result;
  return { ...result, state: { ...result.state, gossip: { ...result.state.gossip, peers } } };
};

/** Does not hear what others say of it: memberlist's fault, where a mass restart did not heal. */
export const neverObjects: StepNode = (state, event, env) => {
  if (event.kind !== 'packet' || event.packet.channel !== 'gossip') return stepNode(state, event, env);
  const { message } = event.packet;
  if (!('news' in message)) return stepNode(state, event, env);
  const news = message.news.filter((rumour) => rumour.id !== state.gossip.self.id);
  return stepNode(state, { ...event, packet: { ...event.packet, message: { ...message, news } } }, env);
};

function withElection(state: NodeState, part: Partial<NodeState['election']>): NodeState {
  return { ...state, election: { ...state.election, ...part } };
}

/** Forgets that others have more than one address. */
export const knowsOneAddress: StepNode = (state, event, env) => {
  if (event.kind !== 'packet' || event.packet.channel !== 'gossip') return gossipOnly.step(state, event, env);
  const { me } = event.packet;
  return gossipOnly.step(state, { ...event, packet: { ...event.packet, me: { ...me, otherAddrs: [] } } }, env);
};

/** Keeps to itself whom it knows: all meet only those whom they were told to join. */
export const tellsOfNobody: StepNode = (state, event, env) => {
  const result = gossipOnly.step(state, event, env);
  const effects = result.effects.map((effect) => {
    if (effect.kind !== 'send' || effect.packet.channel !== 'gossip') return effect;
    const { message } = effect.packet;
    if (!('news' in message)) return effect;
    const news = message.news.filter(({ id }) => id === state.gossip.self.id);
    return { ...effect, packet: { ...effect.packet, message: { ...message, news } } };
  });
  return { ...result, effects };
};

/** Never knocks at the dead. */
export const leavesTheDead: StepNode = (state, event, env) => {
  const later = { ...state.gossip, nextDeadProbeMs: Number.POSITIVE_INFINITY };
  return gossipOnly.step({ ...state, gossip: later }, event, env);
};

/** Hears all about others, nothing about itself: memberlist's fault without an election. */
export const neverRefutes: StepNode = (state, event, env) => {
  if (event.kind !== 'packet' || event.packet.channel !== 'gossip') return gossipOnly.step(state, event, env);
  const { message } = event.packet;
  if (!('news' in message)) return gossipOnly.step(state, event, env);
  const news = message.news.filter((rumour) => rumour.id !== state.gossip.self.id);
  return gossipOnly.step(state, { ...event, packet: { ...event.packet, message: { ...message, news } } }, env);
};
