import { describe, expect, it } from 'vitest';
import { hashJson, type JsonObject } from '../../src/verwalter/canonical.ts';
import type { Leadership, Member } from '../../src/verwalter/ports.ts';
import { type Schedule, stampOf } from '../../src/verwalter/schedule.ts';
import { type Effect, type Event, initialState, type State } from '../../src/verwalter/state.ts';
import { step } from '../../src/verwalter/step.ts';

const self = '0'.repeat(32);
const ids = ['1', '2', '3'].map((digit) => digit.repeat(32)) as [string, string, string];
const wallStart = 1_800_000_000_000;

const scheduleOf = (data: JsonObject, timestamp: number, origin: string): Schedule => ({
  timestamp,
  hash: hashJson(data),
  origin,
  data,
});
const member = (index: number, more: Partial<Member> = {}): Member => ({
  id: ids[index] ?? '',
  addr: `10.0.0.${index + 1}:8379`,
  hostname: `n${index + 1}`,
  name: `n${index + 1}`,
  knownSince: wallStart - 1000,
  lastReportDirect: wallStart - 1000,
  liveness: 'alive',
  schedule: null,
  errors: 0,
  ...more,
});
const leader = (epoch: number): Leadership => ({ role: 'leader', epoch });
const follower = (index: number, epoch: number): Leadership => ({
  role: 'follower',
  epoch,
  leaderId: ids[index] ?? '',
  schedule: null,
});

/** A node whose clock the test turns. */
const node = (stored: Schedule | null = null) => {
  let state: State = initialState({ selfId: self, roundIntervalMs: 5000, maxShrink: 0.5 }, stored);
  let nowMs = 0;
  const send = (event: Event): Effect[] => {
    const result = step(state, event, { nowMs, wallMs: wallStart + nowMs, random: () => 0.5 });
    state = result.state;
    return [...result.effects];
  };
  const ofType = <T extends Effect['type']>(type: T, effects: readonly Effect[]): Extract<Effect, { type: T }>[] =>
    effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
  return {
    state: () => state,
    send,
    ofType,
    /** A follower has heard its leader's stamp from itself. */
    cluster(given: Leadership, members: readonly Member[] = []): Effect[] {
      const told = given.role === 'follower' ? members.find(({ id }) => id === given.leaderId)?.schedule : null;
      const leadership = given.role === 'follower' ? { ...given, schedule: told ?? null } : given;
      return send({ type: 'cluster', leadership, members });
    },
    /** Ticks every 100 ms; all effects on the way. */
    wait(ms: number): Effect[] {
      const effects: Effect[] = [];
      for (let waited = 0; waited < ms; waited += 100) {
        nowMs += 100;
        effects.push(...send({ type: 'tick' }));
      }
      return effects;
    },
    now: () => nowMs,
  };
};
type Node = ReturnType<typeof node>;

const startOf = (test: Node, effects: readonly Effect[]) => {
  const [round, ...more] = test.ofType('start-round', effects);
  if (round === undefined || more.length > 0) throw new Error(`${more.length + (round ? 1 : 0)} rounds`);
  return round;
};
const finish = (test: Node, round: number, data: JsonObject, answers: Record<string, unknown> = {}): Effect[] =>
  test.send({ type: 'round-done', round, data, hash: hashJson(data), answers });
/** Alone, leading, first round done. */
const leading = (): Node => {
  const test = node();
  test.cluster(leader(1));
  finish(test, startOf(test, test.wait(2000)).round, { a: 1 });
  return test;
};

