import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeOverview } from '../../web/src/api.ts';
import { readApi, stepStates, type Update, updateButtons } from '../../web/src/verwalter/roles/api-kind.ts';
import { filled, readButtons } from '../../web/src/verwalter/roles/button.ts';
import { readMigration } from '../../web/src/verwalter/roles/migration-kind.ts';
import { readProcesses, sumsByRole } from '../../web/src/verwalter/roles/processes.ts';
import { noteCounts, readRole, roleNames } from '../../web/src/verwalter/roles/role-facts.ts';
import { fillOf, matcher, serviceLines } from '../../web/src/verwalter/roles/services.ts';
import { shapeOf, wordsOf } from '../../web/src/verwalter/roles/shape.ts';
import { filterVersions, readVersions, usualVersionButtons } from '../../web/src/verwalter/roles/version-kind.ts';
import { simulatedOverview } from './simulated.ts';

const { nodes } = simulatedOverview(1_764_000_000_000, 1);

/** Every reader of what a schedule says of roles, on one schedule. */
function readAll(data: unknown, overview: readonly NodeOverview[] = nodes): readonly string[] {
  const odd: string[] = [];
  const rows = readProcesses(data, overview);
  sumsByRole(data, rows);
  noteCounts(data);
  for (const by of ['host', 'role'] as const)
    serviceLines(data, rows, ['node1'], { by, hideEmpty: false, filter: '' }, odd);
  for (const name of [...roleNames(data), 'web', 'constructor']) {
    const facts = readRole(data, name, odd);
    for (const action of facts.actions) filled(action.title, { role: name });
    readVersions(data, name, odd);
    readMigration(data, name, odd);
    const api = readApi(data, name, odd);
    for (const group of api.groups) {
      if (group.update) {
        stepStates(group.update);
        updateButtons(group.update);
      }
      for (const version of api.versions) api.pipelineOf(version, group.name);
    }
    for (const version of api.versions) api.servicesOf(version);
  }
  return odd;
}

/** A schedule in which any place that the page reads may hold anything. */
const schedules = (() => {
  const any = fc.jsonValue({ maxDepth: 2 });
  const maybe = (good: fc.Arbitrary<unknown>) => fc.oneof({ weight: 4, arbitrary: good }, any);
  const name = fc.constantFrom('web', 'api', 'constructor', '__proto__', 'a.b');
  const record = (model: Record<string, fc.Arbitrary<unknown>>) =>
    maybe(
      fc.record(Object.fromEntries(Object.entries(model).map(([key, each]) => [key, maybe(each)])), {
        requiredKeys: [],
      }),
    );
  const text = fc.string();
  const buttons = fc.array(
    record({ id: text, title: text, kind: fc.constantFrom('danger', 'toString'), confirm: text }),
  );
  const steps = fc.array(
    record({ name: text, forward_mode: fc.constantFrom('time', 'ack'), percent: fc.double(), count: fc.nat() }),
  );
  const daemons = fc.dictionary(name, record({ instances: fc.integer(), image: text }));
  const shortinfo = fc.array(fc.tuple(fc.constantFrom('num', 'gauge'), text, fc.double(), fc.double()));
  const role = record({
    ...{ title: text, badge: text, info: fc.dictionary(text, any), versions: fc.array(text), shortinfo, daemons },
    ...{
      global_actions: buttons,
      daemon_actions: buttons,
      version_info: fc.dictionary(text, record({ services: fc.array(text) })),
    },
    frontend: record({
      kind: fc.constantFrom('example', 'version', 'migration', 'api', 'valueOf'),
      version_buttons: buttons,
      migration: record({
        progress: fc.double(),
        mode: fc.constantFrom('paused', 'x'),
        start_time: fc.double(),
        buttons,
      }),
    }),
  });
  const update = record({
    ...{ source_ver: text, target_ver: text, direction: fc.constantFrom('forward', 'error', 'valueOf') },
    ...{ pipeline: steps, step: text, step_ts: fc.double() },
  });
  const service = record({ service: text, servers: fc.array(text), number_per_server: fc.double(), variables: any });
  const group = record({ version: text, auto_update: fc.boolean(), services: fc.dictionary(name, service), update });
  return record({
    roles: fc.dictionary(name, role),
    nodes: fc.dictionary(name, record({ roles: fc.dictionary(name, role), vars: record({ daemons }), shortinfo })),
    state: fc.dictionary(name, record({ groups: fc.dictionary(name, group), version: text, running: any })),
    errors: fc.array(record({ role: name, node: text, text })),
    warnings: fc.array(any),
  });
})();

