import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkQuery } from '../../src/cantal/query/rule.ts';
import type { JsonObject } from '../../src/verwalter/canonical.ts';
import { checkConfigDir } from '../../src/verwalter/check.ts';
import { readMetadata } from '../../src/verwalter/metadata.ts';
import { readSources } from '../../src/verwalter/scheduler/sources.ts';
import { containers, instances, type Round, rate, type Situation, startRounds, total } from './rounds.ts';

const folder = join(import.meta.dirname, '../../examples/schedulers');
const start = (name: string) => {
  const dir = join(folder, name);
  const { data: runtime } = readMetadata(join(dir, 'runtime'));
  const round = startRounds(readSources(dir).files);
  return (situation: Omit<Situation, 'runtime'>): Promise<Round> => round({ ...situation, runtime });
};
const three = ['node1', 'node2', 'node3'] as const;

describe('each example', () => {
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  it.each(names.map(({ name }) => name))(
    '%s is a whole configuration, whose rules cantal understands',
    async (name) => {
      expect((await checkConfigDir(join(folder, name))).problems).toEqual([]);
      const { data } = await start(name)({ seconds: 0, alive: three });
      const { rules } = data.query_metrics as { rules: JsonObject };
      expect(Object.keys(rules).length).toBeGreaterThan(0);
      expect(checkQuery({ rules })).toMatchObject({ kind: 'ok' });
    },
  );

  it.each(names.map(({ name }) => name))('%s gives the same bytes while nothing changes', async (name) => {
    const round = start(name);
    const quiet = { node1: {}, node2: {}, node3: {} };
    await round({ seconds: 0, alive: three, metrics: quiet });
    const second = await round({ seconds: 5, alive: three, metrics: quiet });
    const third = await round({ seconds: 10, alive: three, metrics: quiet });
    expect(third.hash).toBe(second.hash);
  });
});

describe('the day rule', () => {
  const rpm = (value: number | null) =>
    Object.fromEntries(three.map((host) => [host, value === null ? {} : { 'django.rpm': rate(value / 60 / 3) }]));
  const counts = ({ data }: Round) => [
    total(instances(data, 'django', 'django')),
    total(instances(data, 'django', 'celery')),
  ];

  it('goes 10/5 → 20/2 → 20/2 → 10/5 for 9 999, 10 000, 9 500 and, for five minutes, 8 900', async () => {
    const round = start('day-rule');
    const at = (seconds: number, value: number | null) => round({ seconds, alive: three, metrics: rpm(value) });
    expect(counts(await at(0, 9999))).toEqual([10, 5]);
    expect(counts(await at(5, 9999))).toEqual([10, 5]);
    expect(counts(await at(10, 10_000))).toEqual([20, 2]);
    expect(counts(await at(900, 9500))).toEqual([20, 2]);
    expect(counts(await at(1000, 8900))).toEqual([20, 2]);
    expect(counts(await at(1295, 8900))).toEqual([20, 2]);
    const first = await at(1300, 8900);
    expect(first.changes[0]).toBe('8900 requests a minute: low load');
    // One a second is stopped, five are started.
    expect(counts(first)).toEqual([15, 5]);
    expect(counts(await at(1305, 8900))).toEqual([10, 5]);
  });

  it('begins the five minutes anew when the rate rises, and stops the clock while it is unknown', async () => {
    const round = start('day-rule');
    const at = (seconds: number, value: number | null) => round({ seconds, alive: three, metrics: rpm(value) });
    await at(0, 12_000);
    await at(5, 8900);
    await at(200, 9000);
    await at(205, 8900);
    expect(counts(await at(504, 8900))).toEqual([20, 2]);
    expect(counts(await at(504.5, null))).toEqual([20, 2]);
    expect(counts(await at(600, null))).toEqual([20, 2]);
    expect(counts(await at(601, 8900))).toEqual([20, 2]);
    expect(counts(await at(602, 8900))).not.toEqual([20, 2]);
  });

  it('keeps its counts where one node does not tell', async () => {
    const round = start('day-rule');
    await round({ seconds: 0, alive: three, metrics: rpm(12_000) });
    const blind = await round({ seconds: 900, alive: three, metrics: { ...rpm(0), node2: {} } });
    expect(counts(blind)).toEqual([20, 2]);
    expect(blind.log).toContain('no request rate from node2');
  });

  it('gives the work of a lost node to the others and leaves its own entry as it was', async () => {
    const round = start('day-rule');
    const first = await round({ seconds: 0, alive: three });
    const lost = await round({ seconds: 60, alive: ['node1', 'node2'] });
    const nodes = (data: JsonObject) => data.nodes as JsonObject;
    expect(nodes(lost.data).node3).toEqual(nodes(first.data).node3);
    expect(instances(lost.data, 'django', 'django')).toMatchObject({ node1: 5, node2: 5 });
  });
});