describe('a new leader', () => {
  it('that is alone decides after two seconds, with its stored schedule as parent', () => {
    const stored = scheduleOf({ old: true }, 5, ids[0]);
    const test = node(stored);
    test.cluster(leader(1));
    expect(test.wait(1900)).toEqual([]);
    const round = startOf(test, test.wait(100));
    expect(round.parents).toEqual([stored]);
    expect(round.parentsMeta).toEqual([{ ...stampOf(stored), holders: [self] }]);
  });

  it('never renders what it found on disk before the cluster confirms it', () => {
    const test = node(scheduleOf({ old: true }, 5, ids[0]));
    const effects = [...test.cluster(leader(1)), ...test.wait(10_000)];
    expect(test.ofType('render', effects)).toEqual([]);
  });

  it('waits 15 s where a fresh peer has not reported, and no longer', () => {
    const test = node();
    test.cluster(leader(1), [member(0)]);
    expect(test.ofType('start-round', test.wait(14_900))).toEqual([]);
    startOf(test, test.wait(100));
  });

  it('waits 2 s where all have reported, and takes every distinct schedule, newest first', () => {
    const a = scheduleOf({ a: 1 }, 10, ids[0]);
    const b = scheduleOf({ b: 1 }, 20, ids[1]);
    const test = node(a);
    const members = [
      member(0, { schedule: stampOf(b), lastReportDirect: wallStart + 1 }),
      member(1, { schedule: stampOf(b), lastReportDirect: wallStart + 1 }),
      member(2, { schedule: stampOf(a), lastReportDirect: wallStart + 1 }),
    ];
    const [fetch] = test.ofType('fetch', test.cluster(leader(1), members));
    expect(fetch?.hash).toBe(b.hash);
    test.send({ type: 'fetched', request: fetch?.request ?? 0, body: b });
    const round = startOf(test, test.wait(2000));
    expect(round.parents).toEqual([b, a]);
    expect(round.parentsMeta[0]?.holders).toEqual([ids[0], ids[1]]);
    finish(test, round.round, { c: 1 });
    expect(test.state().lastKnown?.timestamp).toBeGreaterThan(20);
  });

  it('asks another holder after a second, rests one that fails, and drops a hash that nobody holds any longer', () => {
    const b = scheduleOf({ b: 1 }, 20, ids[1]);
    const test = node();
    const held = { schedule: stampOf(b), lastReportDirect: wallStart + 1 };
    const [first] = test.ofType('fetch', test.cluster(leader(1), [member(0, held), member(1, held)]));
    const [second] = test.ofType('fetch', test.wait(1000));
    expect(second?.addr).not.toBe(first?.addr);
    test.send({ type: 'fetched', request: first?.request ?? 0, body: { ...b, data: { forged: true } } });
    test.send({ type: 'fetch-failed', request: second?.request ?? 0, error: 'refused' });
    expect(test.state().errors.fetch).toContain('refused');
    expect(test.ofType('start-round', test.wait(5000))).toEqual([]);
    test.cluster(leader(1), [member(0, { lastReportDirect: wallStart + 1 }), member(1, { liveness: 'dead', ...held })]);
    expect(test.state().phase.kind).toBe('leading');
  });

  it('gives up on a body after 75 s', () => {
    const b = scheduleOf({ b: 1 }, 20, ids[1]);
    const test = node();
    test.cluster(leader(1), [member(0, { schedule: stampOf(b) })]);
    expect(test.ofType('start-round', test.wait(74_900))).toEqual([]);
    startOf(test, test.wait(100));
  });
});

