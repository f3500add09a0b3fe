import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/verwalter/canonical.ts';
import { readMetadata } from '../../src/verwalter/metadata.ts';
import { readSources } from '../../src/verwalter/scheduler/sources.ts';
import { forEachCase } from './in-sandbox.ts';
import { instances, type Round, rate, startRounds } from './rounds.ts';

// stellwerk/api, through the example that is made of it: what the UI's kind `api` sends, and what comes of it.

const three = ['node1', 'node2', 'node3'] as const;
const dir = join(import.meta.dirname, '../../examples/schedulers/api');

const begin = () => {
  const { data: runtime } = readMetadata(join(dir, 'runtime'));
  const round = startRounds(readSources(dir).files);
  return (seconds: number, buttons: readonly JsonObject[] = [], errors: number | null = 0): Promise<Round> =>
    round({
      seconds,
      alive: three,
      runtime,
      metrics: Object.fromEntries(
        three.map((host) => [host, errors === null ? {} : { 'shop.errors': rate(errors / 3) }]),
      ),
      buttons: buttons.map((button) => ({ role: 'shop', ...button })),
    });
};
const create = { action: 'create_group', group_name: 'main', version: 'v1.0' };
const web = {
  ...{ action: 'add_daemon', group: 'main', new_name: 'web', service: 'web' },
  ...{ servers: ['node2', 'node1'], number_per_server: 2, variables: { colour: 'blue' } },
};
const begun = async () => {
  const at = begin();
  await at(0, [create, web]);
  return at;
};
const answersOf = ({ answers }: Round) => Object.values(answers);
const groupOf = ({ data }: Round) => {
  const { state } = data as { state: { shop: { groups: { main: Record<string, unknown> } } } };
  return state.shop.groups.main as {
    version: string;
    update?: { step: string; direction: string };
    services: JsonObject;
  };
};
const placed = ({ data }: Round, version: string, name = 'web') => instances(data, 'shop', `main-${name}-${version}`);

describe('groups of the api convention', () => {
  it('come to be and get processes on the servers that were named', async () => {
    const at = begin();
    const made = await at(0, [create, web]);
    expect(answersOf(made)).toEqual([{ group: 'main' }, { group: 'main', name: 'web' }]);
    expect(made.changes).toEqual([
      'shop: group main is created with version v1.0',
      'shop: main/web: 2 on each of 2 servers',
    ]);
    expect(placed(made, 'v1.0')).toEqual({ node1: 2, node2: 2 });
    expect(made.data).toMatchObject({
      roles: { shop: { frontend: { kind: 'api' }, versions: ['v1.1', 'v1.0'] } },
      nodes: {
        node1: {
          roles: { shop: { daemons: { 'main-web-v1.0': { image: 'shop-v1.0', variables: { colour: 'blue' } } } } },
        },
      },
    });
    expect((await at(5)).hash).toBe((await at(10)).hash);
  });

  it('change servers and numbers, and lose processes', async () => {
    const at = await begun();
    const other = { ...web, new_name: 'jobs', service: 'worker', servers: [], number_per_server: 1 };
    await at(5, [
      { action: 'set_servers', group: 'main', service: 'web', servers: ['node3'] },
      { action: 'set_number_per_server', group: 'main', service: 'web', number_per_server: 5 },
      other,
    ]);
    expect(placed(await at(10), 'v1.0')).toEqual({ node3: 5 });
    const gone = await at(15, [{ action: 'delete_daemon', group: 'main', name: 'web' }]);
    expect(Object.keys(groupOf(gone).services)).toEqual(['jobs']);
    const none = await at(20, [{ action: 'delete_group', group: 'main' }]);
    expect(none.data.state).toEqual({ shop: expect.objectContaining({ groups: {} }) });
  });

  it('refuse what cannot be, with words, and change nothing', async () => {
    const at = await begun();
    const before = (await at(5)).hash;
    const wrong: readonly (readonly [JsonObject, string])[] = [
      [create, 'there is a group main already'],
      [{ ...create, group_name: '../x' }, 'group_name must be a name'],
      [{ ...create, group_name: 'other', version: 'v9' }, 'there is no version v9'],
      [{ ...web, new_name: 'x', service: 'nothing' }, 'version v1.0 has no service nothing'],
      [web, 'group main has a process web already'],
      [{ ...web, group: 'nobody' }, 'there is no group nobody'],
      [{ action: 'set_servers', group: 'main', service: 'web', servers: ['node9'] }, 'there is no server node9'],
      [{ action: 'set_servers', group: 'main', service: 'web', servers: 'node1' }, 'servers must be a list'],
      [{ action: 'set_servers', group: 'main', service: 'x', servers: [] }, 'group main has no process x'],
      [
        { action: 'set_number_per_server', group: 'main', service: 'web', number_per_server: -1 },
        'a whole number from 0',
      ],
      [
        { action: 'set_number_per_server', group: 'main', service: 'web', number_per_server: 1e9 },
        'a whole number from 0',
      ],
      [{ action: 'set_number_per_server', group: 'main', service: 'web' }, 'a whole number from 0'],
      [{ ...web, new_name: 'y', variables: { a: {} } }, 'variables: a must be a text'],
      [{ action: 'start_update', group: 'main', to_version: 'v9' }, 'there is no version v9'],
      [{ action: 'start_update', group: 'main' }, 'there is no version nil'],
      [{ action: 'update_action', group: 'main', update_action: 'pause' }, 'no update is under way'],
      [{ action: ['x'] }, 'unknown action'],
      [{}, 'unknown action nil'],
      [{ action: 'delete_group' }, 'there is no group nil'],
    ];
    const refused = await at(
      10,
      wrong.map(([button]) => button),
    );
    const errors = answersOf(refused).map((answer) => (answer as { error?: string }).error);
    expect(errors).toEqual(wrong.map(([, text]) => expect.stringContaining(text)));
    expect(refused.hash).toBe(before);
  });

  it('answer what was meant for a group that is deleted in the same round', async () => {
    const at = await begun();
    const round = await at(5, [
      { action: 'start_update', group: 'main', to_version: 'v1.1' },
      { action: 'delete_group', group: 'main' },
    ]);
    expect(answersOf(round)).toEqual([{ error: 'group main is deleted' }, { group: 'main' }]);
  });
});