describe('the readers of roles', () => {
  it('survive a schedule of any shape, and say in words what was odd', () => {
    fc.assert(
      fc.property(schedules, (data) => {
        // As it comes: over the wire.
        for (const sentence of readAll(JSON.parse(JSON.stringify(data)))) expect(typeof sentence).toBe('string');
      }),
      { numRuns: Number(process.env.PROPERTY_RUNS ?? 100) },
    );
  });

  it('find nothing odd where nothing is', () => {
    const data = {
      roles: {
        web: {
          ...{ title: 'Web', badge: '5', info: { a: 1 }, versions: ['2', '1'], frontend: { kind: 'version' } },
          global_actions: [{ id: 'x', kind: 'danger' }],
          daemon_actions: {},
        },
      },
      nodes: { node1: { roles: { web: { daemons: { web: { instances: 2 } } } } } },
      state: { web: { version: 2, groups: [] } },
      errors: [{ role: 'web', node: 'node1', text: 'full' }, 'of nobody'],
    };
    expect(readAll(data)).toEqual([]);
    const facts = readRole(data, 'web', []);
    expect(facts).toMatchObject({ title: 'Web', badge: '5', kind: 'version', listed: true, info: [['a', '1']] });
    expect(facts.notes).toEqual([{ level: 'error', node: 'node1', text: 'full' }]);
    expect(noteCounts(data).get('web')).toEqual({ errors: 1, warnings: 0 });
    expect(readVersions(data, 'web', []).current).toBe('2');
  });

  it('name by path what has another kind than expected, and show the rest', () => {
    const odd: string[] = [];
    const data = {
      roles: { web: { title: ['x'], frontend: { kind: 'shiny' }, global_actions: ['a', { title: 'b' }], info: 5 } },
    };
    expect(readRole(data, 'web', odd)).toMatchObject({
      title: 'web',
      kind: null,
      unknownKind: 'shiny',
      actions: [],
      info: [],
    });
    expect(odd).toEqual([
      'roles.web.frontend.kind: this page knows no kind "shiny"',
      'roles.web.info is a number, not an object',
      'roles.web.title is a list, not a text',
      'roles.web.global_actions[0] is no object',
      'roles.web.global_actions[1] has no id',
    ]);
  });

  it('know a role that is only on nodes, and one without a page', () => {
    const data = { roles: { web: {} }, nodes: { node1: { roles: { lost: {} } } } };
    expect(roleNames(data)).toEqual(['lost', 'web']);
    expect(readRole(data, 'lost', []).listed).toBe(false);
  });
});