describe('a leader', () => {
  it('announces nothing before its first round, then stores, announces and renders', () => {
    const test = node();
    expect(test.cluster(leader(1))).toContainEqual({ type: 'announce', stamp: null });
    const effects = finish(test, startOf(test, test.wait(2000)).round, { a: 1 });
    expect(effects.map((effect) => effect.type)).toEqual(['persist', 'announce', 'render']);
  });

  it('runs a round every 5 s; the same decision keeps its hash and gets a newer stamp', () => {
    const test = leading();
    const before = test.state().lastKnown;
    expect(test.ofType('start-round', test.wait(4900))).toEqual([]);
    const effects = finish(test, startOf(test, test.wait(100)).round, { a: 1 });
    expect(effects.map((effect) => effect.type)).toEqual(['announce', 'render']);
    expect(test.state().lastKnown).toMatchObject({ hash: before?.hash });
    expect(test.state().lastKnown?.timestamp).toBeGreaterThan(before?.timestamp ?? 0);
  });

  it('runs one soon after a change, not within a second of the last, and never two at once', () => {
    const test = leading();
    test.wait(2000);
    test.send({ type: 'changed', reason: 'runtime' });
    const round = startOf(test, test.wait(200));
    expect(round.reason).toBe('runtime');
    test.send({ type: 'changed', reason: 'runtime' });
    expect(test.ofType('start-round', test.wait(3000))).toEqual([]);
    // The change came while it ran: the next begins as soon as it has ended.
    startOf(test, finish(test, round.round, { a: 2 }));
  });

  it('notices a peer that comes', () => {
    const test = leading();
    test.wait(2000);
    test.cluster(leader(1), [member(0)]);
    expect(startOf(test, test.wait(200)).reason).toBe('peers');
  });

  it('keeps its schedule when a round fails, says so, and tries again after a second', () => {
    const test = leading();
    const { lastKnown } = test.state();
    const { round } = startOf(test, test.wait(5000));
    expect(test.send({ type: 'round-failed', round, error: 'main.lua:1: boom' })).toEqual([]);
    expect(test.state()).toMatchObject({ lastKnown, errors: { scheduler: 'main.lua:1: boom' } });
    finish(test, startOf(test, test.wait(1000)).round, { a: 1 });
    expect(test.state().errors.scheduler).toBeNull();
  });

  it('throws away the result of a round of an earlier epoch', () => {
    const test = leading();
    const { round } = startOf(test, test.wait(5000));
    test.cluster({ role: 'none', epoch: 2 });
    test.cluster(leader(3));
    expect(finish(test, round, { late: true })).toEqual([]);
    expect(test.state().lastKnown?.data).toEqual({ a: 1 });
  });

  it('answers actions after the round that saw them, and gives the others to the next', () => {
    const test = leading();
    test.wait(2000);
    const [first] = test.ofType('action-queued', test.send({ type: 'action', ticket: 1, value: 'one' }));
    const round = startOf(test, test.wait(200));
    expect(round.actions).toEqual([{ id: first?.id, value: 'one' }]);
    const [second] = test.ofType('action-queued', test.send({ type: 'action', ticket: 2, value: 'two' }));
    expect(second?.id).toBe((first?.id ?? 0) + 1);
    const effects = finish(test, round.round, { a: 1 }, { [String(first?.id)]: { ok: true } });
    expect(test.ofType('action-answered', effects)).toEqual([
      { type: 'action-answered', id: first?.id, status: 200, value: { ok: true } },
    ]);
    const next = startOf(test, test.wait(1000));
    expect(next.actions).toEqual([{ id: second?.id, value: 'two' }]);
    expect(test.ofType('action-answered', finish(test, next.round, { a: 1 }))).toMatchObject([{ status: 204 }]);
  });

  it('finds the poisonous action among three and quarantines it', () => {
    const test = leading();
    const actions = ['good', 'evil', 'fine'].map(
      (value, ticket) => test.ofType('action-queued', test.send({ type: 'action', ticket, value }))[0]?.id,
    );
    const answered: Effect[] = [];
    let rounds = 0;
    for (let tries = 0; tries < 200 && test.state().actions.length > 0; tries++) {
      for (const { round, actions: given } of test.ofType('start-round', test.wait(100))) {
        rounds++;
        const poisoned = given.some((action) => action.value === 'evil');
        answered.push(
          ...(poisoned ? test.send({ type: 'round-failed', round, error: 'boom' }) : finish(test, round, { a: 1 })),
        );
      }
    }
    expect(rounds).toBe(5);
    expect(test.ofType('action-answered', answered)).toMatchObject([
      { id: actions[0], status: 204 },
      { id: actions[2], status: 204 },
      { id: actions[1], status: 422 },
    ]);
  });

  it('answers the 1001st action of a second with 429', () => {
    const test = leading();
    const results = Array.from(
      { length: 1001 },
      (_, ticket) => test.send({ type: 'action', ticket, value: null })[0]?.type,
    );
    expect(results.filter((type) => type === 'action-queued')).toHaveLength(1000);
    expect(results.at(-1)).toBe('action-refused');
  });

  it('answers with 429 while a thousand actions wait, however long they have', () => {
    const test = leading();
    const { round } = startOf(test, test.wait(5000));
    const act = (ticket: number) => test.send({ type: 'action', ticket, value: null })[0]?.type;
    for (let second = 0; second < 4; second++) {
      for (let ticket = 0; ticket < 250; ticket++) expect(act(ticket)).toBe('action-queued');
      test.wait(1000);
    }
    expect(act(1000)).toBe('action-refused');
    const next = startOf(test, [...finish(test, round, { a: 1 }), ...test.wait(1000)]);
    finish(test, next.round, { a: 1 });
    expect(act(1001)).toBe('action-queued');
  });

  it('that leads no longer answers the queue with 503 and takes no more', () => {
    const test = leading();
    test.send({ type: 'action', ticket: 1, value: 'x' });
    expect(test.ofType('action-answered', test.cluster(follower(0, 2), [member(0)]))).toMatchObject([{ status: 503 }]);
    expect(test.send({ type: 'action', ticket: 2, value: 'x' })).toMatchObject([
      { type: 'action-refused', status: 503 },
    ]);
  });

  it('drops an action that nobody waits for any longer', () => {
    const test = leading();
    const [queued] = test.ofType('action-queued', test.send({ type: 'action', ticket: 1, value: 'x' }));
    test.send({ type: 'action-expired', id: queued?.id ?? 0 });
    expect(test.state().actions).toEqual([]);
  });

  it('never does an action whose time was up while a round with it failed', () => {
    const test = leading();
    test.wait(2000);
    const [queued] = test.ofType('action-queued', test.send({ type: 'action', ticket: 1, value: 'x' }));
    const id = queued?.id ?? 0;
    const { round } = startOf(test, test.wait(200));
    test.send({ type: 'action-expired', id });
    const failed = test.send({ type: 'round-failed', round, error: 'boom' });
    expect(test.ofType('action-answered', failed)).toMatchObject([{ id, status: 504 }]);
    expect(startOf(test, test.wait(1000)).actions).toEqual([]);
  });

  it('finds several poisonous actions by giving each a round of its own', () => {
    const test = leading();
    const values = ['evil', 'good', 'evil too', 'fine'];
    const ids = values.map(
      (value, ticket) => test.ofType('action-queued', test.send({ type: 'action', ticket, value }))[0]?.id,
    );
    const answered: Effect[] = [];
    for (let tries = 0; tries < 300 && test.state().actions.length > 0; tries++) {
      for (const { round, actions: given } of test.ofType('start-round', test.wait(100))) {
        const poisoned = given.some(({ value }) => String(value).startsWith('evil'));
        answered.push(
          ...(poisoned ? test.send({ type: 'round-failed', round, error: 'boom' }) : finish(test, round, { a: 1 })),
        );
      }
    }
    const statuses = new Map(test.ofType('action-answered', answered).map(({ id, status }) => [id, status]));
    expect(ids.map((id) => statuses.get(id ?? 0))).toEqual([422, 204, 422, 204]);
    expect(test.state().phase).toMatchObject({ trial: null, failures: 0 });
  });

  it('gives no id a second time within its second', () => {
    const test = leading();
    test.wait(1000);
    const queue = () => test.ofType('action-queued', test.send({ type: 'action', ticket: 1, value: 'x' }))[0]?.id ?? 0;
    const first = queue();
    const { round } = startOf(test, test.wait(200));
    finish(test, round, { a: 1 });
    expect(test.state().actions).toEqual([]);
    expect(queue()).toBe(first + 1);
  });
});

