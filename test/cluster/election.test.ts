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

it('a leader that is told that it would not know what to do steps down at once, and asks nobody until it would', () => {
  const at = (nowMs: number) => ({ ...env, nowMs });
  let { state } = stepElection(
    startElection({ ...election, peersFreshMs: 1e9 }, 'a', 1, env),
    { kind: 'peers', peers },
    env,
  );
  const tick = (nowMs: number) => {
    const result = stepElection(state, { kind: 'tick' }, at(nowMs));
    state = result.state;
    return result.effects.map(({ message }) => message.kind);
  };
  expect(tick(10_000)).toEqual(['ask', 'ask']);
  for (const kind of ['grant', 'vote'] as const) {
    const message =
      kind === 'grant'
        ? ({ kind, epoch: 1, life: 1 } as const)
        : ({ kind, epoch: 1, target: 'a', life: 1, schedule: null } as const);
    state = stepElection(state, { kind: 'packet', from: 'b', message }, at(10_010)).state;
  }
  expect(state.role.kind).toBe('leader');
  state = stepElection(state, { kind: 'willing', willing: false }, at(10_100)).state;
  expect(state).toMatchObject({ role: { kind: 'starting' }, counts: { steppedDown: 1 } });
  expect(tick(20_000)).toEqual([]);
  state = stepElection(state, { kind: 'willing', willing: true }, at(20_100)).state;
  expect(tick(30_000)).toEqual(['ask', 'ask']);
});

it('a forced leader leads on whatever it is told', () => {
  const forced = startElection({ ...election, forceLeader: true }, 'a', 1, env);
  const known = stepElection(forced, { kind: 'peers', peers }, env).state;
  const leading = stepElection(known, { kind: 'tick' }, env).state;
  expect(leading.role.kind).toBe('leader');
  expect(stepElection(leading, { kind: 'willing', willing: false }, env).state.role.kind).toBe('leader');
});

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