describe('self-healing', () => {
  type Seen = { readonly running: number; readonly errors: number };
  const well: Seen = { running: 10, errors: 0 };
  const bad: Seen = { running: 5, errors: 77 };
  const metrics = (seen: Readonly<Record<string, Seen | null>>): Record<string, JsonObject> =>
    Object.fromEntries(
      Object.entries(seen).map(([host, values]) => [
        host,
        values === null ? {} : { 'django.running': containers(values.running), 'django.errors': rate(values.errors) },
      ]),
    );
  const placed = ({ data }: Round) => instances(data, 'django', 'django');
  const begun = async () => {
    const round = start('self-healing');
    const at = (seconds: number, seen: Readonly<Record<string, Seen | null>>, buttons: readonly JsonObject[] = []) =>
      round({ seconds, alive: Object.keys(seen), metrics: metrics(seen), buttons });
    const first = await at(0, { node1: well, node2: well, node3: well });
    expect(placed(first)).toEqual({ node1: 10, node2: 10, node3: 10 });
    return at;
  };

  it('does nothing for 59 s of 10 wanted, 5 running, 77 errors a second; at 60 s it moves all of them at once', async () => {
    const at = await begun();
    const seen = { node1: well, node2: bad, node3: well };
    await at(10, seen);
    expect(placed(await at(69, seen))).toEqual({ node1: 10, node2: 10, node3: 10 });
    const moved = await at(70, seen);
    expect(placed(moved)).toEqual({ node1: 15, node3: 15 });
    expect(moved.changes).toEqual([
      'node2: django is blacklisted for 10 min: 5 of 10 running, 77 errors a second',
      'django: 10 started, 10 stopped',
    ]);
    const { explain } = moved.data as { explain: { django: Record<string, { placed: boolean; reasons: string[] }> } };
    expect(explain.django.node2).toMatchObject({
      placed: false,
      reasons: ['blacklisted: 5 of 10 running, 77 errors a second', 'no room: at most 0 here'],
    });
    expect(explain.django.node1?.reasons[0]).toContain('15 of 30, spread over 3 nodes');
  });

  it('does not blacklist a node whose metrics are missing', async () => {
    const at = await begun();
    for (const seconds of [10, 70, 200, 4000])
      expect(placed(await at(seconds, { node1: well, node2: null, node3: well }))).toEqual({
        node1: 10,
        node2: 10,
        node3: 10,
      });
  });

  it('blacklists at most a third when all are bad', async () => {
    const at = await begun();
    const seen = { node1: bad, node2: bad, node3: bad };
    await at(10, seen);
    const moved = await at(70, seen);
    expect(placed(moved)).toEqual({ node2: 15, node3: 15 });
    expect(moved.log).toContain('node2: django is bad');
    expect(placed(await at(600, seen))).toEqual({ node2: 15, node3: 15 });
  });

  it('tries one instance after 10 minutes, leaves it out for 20 if that fails, and uses it again when it holds', async () => {
    const at = await begun();
    const seen = (node2: Seen) => ({ node1: well, node2, node3: well });
    await at(10, seen(bad));
    await at(70, seen(bad));
    const none: Seen = { running: 0, errors: 0 };
    expect(placed(await at(669, seen(none))).node2).toBeUndefined();
    expect(placed(await at(670, seen(none))).node2).toBe(1);
    const failing: Seen = { running: 0, errors: 77 };
    await at(680, seen(failing));
    const again = await at(740, seen(failing));
    expect(again.changes[0]).toContain('node2: django is blacklisted for 20 min');
    expect(placed(await at(740 + 1199, seen(none))).node2).toBeUndefined();
    expect(placed(await at(740 + 1200, seen(none))).node2).toBe(1);
    const one: Seen = { running: 1, errors: 0 };
    await at(1945, seen(one));
    const back = await at(2005, seen(one));
    expect(back.changes[0]).toBe('node2: django runs again');
    expect(placed(back)).toEqual({ node1: 10, node2: 10, node3: 10 });
  });

  it('uses a node again at its button', async () => {
    const at = await begun();
    const seen = { node1: well, node2: bad, node3: well };
    await at(10, seen);
    await at(70, seen);
    const button = { role: 'django', action: 'unblacklist', host: 'node2' };
    const back = await at(75, { node1: well, node2: well, node3: well }, [button, { role: 'django', action: 'x' }]);
    expect(placed(back)).toEqual({ node1: 10, node2: 10, node3: 10 });
    expect(Object.values(back.answers)).toEqual([
      { unblacklisted: 'node2' },
      { error: 'unknown action; there is unblacklist with a host' },
    ]);
  });
});