describe('a node stands for election', () => {
  const standsAfter = (effects: readonly Effect[]): boolean[] =>
    effects.flatMap((effect) => (effect.type === 'may-lead' ? [effect.allowed] : []));
  /** Leads, with another node in sight, and every round fails. */
  const failing = (members: readonly Member[]): { test: Node; wait: (ms: number) => Effect[] } => {
    const test = node();
    test.send({ type: 'changed', reason: 'scheduler' });
    test.cluster(leader(1), members);
    const wait = (ms: number): Effect[] => {
      const all: Effect[] = [];
      for (let waited = 0; waited < ms; waited += 100) {
        const effects = test.wait(100);
        all.push(...effects);
        for (const { round } of test.ofType('start-round', effects)) {
          all.push(...test.send({ type: 'round-failed', round, error: 'broken' }));
        }
      }
      return all;
    };
    return { test, wait };
  };

  it('once a scheduler has been loaded, and is told so once (row 2)', () => {
    const test = node();
    expect(standsAfter(test.wait(5000))).toEqual([]);
    expect(standsAfter(test.send({ type: 'changed', reason: 'runtime' }))).toEqual([]);
    expect(standsAfter(test.send({ type: 'changed', reason: 'scheduler' }))).toEqual([true]);
    expect(standsAfter(test.send({ type: 'changed', reason: 'scheduler' }))).toEqual([]);
  });

  it('no longer after 300 s of leading without a successful round, and again 60 s later (row 23)', () => {
    const { test, wait } = failing([member(0)]);
    // It gathers for 15 s first.
    expect(standsAfter(wait(314_000))).toEqual([]);
    expect(standsAfter(wait(2000))).toEqual([false]);
    expect(standsAfter(test.cluster({ role: 'none', epoch: 1 }, [member(0)]))).toEqual([]);
    expect(standsAfter(wait(58_000))).toEqual([]);
    expect(standsAfter(wait(2000))).toEqual([true]);
  });

  it('all the while where nobody else is there to lead', () => {
    const { wait } = failing([member(0, { liveness: 'dead' })]);
    expect(standsAfter(wait(400_000))).toEqual([]);
  });

  it('all the while where one round in five minutes goes well', () => {
    const { test, wait } = failing([member(0)]);
    expect(standsAfter(wait(200_000))).toEqual([]);
    finish(test, startOf(test, test.wait(1000)).round, { a: 1 });
    expect(standsAfter(wait(290_000))).toEqual([]);
  });
});

