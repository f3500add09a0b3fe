import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Json, JsonObject } from '../../src/verwalter/canonical.ts';
import { compileTemplates } from '../../src/verwalter/render/handlebars.ts';
import { rolesOfNode } from '../../src/verwalter/render/variables.ts';
import { runScheduler } from '../../src/verwalter/scheduler/engine.ts';
import { checkOutput } from '../../src/verwalter/scheduler/output.ts';
import { readSources } from '../../src/verwalter/scheduler/sources.ts';

const example = join(import.meta.dirname, '../../examples/quickstart');
const numbers = parse(readFileSync(join(example, 'runtime/quickstart/numbers.yaml'), 'utf8')) as JsonObject;
const ids = { node1: '1'.repeat(32), node2: '2'.repeat(32), node3: '3'.repeat(32) } as const;
type NodeName = keyof typeof ids;
const t0 = 1_800_000_000_000;

const nodes = (nginx: boolean): JsonObject =>
  Object.fromEntries(
    Object.keys(ids).map((name, index) => [
      name,
      { ip: `127.0.0.${index + 1}`, web_port: 18100, router_port: 8380, dir: `/x/${name}/nginx`, nginx, root: true },
    ]),
  );

interface Situation {
  readonly now: number;
  readonly parents?: readonly JsonObject[];
  /** Requests a minute by node; a node left out has no metrics. */
  readonly rpm?: Partial<Record<NodeName, number>>;
  readonly absent?: readonly NodeName[];
  readonly actions?: JsonObject;
  readonly nginx?: boolean;
}

const inputOf = ({ now, parents = [], rpm = {}, absent = [], actions = {}, nginx = false }: Situation): JsonObject => ({
  now,
  current_host: 'node2',
  current_id: ids.node2,
  parents,
  actions,
  seed: 1,
  runtime: { quickstart: { numbers, nodes: { nodes: nodes(nginx) } } },
  peers: Object.fromEntries(
    (['node1', 'node3'] as const).map((name) => [
      ids[name],
      {
        hostname: name,
        liveness: absent.includes(name) ? 'dead' : 'alive',
        last_report_direct: absent.includes(name) ? now - 60_000 : now - 500,
      },
    ]),
  ),
  // Each agent sees the whole machine, the groups of its neighbours included.
  metrics: Object.fromEntries(
    Object.keys(rpm).map((host): [string, Json] => [
      ids[host as NodeName],
      {
        'quickstart.requests': [
          'MultiSeries',
          Object.entries(rpm).map(([name, value]) => [
            { node: name },
            ['Float', [value / 60, null, value / 60]],
            [now, now - 2000, now - 4000],
          ]),
        ],
      },
    ]),
  ),
});

let files: Readonly<Record<string, string>>;
beforeAll(() => {
  files = readSources(example).files;
});

const schedule = async (situation: Situation) => {
  const run = await runScheduler({ sources: files, input: inputOf(situation), seed: 1 });
  if (!run.ok) throw new Error(run.message);
  const output = checkOutput(run.text ?? '', new Set(Object.keys(ids)));
  if (!output.ok) throw new Error(output.error);
  return { data: output.data, hash: output.hash, warnings: output.warnings, answers: run.answers, log: run.log };
};

type Daemons = Record<string, { instances: number; variables: Record<string, Json> }>;
const daemonsOf = (data: JsonObject, name: NodeName): Daemons =>
  rolesOfNode(data, name).get('quickstart')?.daemons as unknown as Daemons;
const counts = (data: JsonObject, process: string): (number | undefined)[] =>
  (Object.keys(ids) as NodeName[]).map((name) => daemonsOf(data, name)?.[process]?.instances);

const even = (total: number) => ({ node1: total / 3, node2: total / 3, node3: total / 3 });

