import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { peerFacts } from '../../web/src/cantal/peer-facts.ts';
import { curlLine } from '../../web/src/verwalter/roles/curl-line.ts';
import { situationOf } from '../../web/src/verwalter/roles/node-state.ts';
import { addPress, isWaiting, outcomeOf, type Press } from '../../web/src/verwalter/roles/press.ts';
import { serverRows } from '../../web/src/verwalter/roles/servers.ts';
import { parseVariables } from '../../web/src/verwalter/roles/variables.ts';
import { simulatedOverview } from './simulated.ts';

describe('what became of a press', () => {
  it.each([
    [200, { step: 'canary' }, 'done', 'step canary'],
    [200, { nodes: { a: 'ok', b: 'ok' }, all: true }, 'done', 'nodes: a ok, b ok, all true'],
    [200, 'ok', 'done', 'done'],
    [200, null, 'done', 'done'],
    [200, {}, 'done', 'done'],
    [200, { error: 'not now' }, 'refused', 'not now'],
    [204, undefined, 'done', 'taken by the round'],
    [
      401,
      { error: 'wrong token' },
      'refused',
      'the token was refused (wrong token); open the URL that npm start printed',
    ],
    [409, { error: 'nothing is held' }, 'refused', 'nothing is held'],
    [422, { error: 'it fails with it' }, 'refused', 'it fails with it'],
    [503, { error: 'gone' }, 'refused', 'no leader at the moment (gone); try again in a few seconds'],
    [504, { error: 'no round within 60 s' }, 'timed-out', 'no round within 60 s'],
    [500, 'x', 'refused', 'the agent answered 500'],
  ])('%i with %j is %s: %s', (status, body, kind, words) => {
    expect(outcomeOf(status, body)).toEqual({ kind, words });
  });

  it('is said in words whatever the answer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.option(fc.jsonValue(), { nil: undefined }), (status, body) => {
        expect(outcomeOf(status, body).words).not.toBe('');
      }),
    );
  });

  it('never loses a press that waits, and keeps one line a button', () => {
    const presses = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), waits: fc.boolean() }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(presses, (all) => {
        let list: readonly Press[] = [];
        const waiting = new Set<number>();
        for (const [number, { key, waits }] of all.entries()) {
          if (isWaiting(list, key)) continue;
          const press = { number, key, title: key };
          list = addPress(
            list,
            waits ? { ...press, kind: 'waiting' } : { ...press, kind: 'done', words: '', tookMs: 1 },
          );
          if (waits) waiting.add(number);
          expect(list[0]?.number).toBe(number);
          expect(
            list
              .filter((each) => each.kind === 'waiting')
              .map((each) => each.number)
              .sort(),
          ).toEqual([...waiting].sort());
          expect(new Set(list.map((each) => each.key)).size).toBe(list.length);
        }
      }),
    );
  });
});

describe('the frame', () => {
  const overview = simulatedOverview(1_764_000_000_000, 1);
  const [first, ...others] = overview.nodes;
  const with_ = (change: object) => ({
    ...overview,
    self: first?.id ?? '',
    nodes: [{ ...first, ...change }, ...others] as typeof overview.nodes,
  });

  it('says who leads, what fails here and elsewhere, and what is held', () => {
    const failing = with_({ failedRoles: ['web'], errors: [] });
    expect(situationOf(failing, null)).toMatchObject({
      errorBadge: 'web failed',
      errors: ['web failed'],
      forcedLeader: false,
    });
    expect(situationOf(with_({ failedRoles: ['a', 'b'], errors: ['c: d'] }), null).errorBadge).toBe('3 errors');
    const long = with_({ failedRoles: [], errors: ['scheduler: a sentence that is too long for a badge'] });
    expect(situationOf(long, null).errorBadge).toBe('scheduler error');
    expect(situationOf(with_({ failedRoles: [], errors: [] }), null).errorBadge).toBeNull();
    const seenByOther = { ...failing, self: others[0]?.id ?? '' };
    expect(situationOf(seenByOther, null).failing.map(({ words }) => words)).toContain('web failed');
    const status = { debug_force_leader: true, schedule_status: 'ok', fetch_state: 'leading' };
    expect(situationOf(overview, status)).toMatchObject({
      forcedLeader: true,
      scheduleStatus: 'ok',
      fetchState: 'leading',
    });
  });

  it('shows a held schedule only as long as the leader is heard', () => {
    const held = { hash: 'x', before: 2, after: 0 };
    const of = (change: object) => {
      const nodes = overview.nodes.map((node) => (node.leader ? { ...node, ...change } : node));
      return situationOf({ ...overview, nodes }, null).held;
    };
    expect(of({ held })).toEqual(held);
    expect(of({ held, reachable: false })).toBeNull();
    expect(of({})).toBeNull();
  });
});

describe('servers', () => {
  it('are all nodes, with what gossip knows of the others', () => {
    const overview = simulatedOverview(1_764_000_000_000, 1);
    const peers = overview.nodes
      .filter(({ id }) => id !== overview.self)
      .map(({ id, hostname, addr }) => ({
        id,
        hostname,
        addr,
        name: `${hostname}.org`,
        knownSince: 1_763_999_000_000,
        silentMs: 400,
      }));
    const rows = serverRows(overview, peerFacts({ peers }, null, 1_764_000_000_000), 'me.org');
    expect(rows).toHaveLength(overview.nodes.length);
    expect(rows.find(({ own }) => own)).toMatchObject({ name: 'me.org', knownForMs: null, lastReportAgoMs: null });
    for (const row of rows.filter(({ own }) => !own))
      expect(row).toMatchObject({ name: `${row.hostname}.org`, knownForMs: 1_000_000, lastReportAgoMs: 400 });
  });
});

describe('the api samples and forms', () => {
  it('quote for a shell whatever a name holds', () => {
    expect(curlLine('http://h', { role: "it's" })).toContain(`-d '{"button":{"role":"it'\\''s"}}'`);
  });

  it('take variables as NAME=value', () => {
    expect(parseVariables(' A=1  B_2=x=y ')).toEqual({ A: '1', B_2: 'x=y' });
    expect(parseVariables('')).toEqual({});
    expect([parseVariables('A'), parseVariables('1A=x')]).toEqual([null, null]);
  });
});