describe('a leader whose partition has healed', () => {
  const own = scheduleOf({ own: 1 }, 50, ids[0]);
  const apart = scheduleOf({ apart: 1 }, 60, ids[1]);
  const heard = (schedule: Schedule, more: Partial<Member> = {}) => [
    member(1, { schedule: stampOf(schedule), lastReportDirect: wallStart + 10_000, ...more }),
  ];
  /** Began with `own`. */
  const leadingFrom = (): Node => {
    const test = node(own);
    test.cluster(leader(2));
    finish(test, startOf(test, test.wait(2000)).round, { own: 2 });
    return test;
  };

  it('fetches what another leader made meanwhile, and its next round merges both, the newest first', () => {
    const test = leadingFrom();
    // Gossip holds the other for dead still.
    const [fetch] = test.ofType('fetch', test.cluster(leader(2), heard(apart, { liveness: 'dead' })));
    expect(fetch).toMatchObject({ hash: apart.hash, addr: '10.0.0.2:8379' });
    // Meanwhile it takes ours; its store still has its own.
    const ours = test.state().lastKnown as Schedule;
    test.cluster(leader(2), heard(ours));
    test.send({ type: 'fetched', request: fetch?.request ?? 0, body: apart });
    const round = startOf(test, test.wait(2000));
    expect(round.parents).toEqual([ours, apart]);
    finish(test, round.round, { merged: true });
    test.cluster(leader(2), heard(apart));
    expect(startOf(test, test.wait(6000)).parents).toMatchObject([{ data: { merged: true } }]);
  });

  it('compares with the first stamp of what it began with, however late that was stamped anew', () => {
    const test = node(own);
    const stampedAnew = { ...own, timestamp: 500 };
    test.cluster(follower(0, 1), [member(0, { schedule: stampOf(stampedAnew) })]);
    expect(test.state().lastKnown).toEqual(stampedAnew);
    test.cluster(leader(2));
    finish(test, startOf(test, test.wait(2000)).round, { own: 2 });
    expect(test.ofType('fetch', test.cluster(leader(2), heard(apart)))).toHaveLength(1);
  });

  it('leaves alone what is older than all that it began with: a node that was away', () => {
    const test = leadingFrom();
    expect(test.ofType('fetch', test.cluster(leader(2), heard({ ...apart, timestamp: 40 })))).toEqual([]);
  });
});