describe('a button', () => {
  it('asks with the names of what is pressed, and leaves other braces', () => {
    const [button] = readButtons(
      shapeOf({ list: [{ id: 1, confirm: 'Stop {daemon} on {host} of {what}?', kind: 'danger' }] }, 'x', []),
      'list',
      [],
    );
    expect(button).toMatchObject({ id: '1', title: '1', kind: 'danger' });
    expect(filled(button?.confirm ?? '', { daemon: 'web', host: 'node1' })).toBe('Stop web on node1 of {what}?');
  });

  it('to stop is there where the schedule allows it, once', () => {
    const of = (role: unknown) =>
      readRole({ roles: { web: role } }, 'web', []).actions.map(({ id, title }) => [id, title]);
    const frontend = { kind: 'version', allow_stop: true };
    expect(of({ frontend })).toEqual([['stop', 'Stop']]);
    expect(of({ frontend, global_actions: [{ id: 'stop', title: 'Halt' }] })).toEqual([['stop', 'Halt']]);
    expect(of({ frontend: { kind: 'version', allow_stop: false } })).toEqual([]);
  });

  it('for versions is the usual one, unless the schedule names others or none', () => {
    const of = (frontend: unknown) => readVersions({ roles: { web: { frontend } } }, 'web', []).buttons;
    expect(of({ kind: 'version' })).toBe(usualVersionButtons);
    expect(of({ version_buttons: [] })).toEqual([]);
    expect(of({ version_buttons: [{ id: 'a' }] }).map(({ id }) => id)).toEqual(['a']);
  });
});

describe('processes', () => {
  const data = {
    vars: { daemons: { agent: { image: 'agent', instances: 1 } } },
    roles: { web: { daemons: { web: { image: 'old', instances: 1, config: 'c' } } } },
    nodes: { node1: { vars: {}, roles: { web: { daemons: { web: { image: 'new', instances: 3 } } }, bare: {} } } },
  };
  it('are merged as rendering merges them: each daemon whole from the strongest place', () => {
    const rows = readProcesses(data, []).map(({ role, name, image, config, wanted }) => [
      role,
      name,
      image,
      config,
      wanted,
    ]);
    expect(rows).toEqual([
      ['bare', 'agent', 'agent', null, 1],
      ['web', 'agent', 'agent', null, 1],
      ['web', 'web', 'new', null, 3],
    ]);
  });

  it('are counted beside what runs; what is not known is not zero', () => {
    const known = sumsByRole(overviewData(), readProcesses(overviewData(), nodes)).get('quickstart');
    expect(known).toMatchObject({ wanted: 16, running: 15 });
    expect(sumsByRole(data, readProcesses(data, [])).get('web')).toEqual({ wanted: 4, running: null, nodes: 1 });
  });
});

const overviewData = (): unknown => simulatedOverview(1_764_000_000_000, 1).schedule?.data;

describe('services', () => {
  const data = {
    roles: {
      web: {
        shortinfo: [
          ['num', 'rpm', 900],
          ['gauge', 'memory', 3, 2],
          ['dial', 'x'],
        ],
      },
      idle: {},
    },
    nodes: {
      node1: {
        shortinfo: [['gauge', 'cpu', 2, 2]],
        roles: { web: { daemons: { web: { instances: 4 }, job: { instances: 0 } } } },
      },
      node2: { roles: { web: { daemons: { web: { instances: 1 } } }, idle: {} } },
    },
  };
  const lines = (choice: Partial<Parameters<typeof serviceLines>[3]>, odd: string[] = []) =>
    serviceLines(
      data,
      readProcesses(data, []),
      ['node3'],
      { by: 'host', hideEmpty: false, filter: '', ...choice },
      odd,
    ).map(
      ({ name, placed }) =>
        `${name}: ${placed.map((each) => `${each.name}{${each.daemons.map((d) => `${d.name}×${d.count}`).join(', ')}}`).join(' ')}`,
    );

  it('stand by host or by role, with the empty or without', () => {
    expect(lines({})).toEqual(['node1: web{job×0, web×4}', 'node2: idle{} web{web×1}', 'node3: ']);
    expect(lines({ hideEmpty: true })).toEqual(['node1: web{web×4}', 'node2: web{web×1}']);
    expect(lines({ by: 'role', hideEmpty: true })).toEqual(['web: node1{web×4} node2{web×1}']);
    expect(lines({ by: 'role' })).toEqual(['idle: node2{}', 'web: node1{job×0, web×4} node2{web×1}']);
  });

  it('are found by part of a name, or by a list of exact names', () => {
    expect(lines({ filter: 'NODE2' })).toEqual(['node2: idle{} web{web×1}']);
    expect(lines({ filter: 'job' })).toEqual(['node1: web{job×0, web×4}']);
    expect(lines({ filter: 'we,' })).toEqual([]);
    expect(lines({ filter: 'web, node3' })).toEqual(['node1: web{job×0, web×4}', 'node2: web{web×1}', 'node3: ']);
    expect(['a', 'b', 'ab'].filter(matcher(',a , b'))).toEqual(['a', 'b']);
  });

  it('have gauges: full at the total, and over it by a factor', () => {
    const odd: string[] = [];
    const [line] = serviceLines(data, [], [], { by: 'role', hideEmpty: false, filter: 'web' }, odd);
    expect(line?.shortinfo.map(({ title }) => title)).toEqual(['rpm', 'memory']);
    expect(odd).toEqual([expect.stringContaining('roles.web.shortinfo[2] is neither')]);
    const gauge = (used: number, total: number) => fillOf({ kind: 'gauge', title: '', used, total });
    expect(gauge(3, 2)).toEqual({ share: 1, full: true, over: '1.5×' });
    expect(gauge(2, 2)).toEqual({ share: 1, full: true, over: null });
    expect(gauge(1, 2)).toEqual({ share: 0.5, full: false, over: null });
    expect(gauge(1, 0)).toEqual({ share: 1, full: true, over: null });
    expect(gauge(0, 0).full).toBe(false);
  });
});