describe('an update of the api convention', () => {
  const update = (update_action: string, step?: string): JsonObject => ({
    ...{ action: 'update_action', group: 'main', update_action },
    ...(step === undefined ? {} : { step }),
  });
  const started = async () => {
    const at = await begun();
    const round = await at(5, [{ action: 'start_update', group: 'main', to_version: 'v1.1' }]);
    expect(answersOf(round)).toEqual([{ step: 'migrate' }]);
    expect(placed(round, 'v1.0')).toEqual({ node1: 2, node2: 2 });
    return at;
  };

  it('goes through ack, time, manual and smooth to the end', async () => {
    const at = await started();
    expect(groupOf(await at(4000)).update?.step).toBe('migrate');
    const acked = await at(4005, [update('ack', 'migrate')]);
    expect([placed(acked, 'v1.1'), placed(acked, 'v1.0')]).toEqual([{ node1: 1 }, { node1: 1, node2: 2 }]);
    expect(groupOf(await at(4125)).update?.step).toBe('ask');
    const proceeded = await at(5000, [update('proceed', 'ask')]);
    expect(groupOf(proceeded).update?.step).toBe('roll');
    // A step counts on from the one before it: one of four runs the new version already.
    const counts = [placed(proceeded, 'v1.1')];
    for (const seconds of [5030, 5060, 5090]) counts.push(placed(await at(seconds), 'v1.1'));
    expect(counts).toEqual([{ node1: 2 }, { node1: 2, node2: 1 }, { node1: 2, node2: 2 }, { node1: 2, node2: 2 }]);
    const done = await at(5120);
    expect(groupOf(done)).toMatchObject({ version: 'v1.1' });
    expect(groupOf(done).update).toBeUndefined();
    expect(placed(done, 'v1.1')).toEqual({ node1: 2, node2: 2 });
  });

  it('takes a press once: the second names a step that is over', async () => {
    const at = await started();
    const round = await at(10, [update('skip', 'migrate'), update('skip', 'migrate')]);
    expect(answersOf(round)).toEqual([{ step: 'canary' }, { error: 'the update is at step canary, not migrate' }]);
  });

  it('stops at an error that a program tells of, goes on at resume, and walks back at revert', async () => {
    const at = await started();
    const failed = await at(10, [{ ...update('error', 'migrate'), error_message: 'column missing' }]);
    expect(groupOf(failed).update).toMatchObject({ direction: 'error', error_message: 'column missing' });
    expect(answersOf(await at(15, [update('ack', 'migrate')]))).toEqual([
      { error: 'the update does not go forward: error' },
    ]);
    expect(groupOf(await at(20, [update('resume')])).update?.direction).toBe('forward');
    await at(25, [update('ack', 'migrate')]);
    await at(30, [update('revert', 'canary')]);
    for (const seconds of [35, 40, 45]) await at(seconds);
    const back = await at(50);
    expect(groupOf(back).update).toBeUndefined();
    expect([groupOf(back).version, placed(back, 'v1.0')]).toEqual(['v1.0', { node1: 2, node2: 2 }]);
  });

  it('waits at a pause, and while health is not known', async () => {
    const at = await started();
    await at(10, [update('ack')]);
    await at(15, [update('pause', 'canary')]);
    expect(groupOf(await at(1000)).update).toMatchObject({ step: 'canary', direction: 'pause' });
    await at(1005, [update('resume', 'canary')]);
    expect(groupOf(await at(2000, [], null)).update?.step).toBe('canary');
    expect(groupOf(await at(2005)).update?.step).toBe('ask');
  });

  it('is forced at once, and begins by itself where that was switched on', async () => {
    const at = await begun();
    const forced = await at(5, [{ action: 'force_version', group: 'main', to_version: 'v1.1' }]);
    expect([answersOf(forced), placed(forced, 'v1.1')]).toEqual([[{ version: 'v1.1' }], { node1: 2, node2: 2 }]);
    const other = await begun();
    const auto = await other(5, [{ action: 'enable_auto_update', group: 'main' }]);
    expect(groupOf(auto)).toMatchObject({ auto_update: true, update: { target_ver: 'v1.1', step: 'migrate' } });
  });
});