describe('a follower', () => {
  const made = scheduleOf({ a: 1 }, 10, ids[0]);
  const withStamp = (schedule: Schedule) => [member(0, { schedule: stampOf(schedule) })];

  it('fetches what its leader made, verifies, stores, renders, and then only follows the stamp', () => {
    const test = node();
    const [fetch] = test.ofType('fetch', test.cluster(follower(0, 1), withStamp(made)));
    expect(fetch).toMatchObject({ addr: '10.0.0.1:8379', hash: made.hash });
    const effects = test.send({ type: 'fetched', request: fetch?.request ?? 0, body: made });
    expect(effects.map((effect) => effect.type)).toEqual(['persist', 'announce', 'render']);
    expect(test.wait(1000)).toEqual([]);
    const newer = { ...made, timestamp: 20 };
    expect(test.cluster(follower(0, 1), withStamp(newer)).map((effect) => effect.type)).toEqual(['announce', 'render']);
    expect(test.state().lastKnown).toEqual(newer);
  });

  it.each([
    ['the wrong hash', { ...made, data: { a: 2 } }],
    ['the wrong origin', { ...made, origin: ids[1] }],
    ['no object', 'text'],
  ])('refuses a body with %s and asks again after a pause', (_what, body) => {
    const test = node();
    const [fetch] = test.ofType('fetch', test.cluster(follower(0, 1), withStamp(made)));
    expect(test.send({ type: 'fetched', request: fetch?.request ?? 0, body })).toEqual([]);
    expect(test.state()).toMatchObject({
      lastKnown: null,
      errors: { fetch: expect.stringContaining('from 10.0.0.1:8379') },
    });
    expect(test.wait(100)).toEqual([]);
    expect(test.ofType('fetch', test.wait(200))).toHaveLength(1);
  });

  it('gives a body the stamp that its leader told of, where the body came with an older one', () => {
    const test = node();
    const [fetch] = test.ofType('fetch', test.cluster(follower(0, 1), withStamp(made)));
    test.send({ type: 'fetched', request: fetch?.request ?? 0, body: { ...made, timestamp: 5 } });
    expect(test.state().lastKnown).toEqual(made);
  });

  it('takes no stamp of an earlier leadership, which gossip may still tell of', () => {
    const test = node();
    const members = withStamp(made);
    expect(test.send({ type: 'cluster', leadership: follower(0, 2), members })).toMatchObject([{ type: 'announce' }]);
    expect(test.ofType('fetch', test.wait(5000))).toEqual([]);
  });

  it('tells a new leader for 1.5 s what it holds before it takes the leader’s', () => {
    const test = node(scheduleOf({ mine: 1 }, 8, ids[1]));
    expect(test.cluster(follower(0, 1), withStamp(made))).toMatchObject([
      { type: 'announce', stamp: { timestamp: 8 } },
    ]);
    expect(test.wait(1400)).toEqual([]);
    expect(test.wait(100)).toMatchObject([{ type: 'fetch', hash: made.hash }]);
  });

  it('takes no stamp that its leader did not make', () => {
    const test = node();
    expect(test.ofType('fetch', test.cluster(follower(0, 1), withStamp({ ...made, origin: ids[1] })))).toEqual([]);
  });

  it('keeps and announces its last schedule when the leader is lost, and renders nothing', () => {
    const test = node();
    const [fetch] = test.ofType('fetch', test.cluster(follower(0, 1), withStamp(made)));
    test.send({ type: 'fetched', request: fetch?.request ?? 0, body: made });
    expect(test.cluster({ role: 'none', epoch: 1 })).toEqual([{ type: 'announce', stamp: stampOf(made) }]);
    expect(test.state()).toMatchObject({ lastKnown: made, stable: null });
  });
});

