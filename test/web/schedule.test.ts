import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containerGroups, nextSort } from '../../web/src/container-list.ts';
import { readDecision } from '../../web/src/decision.ts';
import { fitOf, scheduleMatrix } from '../../web/src/matrix.ts';
import { simulatedOverview } from './simulated.ts';

const overview = simulatedOverview(1_764_000_000_000, 1);
const { nodes } = overview;
const data = overview.schedule?.data;

describe('wanted beside running', () => {
  it('counts each process on each node and over all', () => {
    const worker = scheduleMatrix(nodes, data).find((row) => row.process === 'worker');
    expect(worker?.cells).toEqual([
      { wanted: 2, running: 2 },
      { wanted: 2, running: 1 },
      { wanted: 1, running: 1 },
    ]);
    expect(worker?.total).toEqual({ wanted: 5, running: 4 });
  });

  it('shows what runs without a schedule, with nothing wanted known', () => {
    expect(scheduleMatrix(nodes, null).find((row) => row.process === 'web')?.total).toEqual({
      wanted: null,
      running: 10,
    });
  });

  it('keeps a process that runs though nobody wants it', () => {
    const web = scheduleMatrix(nodes, {}).find((row) => row.process === 'web');
    expect(web && fitOf(web.total)).toBe('surplus');
  });

  it('survives a schedule of any shape', () => {
    const shapes = fc.oneof(fc.jsonValue(), fc.record({ nodes: fc.dictionary(fc.constant('node1'), fc.jsonValue()) }));
    fc.assert(fc.property(shapes, (value) => scheduleMatrix(nodes, value).every((row) => row.cells.length === 3)));
  });
});

describe('the reading of a decision', () => {
  it('finds sentences, warnings, rate, threshold and factor', () => {
    const decision = readDecision(data);
    expect(decision.changes).toEqual(['quickstart: 7200 requests/min is at or below 10000: 10 web, 5 worker']);
    expect(decision.notes).toEqual([
      { level: 'warning', where: 'quickstart on node3', text: 'suspect for 6 s; its share moves after 30 s' },
    ]);
    expect([decision.requestsPerMinute, decision.thresholdPerMinute, decision.loadFactor]).toEqual([7200, 10_000, 1]);
  });

  it('survives data of any shape', () => {
    const part = fc.jsonValue();
    const shapes = fc.oneof(
      part,
      fc.record({ changes: part, warnings: part, explain: part, state: part, roles: part }),
    );
    fc.assert(fc.property(shapes, (value) => Array.isArray(readDecision(value).changes)));
  });
});

describe('the list of containers', () => {
  it('keeps those that contain every word, over name, node and state', () => {
    const groups = containerGroups(nodes, 'worker waiting', { key: 'name', descending: false });
    expect(groups.map((group) => [group.process, group.rows.length, group.running])).toEqual([['worker', 1, 0]]);
  });

  it('puts what is not known last in both directions', () => {
    for (const descending of [false, true]) {
      const worker = containerGroups(nodes, 'worker', { key: 'cpu', descending })[0];
      expect(worker?.rows.at(-1)?.container.phase).toBe('waiting');
    }
  });

  it('starts figures with the largest and turns round on the second press', () => {
    const first = nextSort({ key: 'name', descending: false }, 'memory');
    expect(first).toEqual({ key: 'memory', descending: true });
    expect(nextSort(first, 'memory').descending).toBe(false);
  });
});
