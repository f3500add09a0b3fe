import { expect, it } from 'vitest';
import { election } from '../../src/cluster/election/config.ts';
import type { ElectionMessage } from '../../src/cluster/election/message.ts';
import { type ElectionState, startElection } from '../../src/cluster/election/state.ts';
import { stepElection } from '../../src/cluster/election/step.ts';

const env = { nowMs: 1_000, wallMs: 1_800_000_000_000, random: () => 0.5 };
const peers = new Map(['b', 'c'].map((id) => [id, { id, lastReportDirectMs: 900, visible: true }]));

function told(state: ElectionState, from: string, message: ElectionMessage) {
  return stepElection(state, { kind: 'packet', from, message }, env);
}

it('a node that knows of its leader by hearsay only does not pass it on', () => {
  const started = stepElection(startElection(election, 'a', 1, env), { kind: 'peers', peers }, env).state;
  const { state } = told(started, 'b', { kind: 'current', epoch: 3, leader: 'c' });
  expect(state.role).toMatchObject({ kind: 'follower', leader: 'c' });
  const { effects } = told(state, 'b', { kind: 'ask', epoch: 2, life: 7 });
  expect(effects).toEqual([{ kind: 'send', to: 'b', message: { kind: 'current', epoch: 3, leader: null } }]);

  const heard = told(state, 'c', { kind: 'ping', epoch: 3, schedule: null }).state;
  const again = told(heard, 'b', { kind: 'ask', epoch: 2, life: 7 });
  expect(again.effects).toEqual([{ kind: 'send', to: 'b', message: { kind: 'current', epoch: 3, leader: 'c' } }]);
});