describe('the guard of a leader', () => {
  const running = (counts: Record<string, number>): JsonObject => ({
    roles: { r: { template: 't', daemons: { side: { instances: 1 } } } },
    nodes: Object.fromEntries(
      Object.entries(counts).map(([host, instances]) => [host, { roles: { r: { daemons: { main: { instances } } } } }]),
    ),
  });
  const large = running({ a: 9, b: 9 });
  const small = running({ a: 1, b: 1 });
  const begun = () => {
    const test = leading();
    finish(test, startOf(test, test.wait(5000)).round, large);
    return test;
  };
  const hashOf = (effects: readonly Effect[]) =>
    effects.flatMap((effect) => (effect.type === 'render' ? [effect.schedule.hash] : []));

  it('holds a schedule that stops 80 % of all instances unasked, keeps the old one and says so', () => {
    const test = begun();
    const effects = finish(test, startOf(test, test.wait(5000)).round, small);
    expect(hashOf(effects)).toEqual([hashJson(large)]);
    expect(test.state().lastKnown?.data).toEqual(large);
    expect(test.state().errors.guard).toContain('would stop 16 of 20 instances at once, more than 50 %');
    expect(startOf(test, test.wait(5000)).parents.map((parent) => parent.data)).toEqual([large]);
  });

  it('lets pass what stops half, or what an action or new metadata explains', () => {
    const half = begun();
    finish(half, startOf(half, half.wait(5000)).round, running({ a: 4, b: 4 }));
    expect(half.state().lastKnown?.data).toEqual(running({ a: 4, b: 4 }));
    const asked = begun();
    asked.send({ type: 'action', ticket: 1, value: 'stop it' });
    finish(asked, startOf(asked, asked.wait(1000)).round, small);
    expect(asked.state().lastKnown?.data).toEqual(small);
    const changed = begun();
    changed.send({ type: 'changed', reason: 'runtime' });
    const failing = startOf(changed, changed.wait(1000)).round;
    changed.send({ type: 'round-failed', round: failing, error: 'x' });
    finish(changed, startOf(changed, changed.wait(1000)).round, small);
    expect(changed.state().lastKnown?.data).toEqual(small);
    const sources = begun();
    sources.send({ type: 'changed', reason: 'scheduler' });
    finish(sources, startOf(sources, sources.wait(1000)).round, small);
    expect(sources.state().lastKnown?.data).toEqual(large);
  });

  it('gives way to a scheduler that thinks better of it', () => {
    const test = begun();
    finish(test, startOf(test, test.wait(5000)).round, small);
    finish(test, startOf(test, test.wait(5000)).round, running({ a: 8, b: 8 }));
    expect(test.state().errors.guard).toBeNull();
    expect(test.state().lastKnown?.data).toEqual(running({ a: 8, b: 8 }));
  });

  it('applies what it holds when somebody says so, and that only', () => {
    const test = begun();
    finish(test, startOf(test, test.wait(5000)).round, small);
    expect(test.send({ type: 'guard', decision: 'apply', hash: hashJson(large) })).toEqual([]);
    expect(hashOf(test.send({ type: 'guard', decision: 'apply', hash: hashJson(small) }))).toEqual([hashJson(small)]);
    expect(test.state()).toMatchObject({ errors: { guard: null }, lastKnown: { data: small } });
    expect(startOf(test, test.wait(5000)).parents.map((parent) => parent.data)).toEqual([small]);
  });

  it('is silent about a schedule that was discarded, and keeps it away all the same', () => {
    const test = begun();
    finish(test, startOf(test, test.wait(5000)).round, small);
    test.send({ type: 'guard', decision: 'discard', hash: hashJson(small) });
    expect(test.state().errors.guard).toBeNull();
    finish(test, startOf(test, test.wait(5000)).round, small);
    expect(test.state()).toMatchObject({ errors: { guard: null }, lastKnown: { data: large } });
    const smaller = running({ a: 0, b: 1 });
    finish(test, startOf(test, test.wait(5000)).round, smaller);
    expect(test.state().errors.guard).toContain('would stop');
  });

  it('keeps all parents of a merge that it holds', () => {
    const other = scheduleOf({ other: 1 }, 6, ids[0]);
    const test = node(scheduleOf(large, 5, self));
    const members = [member(0, { schedule: stampOf(other), lastReportDirect: wallStart + 1 })];
    const [fetch] = test.ofType('fetch', test.cluster(leader(1), members));
    test.send({ type: 'fetched', request: fetch?.request ?? 0, body: other });
    const first = startOf(test, test.wait(2000));
    expect(first.parents).toHaveLength(2);
    finish(test, first.round, small);
    expect(startOf(test, test.wait(5000)).parents).toHaveLength(2);
  });
});