describe('the version rollout', () => {
  const errors = (perSecond: number | null) =>
    Object.fromEntries(three.map((host) => [host, perSecond === null ? {} : { 'django.errors': rate(perSecond / 3) }]));
  const split = ({ data }: Round) => [
    total(instances(data, 'django', 'django-v1.9')),
    total(instances(data, 'django', 'django-v1.10')),
  ];
  const begun = async () => {
    const dir = join(folder, 'version-rollout');
    const { data } = readMetadata(join(dir, 'runtime'));
    const { settings, versions } = data.django as { settings: JsonObject; versions: JsonObject };
    const round = startRounds(readSources(dir).files);
    const at = (seconds: number, perSecond: number | null, buttons: readonly JsonObject[] = [], known = versions) =>
      round({
        seconds,
        alive: three,
        runtime: { django: { settings, versions: known } },
        metrics: errors(perSecond),
        buttons: buttons.map((button) => ({ role: 'django', ...button })),
      });
    const old = { 'v1.9': versions['v1.9'] ?? null };
    expect(split(await at(0, 0, [], old))).toEqual([10, 0]);
    return at;
  };

  it('goes from a canary by button and by parts to all', async () => {
    const at = await begun();
    const canary = await at(5, 0);
    expect(split(canary)).toEqual([9, 1]);
    expect(canary.changes).toEqual(['django: v1.9 to v1.10: step canary']);
    expect(split(await at(124, 0))).toEqual([9, 1]);
    expect((await at(125, 0)).changes).toEqual(['django: v1.10: step ask']);
    expect(split(await at(4000, 0))).toEqual([9, 1]);
    const pressed = await at(4005, 0, [{ update_action: 'proceed', step: 'ask' }]);
    expect(Object.values(pressed.answers)).toEqual([{ step: 'half' }]);
    const shares: number[][] = [];
    for (let part = 0; part < 5; part++) shares.push(split(await at(4005 + part * 30, 0)));
    expect(shares).toEqual([
      [8, 2],
      [7, 3],
      [6, 4],
      [5, 5],
      [5, 5],
    ]);
    expect(split(await at(4155, 0))).toEqual([0, 10]);
    const done = await at(4215, 0);
    expect(done.changes).toEqual(['django: v1.10 runs everywhere']);
    expect(done.data.state).toMatchObject({ django: { version: 'v1.10' } });
  });

  it('goes back by itself after 30 s of errors, and does not try that version again unasked', async () => {
    const at = await begun();
    await at(5, 0);
    await at(125, 0);
    await at(130, 0, [{ update_action: 'proceed' }]);
    expect(split(await at(135, 6))).toEqual([8, 2]);
    expect(split(await at(164, 6))).toEqual([8, 2]);
    const turned = await at(165, 6);
    expect(turned.changes).toEqual(['django: v1.10: back to v1.9: 6 errors a second']);
    expect(split(await at(170, 6))).toEqual([9, 1]);
    await at(175, 6);
    expect(split(await at(180, 6))).toEqual([10, 0]);
    expect(split(await at(300, 0))).toEqual([10, 0]);
    const asked = await at(305, 0, [{ start_update: { to_version: 'v1.10' } }]);
    expect(split(asked)).toEqual([9, 1]);
  });

  it('takes the buttons of its page: a step forward, and a switch at once', async () => {
    const at = await begun();
    const canary = await at(5, 0);
    const { roles } = canary.data as { roles: { django: { global_actions: { id: string; data: JsonObject }[] } } };
    expect(roles.django.global_actions.map(({ id }) => id)).toEqual(['proceed', 'pause', 'skip', 'revert']);
    const skip = { action: 'skip', data: roles.django.global_actions[0]?.data ?? null };
    expect(Object.values((await at(10, 0, [skip, skip])).answers)).toEqual([
      { step: 'ask' },
      { error: 'the update is at step ask, not canary' },
    ]);
    const switched = await at(15, 0, [{ action: 'quick_switch', version: 'v1.10' }]);
    expect([Object.values(switched.answers), split(switched)]).toEqual([[{ version: 'v1.10' }], [0, 10]]);
    expect(switched.data.roles).toMatchObject({ django: { global_actions: [] } });
    // Left by hand: it does not come back by itself, though it is the newest.
    await at(16, 0, [{ action: 'quick_switch', version: 'v1.9' }]);
    expect(split(await at(19, 0))).toEqual([10, 0]);
    const back = await at(20, 0, [{ action: 'start_update', version: 'v1.10' }, { action: 'quick_switch' }]);
    expect(Object.values(back.answers)).toEqual([{ step: 'canary' }, { error: 'force_version needs to_version' }]);
  });

  it('waits while errors are unknown, and at a pause', async () => {
    const at = await begun();
    await at(5, 0);
    expect((await at(200, null)).changes).toEqual([]);
    expect(split(await at(300, null))).toEqual([9, 1]);
    await at(305, 0, [{ update_action: 'pause' }]);
    expect((await at(900, 0)).changes).toEqual([]);
    const wrong = await at(905, 0, [{ update_action: 'resume', step: 'half' }]);
    expect(Object.values(wrong.answers)).toEqual([{ error: 'the update is at step canary, not half' }]);
    await at(910, 0, [{ update_action: 'resume', step: 'canary' }]);
    expect((await at(1030, 0)).changes).toEqual(['django: v1.10: step ask']);
  });
});