describe('a migration', () => {
  const of = (migration: unknown) => readMigration({ roles: { web: { frontend: { migration } } } }, 'web', []);
  it('may tell its progress as a share or in percent', () => {
    expect([0, 0.5, 1, 50, 250, -1].map((progress) => of({ progress })?.progress)).toEqual([0, 0.5, 1, 0.5, 1, 0]);
    expect(of({ progress: 'half' })?.progress).toBeNull();
    expect([of(undefined), of({}), of([])]).toEqual([null, null, null]);
  });
});

describe('an update', () => {
  const update = (step: string | null, direction: Update['direction'] = 'forward'): Update => {
    const pipeline = [{ name: 'a', forward_mode: 'ack' }, { name: 'b', forward_mode: 'manual' }, 'c'];
    const data = { state: { web: { groups: { g: { update: { pipeline, step, direction } } } } } };
    return readApi(data, 'web', []).groups[0]?.update as Update;
  };
  it('says which steps are behind and which ahead', () => {
    expect(stepStates(update('b'))).toEqual(['done', 'current', 'ahead']);
    expect(stepStates(update('start'))).toEqual(['ahead', 'ahead', 'ahead']);
    expect(stepStates(update('done'))).toEqual(['done', 'done', 'done']);
    expect(stepStates(update('unheard of'))).toEqual(['ahead', 'ahead', 'ahead']);
  });

  it('offers what its step waits for', () => {
    const actions = (...from: Parameters<typeof update>) => updateButtons(update(...from)).map(({ action }) => action);
    expect(actions('a')).toEqual(['ack', 'pause', 'skip', 'revert', 'error']);
    expect(actions('b')).toEqual(['proceed', 'pause', 'skip', 'revert', 'error']);
    expect(actions('c')).toEqual(['pause', 'skip', 'revert', 'error']);
    expect(actions('a', 'pause')).toEqual(['resume', 'revert']);
    expect(actions('a', 'backward')).toEqual(['pause', 'resume']);
  });
});

describe('versions', () => {
  it('are found by words', () => {
    expect(filterVersions(['v1.10-main', 'v1.9-main', 'v1.10-fix'], '1.10 MAIN')).toEqual(['v1.10-main']);
  });
});

describe('any value in words', () => {
  it('is short and never more than it was', () => {
    expect([null, 'a', 5, true, ['a', 1], { b: [] }].map(wordsOf)).toEqual(['–', 'a', '5', 'true', 'a, 1', '{"b":[]}']);
    expect(wordsOf({ long: 'x'.repeat(1000) })).toHaveLength(401);
  });
});
