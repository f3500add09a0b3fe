import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Move, otherDifferences, scheduleMoves } from '../../web/src/verwalter/schedule-diff.ts';

type Counts = Readonly<Record<string, Readonly<Record<string, number>>>>;
/** Role "web" with daemons on nodes. */
const scheduleOf = (counts: Counts, more: object = {}) => ({
  nodes: Object.fromEntries(
    Object.entries(counts).map(([node, daemons]) => [
      node,
      {
        roles: {
          web: {
            template: 'web/v1',
            daemons: Object.fromEntries(
              Object.entries(daemons).map(([daemon, instances]) => [daemon, { instances, image: 'v1', ...more }]),
            ),
          },
        },
      },
    ]),
  ),
});
const short = ({ kind, node, daemon, count, fromNode }: Move) =>
  `${kind} ${count} ${daemon} ${fromNode === undefined ? '' : `${fromNode} → `}${node}`;

describe('the difference of two schedules', () => {
  it('tells what starts, what stops, and what goes from node to node', () => {
    const before = scheduleOf({ n1: { django: 3 }, n2: { django: 2, celery: 1 }, n3: { django: 5 } });
    const after = scheduleOf({ n1: { django: 6 }, n2: { django: 3 }, n3: { django: 0 } });
    expect(scheduleMoves(before, after).map(short)).toEqual([
      'stopped 1 celery n2',
      'moved 3 django n3 → n1',
      'moved 1 django n3 → n2',
      'stopped 1 django n3',
    ]);
    expect(scheduleMoves({}, after).map(short)).toEqual(['started 6 django n1', 'started 3 django n2']);
  });

  it('names the keys of what is run otherwise, of daemons and of the role', () => {
    const before = scheduleOf({ n1: { django: 3, idle: 0 } });
    const after = scheduleOf({ n1: { django: 3, idle: 0 } }, { image: 'v2', variables: { a: 1 } });
    expect(scheduleMoves(before, after)).toEqual([
      {
        ...{ role: 'web', node: 'n1', daemon: 'django', kind: 'changed', before: 3, after: 3, count: 3 },
        keys: ['image', 'variables'],
      },
    ]);
    const role = (template: string) => ({
      nodes: { n1: { roles: { web: { template, daemons: { x: { instances: 1 } } } } } },
    });
    expect(scheduleMoves(role('web/v1'), role('web/v2'))).toMatchObject([
      { daemon: '', kind: 'changed', keys: ['template'] },
    ]);
  });

  it('counts a role without daemons as one', () => {
    const on = (...nodes: string[]) => ({
      nodes: Object.fromEntries(nodes.map((node) => [node, { roles: { router: { template: 'r' } } }])),
    });
    expect(scheduleMoves(on('n1', 'n2'), on('n2', 'n3')).map(short)).toEqual(['moved 1  n1 → n3']);
  });

  const counts = fc.dictionary(
    fc.constantFrom('n1', 'n2', 'n3', 'n4', '__proto__'),
    fc.dictionary(fc.constantFrom('django', 'celery', 'constructor'), fc.nat(6), { maxKeys: 3 }),
    { maxKeys: 5 },
  );

  it('leads from the one to the other: moves applied to the old counts give the new ones', () => {
    fc.assert(
      fc.property(counts, counts, (before, after) => {
        const now = new Map<string, number>();
        const add = (node: string, daemon: string, by: number): void => {
          const key = JSON.stringify([node, daemon]);
          now.set(key, (now.get(key) ?? 0) + by);
        };
        const fill = (from: Counts, by: number): void => {
          for (const [node, daemons] of Object.entries(from))
            for (const [daemon, count] of Object.entries(daemons)) add(node, daemon, by * count);
        };
        fill(before, 1);
        for (const { kind, node, daemon, count, fromNode } of scheduleMoves(scheduleOf(before), scheduleOf(after))) {
          expect(count).toBeGreaterThan(0);
          // A role that had no daemon and has some, or the reverse, is no instance of anything.
          if (daemon === '') continue;
          if (kind === 'started' || kind === 'moved') add(node, daemon, count);
          if (kind === 'stopped') add(node, daemon, -count);
          if (kind === 'moved') add(fromNode ?? '', daemon, -count);
        }
        fill(after, -1);
        expect([...now.values()].filter((left) => left !== 0)).toEqual([]);
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 500) },
    );
  });

  it('is nothing between equal schedules, in whatever order their keys are', () => {
    const reversed = (value: unknown): unknown =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, each]) => [key, reversed(each)]),
          )
        : value;
    fc.assert(
      fc.property(
        fc.oneof(
          counts.map((each) => scheduleOf(each)),
          fc.jsonValue(),
        ),
        (schedule) => {
          expect(scheduleMoves(schedule, reversed(schedule))).toEqual([]);
          expect(otherDifferences(schedule, reversed(schedule))).toEqual([]);
        },
      ),
    );
  });

  it('reads whatever JSON a scheduler may have made', () => {
    const strange = fc.record({
      nodes: fc.dictionary(fc.string(), fc.record({ roles: fc.dictionary(fc.string(), fc.jsonValue()) })),
    });
    fc.assert(
      fc.property(fc.oneof(strange, fc.jsonValue()), fc.oneof(strange, fc.jsonValue()), (before, after) => {
        for (const { before: was, after: is } of scheduleMoves(before, after)) expect(was >= 0 && is >= 0).toBe(true);
      }),
    );
  });

  it('names what differs beside the nodes, two levels deep', () => {
    const before = { vars: { a: 1 }, state: { web: 1, db: { x: 1 } }, changes: ['a'], nodes: {} };
    const after = { vars: { a: 1 }, state: { web: 1, db: { x: 2 } }, changes: [], nodes: { n1: {} }, errors: [] };
    expect(otherDifferences(before, after)).toEqual(['changes', 'errors', 'state.db']);
  });
});