describe('the scheduler of the quickstart', () => {
  it('starts a virgin cluster of unknown load with 10 web and 5 worker, spread evenly', async () => {
    const { data, warnings } = await schedule({ now: t0 });
    expect(counts(data, 'web')).toEqual([4, 3, 3]);
    expect(counts(data, 'worker')).toEqual([2, 2, 1]);
    expect(counts(data, 'load')).toEqual([1, 0, 0]);
    expect(warnings).toEqual([]);
  });

  it('waits at first for the nodes that it should have, but not for ever', async () => {
    const first = await schedule({ now: t0, absent: ['node1'] });
    expect(counts(first.data, 'web')).toEqual([undefined, 0, 0]);
    const later = await schedule({ now: t0 + 21_000, absent: ['node1'], parents: [first.data] });
    expect(counts(later.data, 'web')).toEqual([undefined, 5, 5]);
  });

  it('goes 10/5 → 20/2 → 20/2 → 10/5 for 9 999, 10 000, 9 500 and, for the hold time, 8 900 requests a minute', async () => {
    const start = await schedule({ now: t0 });
    const low = await schedule({ now: t0 + 5000, parents: [start.data], rpm: even(9999) });
    expect([counts(low.data, 'web'), counts(low.data, 'worker')]).toEqual([
      [4, 3, 3],
      [2, 2, 1],
    ]);
    const high = await schedule({ now: t0 + 10_000, parents: [low.data], rpm: even(10_000) });
    expect(counts(high.data, 'web')?.reduce((sum: number, n) => sum + (n ?? 0), 0)).toBe(20);
    expect(counts(high.data, 'worker')?.reduce((sum: number, n) => sum + (n ?? 0), 0)).toBe(2);
    expect(high.data.changes).toContain('10000 requests a minute: high load');
    const between = await schedule({ now: t0 + 15_000, parents: [high.data], rpm: even(9500) });
    expect(counts(between.data, 'web')).toEqual(counts(high.data, 'web'));
    const falling = await schedule({ now: t0 + 20_000, parents: [between.data], rpm: even(8900) });
    expect(counts(falling.data, 'web')).toEqual(counts(high.data, 'web'));
    const fallen = await schedule({ now: t0 + 30_000, parents: [falling.data], rpm: even(8900) });
    expect(counts(fallen.data, 'web')?.reduce((sum: number, n) => sum + (n ?? 0), 0)).toBe(10);
  });

  it('begins the hold time anew when the rate rises in between', async () => {
    const high = await schedule({ now: t0, parents: [(await schedule({ now: t0 - 5000 })).data], rpm: even(12_000) });
    const falling = await schedule({ now: t0 + 5000, parents: [high.data], rpm: even(8000) });
    const risen = await schedule({ now: t0 + 10_000, parents: [falling.data], rpm: even(9400) });
    const again = await schedule({ now: t0 + 16_000, parents: [risen.data], rpm: even(8000) });
    expect(counts(again.data, 'web')).toEqual(counts(high.data, 'web'));
  });

  it('keeps its counts while the metrics of a node are missing, and never takes them for zero', async () => {
    const start = await schedule({ now: t0 });
    const high = await schedule({ now: t0 + 5000, parents: [start.data], rpm: even(12_000) });
    const blind = await schedule({ now: t0 + 60_000, parents: [high.data], rpm: { node1: 4000, node2: 0 } });
    expect(counts(blind.data, 'web')).toEqual(counts(high.data, 'web'));
    expect(blind.log).toContain('no request rate from node3');
  });

  it('gives the same bytes again while nothing changes', async () => {
    const start = await schedule({ now: t0 });
    const second = await schedule({ now: t0 + 5000, parents: [start.data], rpm: even(6000) });
    const third = await schedule({ now: t0 + 10_000, parents: [second.data], rpm: even(6200) });
    expect(third.hash).toBe(second.hash);
  });

  it('moves the work of a lost node to the others and leaves its own entry as it was', async () => {
    const start = await schedule({ now: t0 });
    const lost = await schedule({ now: t0 + 60_000, parents: [start.data], absent: ['node1'] });
    expect(counts(lost.data, 'web')).toEqual([4, 5, 5]);
    expect(daemonsOf(lost.data, 'node1')).toEqual(daemonsOf(start.data, 'node1'));
    expect(daemonsOf(lost.data, 'node2').load?.instances).toBe(1);
    const back = await schedule({ now: t0 + 120_000, parents: [lost.data] });
    expect(counts(back.data, 'web').sort()).toEqual([3, 3, 4]);
    expect(back.data.nodes).not.toEqual(lost.data.nodes);
  });

  it('doubles the load once, and says what a button did', async () => {
    const start = await schedule({ now: t0 });
    const press = (action: string) => ({ '5': { button: { role: 'load', action } } });
    const doubled = await schedule({ now: t0 + 1000, parents: [start.data], actions: press('double') });
    expect(daemonsOf(doubled.data, 'node1').load?.variables.rate).toBe('12000');
    expect(doubled.answers).toEqual({ '5': { factor: 2 } });
    const twice = await schedule({ now: t0 + 2000, parents: [doubled.data], actions: press('double') });
    expect(daemonsOf(twice.data, 'node1').load?.variables.rate).toBe('12000');
    const normal = await schedule({ now: t0 + 3000, parents: [twice.data], actions: press('normal') });
    expect(daemonsOf(normal.data, 'node1').load?.variables.rate).toBe('6000');
    // The page of the role has the same buttons.
    const { roles } = start.data as unknown as {
      roles: { quickstart: { frontend: unknown; global_actions: readonly { id: string }[] } };
    };
    expect(roles.quickstart.frontend).toEqual({ kind: 'example' });
    const [first] = roles.quickstart.global_actions;
    const there = { '6': { button: { role: 'quickstart', action: first?.id ?? '' } } };
    const fromThere = await schedule({ now: t0 + 4000, parents: [normal.data], actions: there });
    expect(fromThere.answers).toEqual({ '6': { factor: 2 } });
    const odd = await schedule({ now: t0, actions: { '7': 'nonsense', '8': { button: 5 } } });
    expect(odd.answers).toEqual({ '7': { error: 'unknown action' }, '8': { error: 'unknown action' } });
  });

  it('takes of two parents the part that was changed last, in whichever order they come', async () => {
    const start = await schedule({ now: t0 });
    const pressed = await schedule({
      now: t0 + 5000,
      parents: [start.data],
      actions: { '5': { button: { role: 'load', action: 'double' } } },
    });
    const grown = await schedule({ now: t0 + 9000, parents: [start.data], rpm: even(15_000) });
    for (const parents of [
      [pressed.data, grown.data],
      [grown.data, pressed.data],
    ]) {
      const merged = await schedule({ now: t0 + 20_000, parents });
      expect(daemonsOf(merged.data, 'node1').load?.variables.rate).toBe('12000');
      expect(counts(merged.data, 'web')).toEqual(counts(grown.data, 'web'));
    }
  });

  it('routes through nginx where it is there', async () => {
    const { data } = await schedule({ now: t0, nginx: true });
    const router = rolesOfNode(data, 'node3').get('router');
    expect(router?.upstream).toHaveLength(10);
    expect(router?.template).toBe('router');
    expect(daemonsOf(data, 'node1').load?.variables).toMatchObject({ target_port: 8380, target_count: '1' });
  });

  it('is rendered to a process config that says what the schedule says', async () => {
    const { data } = await schedule({ now: t0 });
    const template = readFileSync(join(example, 'templates/quickstart/processes.yaml.hbs'), 'utf8');
    const variables = { ...rolesOfNode(data, 'node1').get('quickstart'), node: 'node1' };
    const text = compileTemplates({ 'p.hbs': template }).render('p.hbs', variables);
    expect(parse(text)).toEqual({
      load: {
        kind: 'Daemon',
        image: 'app',
        config: '/config/load.yaml',
        instances: 1,
        variables: { node: 'node1', rate: '6000', target_host: '127.0.0.1', target_port: '18100', target_count: '4' },
      },
      web: {
        kind: 'Daemon',
        image: 'app',
        config: '/config/web.yaml',
        instances: 4,
        variables: { node: 'node1', listen_host: '127.0.0.1', base_port: '18100' },
      },
      worker: {
        kind: 'Daemon',
        image: 'app',
        config: '/config/worker.yaml',
        instances: 2,
        variables: { node: 'node1' },
      },
    });
  });
});