describe('a pipeline of the api convention', () => {
  it('fills in how much runs the new version: all, or as much as before', async () => {
    const steps = [
      ['ack', {}],
      ['time', { count: 1 }],
      ['manual', {}],
      ['time', {}],
      ['manual', {}],
    ] as const;
    const pipeline = steps.map(([forward_mode, more], index) => ({ name: `s${index}`, forward_mode, ...more }));
    const body = "return require('json').array(require 'stellwerk/api'.pipeline(case))";
    const [filled] = await forEachCase<{ count?: number; percent?: number }[]>(body, [pipeline]);
    expect(filled?.map(({ count, percent }) => count ?? `${percent} %`)).toEqual(['0 %', 1, 1, '100 %', '100 %']);
  });
});

describe('an action of any shape', () => {
  const odd = fc.oneof(fc.constantFrom('main', 'web', 'v1.1', 'node1', 'migrate'), fc.jsonValue({ maxDepth: 2 }));
  const update = fc.constantFrom('pause', 'resume', 'revert', 'skip', 'proceed', 'ack', 'error');
  const button = fc.record(
    {
      action: fc.oneof(
        fc.constantFrom('create_group', 'delete_group', 'add_daemon', 'delete_daemon', 'set_servers'),
        fc.constantFrom(
          'set_number_per_server',
          'start_update',
          'force_version',
          'enable_auto_update',
          'update_action',
        ),
        fc.constantFrom('quick_switch', 'revert', 'skip', 'error'),
        odd,
      ),
      group: fc.oneof({ weight: 5, arbitrary: fc.constant('main') }, odd),
      update_action: fc.oneof({ weight: 3, arbitrary: update }, odd),
      ...{ group_name: odd, version: odd, new_name: odd, service: odd, name: odd, step: odd, data: odd },
      ...{ servers: odd, number_per_server: odd, variables: odd, to_version: odd, error_message: odd },
      ...{ start_update: odd, force_version: odd },
    },
    { requiredKeys: ['group'] },
  );
  const runs = { numRuns: Number(process.env.PROPERTY_RUNS ?? 12) };

  it('never fails a round of the api example: it is answered', { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(button, { minLength: 1, maxLength: 25 }), async (buttons) => {
        const at = await begun();
        await at(5, [{ action: 'start_update', group: 'main', to_version: 'v1.1' }]);
        const round = await at(10, buttons as JsonObject[]);
        expect(Object.keys(round.answers)).toHaveLength(buttons.length);
        await at(200);
      }),
      runs,
    );
  });

  it('never fails a round of the version rollout', { timeout: 600_000 }, async () => {
    const rollout = join(dir, '../version-rollout');
    const { data: runtime } = readMetadata(join(rollout, 'runtime'));
    await fc.assert(
      fc.asyncProperty(fc.array(button, { minLength: 1, maxLength: 25 }), async (buttons) => {
        const round = startRounds(readSources(rollout).files);
        const pressed = buttons.map((each) => ({ ...(each as JsonObject), role: 'django' }));
        const { answers } = await round({ seconds: 0, alive: three, runtime, buttons: pressed });
        expect(Object.keys(answers)).toHaveLength(buttons.length);
        await round({ seconds: 5, alive: three, runtime });
      }),
      runs,
    );
  });
});
