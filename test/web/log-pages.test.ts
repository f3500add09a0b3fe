import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openIndexedLog } from '../../src/verwalter/log/indexed-log.ts';
import type { Overview } from '../../web/src/api.ts';
import { convergenceOf } from '../../web/src/verwalter/convergence.ts';
import { readElection } from '../../web/src/verwalter/election.ts';
import { groupDeployments, ofRole, readIndex } from '../../web/src/verwalter/logs/deployments.ts';
import { fileUrl, readLogPath, tailHref } from '../../web/src/verwalter/logs/log-address.ts';
import { endOf, heldBytes, join, spanAfter, spanBefore, type Tail, textOf } from '../../web/src/verwalter/logs/tail.ts';
import { periodWords } from '../../web/src/verwalter/periods.ts';
import { scheduleUrl } from '../../web/src/verwalter/schedule-url.ts';

const hash64 = '0123456789abcdef'.repeat(4);

describe('the index of deployments', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(joinPath(tmpdir(), 'log-pages-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** As the agent writes it. */
  const written = (): string => {
    let now = Date.UTC(2026, 0, 2, 3, 4, 5);
    const log = openIndexedLog({ dir, keep: { ms: 1e12, bytes: 1e9 }, nowMs: () => now++ });
    for (const id of ['first', 'second']) {
      const deployment = log.deployment(id, 'text');
      deployment.changes('abc', ['one']);
      for (const name of ['web', 'db.v1']) {
        const role = deployment.role(name);
        role.action('ActionStart', 'a.render.yaml');
        role.external('err/sub/web.log', 77);
        if (id === 'first') role.action('ActionFinish', 'a.render.yaml');
        role.finish();
      }
      if (id === 'first') deployment.finish('DeploymentFinish');
    }
    return readFileSync(joinPath(dir, '.index', 'latest'), 'utf8');
  };

  it('is read as the agent writes it: deployments, newest first, each role with its place', () => {
    const { entries, broken } = readIndex(written(), false);
    expect(broken).toBe(0);
    const deployments = groupDeployments(entries);
    expect(deployments.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['second', 'running'],
      ['first', 'finished'],
    ]);
    const [second, first] = deployments;
    expect(first?.roles.map(({ role }) => role)).toEqual(['web', 'db.v1']);
    const web = second?.roles[0];
    expect(web?.place).toEqual({ log: 'role/web', file: 'log.20260102030405.txt', offset: expect.any(Number) });
    const text = readFileSync(joinPath(dir, 'web', web?.place.file ?? ''));
    expect(text.subarray(web?.place.offset).toString()).toMatch(/^\S+ second -+ web: RoleStart/);
    expect(text.length - (web?.place.offset ?? 0)).toBeGreaterThanOrEqual(web?.bytes ?? Number.POSITIVE_INFINITY);
    expect(web?.external).toEqual([{ log: 'external/err', file: 'sub/web.log', offset: 77 }]);
    expect([first, second].map((each) => each?.roles[0]?.actions[0]?.finished)).toEqual([true, false]);
    expect(ofRole(deployments, 'web').flatMap(({ roles }) => roles.map(({ role }) => role))).toEqual(['web', 'web']);
    expect(ofRole(deployments, 'nobody')).toEqual([]);
  });

  it('is read from the middle, and while its last line is being written', () => {
    const text = written();
    const whole = readIndex(text, false).entries;
    for (const from of [1, 50, 200]) {
      const { entries, broken } = readIndex(text.slice(from), true);
      expect(broken).toBe(0);
      expect(entries).toEqual(whole.slice(-entries.length));
    }
    expect(readIndex(text.slice(0, -5), false)).toEqual({ entries: whole.slice(0, -1), broken: 0 });
  });

  it('counts what is none, and throws at no text', () => {
    expect(
      readIndex('x\n[]\n["2026-01-01T00:00:00Z","id",{"variant":"Role","fields":["a","1",-1]},"RoleStart"]\n', false),
    ).toEqual({ entries: [], broken: 3 });
    const part = fc.constantFrom(
      'Global',
      'Role',
      'External',
      'RoleStart',
      'RoleFinish',
      'ActionFinish',
      'a/b',
      '/',
      'id',
    );
    const field = fc.oneof(part, fc.nat(), fc.jsonValue());
    const line = fc
      .tuple(
        fc.constantFrom('2026-01-01T00:00:00Z', 'x'),
        part,
        fc.record({ variant: part, fields: fc.array(field) }),
        fc.oneof(part, fc.record({ variant: part, fields: fc.array(field) })),
      )
      .map((each) => JSON.stringify(each));
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string())), fc.boolean(), (lines, cut) => {
        const { entries } = readIndex(lines.join('\n'), cut);
        const roles = groupDeployments(entries).flatMap((deployment) => deployment.roles);
        for (const { bytes } of roles) expect(bytes === null || bytes >= 0).toBe(true);
      }),
    );
  });
});

describe('the election', () => {
  it('is shown with its turns, newest first, where the agent keeps them', () => {
    const value = {
      ...{ state: 'follower', epoch: 3, leaderId: 'b', endsInMs: 1200, votedFor: null, votes: ['a'], needed: 2 },
      ...{ known: 3, visible: 2, peersAreFresh: false, allowMinority: true, counts: { won: 1, note: 'x' } },
    };
    expect(readElection(value)).toEqual({ ...value, counts: [['won', 1]], timeline: null });
    const timeline = [
      { at_ms: 1000, epoch: 1, role: 'starting', leader: null },
      { at_ms: 3000, epoch: 3, role: 'follower', leader: 'b' },
      { role: 'what has no time' },
    ];
    expect(readElection({ ...value, timeline })?.timeline).toEqual([
      { atMs: 3000, epoch: 3, role: 'follower', leader: 'b' },
      { atMs: 1000, epoch: 1, role: 'starting', leader: null },
    ]);
    expect(readElection({ error: 'no' })).toBeNull();
    fc.assert(fc.property(fc.jsonValue(), (any) => void readElection(any)));
  });
});

describe('convergence', () => {
  const hash = { a: 'a'.repeat(64), b: 'b'.repeat(64) };
  const node = (hostname: string, more: object) => ({
    ...{
      id: hostname,
      hostname,
      reachable: true,
      failedRoles: [],
      scheduleHash: hash.a,
      renderedHash: hash.a,
      ...more,
    },
  });
  const overview = (leaderId: string | null, nodes: readonly object[]) =>
    ({ leaderId, nodes, schedule: { hash: hash.b } }) as unknown as Overview;

  it('measures each node by what the leader holds, the worst first', () => {
    const nodes = [
      node('done', {}),
      node('leader', {}),
      node('rendering', { renderedHash: hash.b }),
      node('fetching', { scheduleHash: hash.b, renderedHash: hash.b }),
      node('failed', { failedRoles: ['web'] }),
      node('new', { scheduleHash: null, renderedHash: null }),
      node('away', { reachable: false }),
    ];
    expect(
      convergenceOf(overview('leader', nodes)).map(({ node: { hostname }, progress }) => [hostname, progress]),
    ).toEqual([
      ['away', 'unreachable'],
      ['failed', 'failed'],
      ['new', 'none'],
      ['fetching', 'fetching'],
      ['rendering', 'rendering'],
      ['done', 'converged'],
      ['leader', 'converged'],
    ]);
  });

  it('goes by this node’s schedule while there is no leader', () => {
    expect(convergenceOf(overview(null, [node('one', {})]))[0]?.progress).toBe('fetching');
  });
});

describe('names of snapshots', () => {
  it('are said as periods', () => {
    expect(periodWords('hourly-20260102T03')).toBe('2026-01-02, 03:00 to 04:00');
    expect(periodWords('hourly-20260102T23')).toBe('2026-01-02, 23:00 to 24:00');
    expect(periodWords('daily-20260102')).toBe('2026-01-02');
    expect(periodWords('weekly-2026w05')).toBe('week 5 of 2026');
    expect(periodWords('something')).toBe('something');
    expect(scheduleUrl('weekly-2026w05.json.gz')).toBe('/v1/backup/weekly-2026w05');
    expect(scheduleUrl('current')).toBe('/v1/schedule');
    expect(scheduleUrl(hash64)).toBe(`/v1/schedule/${hash64}`);
  });
});

describe('addresses of logs', () => {
  it('keep every name apart', () => {
    expect(fileUrl('external/err', 'sub dir/a?b#c.log')).toBe('/v1/log/external/err/sub%20dir/a%3Fb%23c.log');
    expect(tailHref({ log: 'role/web', file: 'latest', offset: 7 })).toBe(
      '/logs/tail?log=role%2Fweb&file=latest&from=7',
    );
    for (const text of ['', 'role', 'role/', 'role/a/b', 'other/x', '../etc']) expect(readLogPath(text)).toBeNull();
    for (const text of ['index', 'global', 'role/web', 'external/err']) expect(readLogPath(text)).toBe(text);
  });
});

describe('the piece of a log that is held', () => {
  const file = (text: string): Uint8Array => new TextEncoder().encode(text);
  const piece = (bytes: Uint8Array, first: number, last: number) => ({
    first,
    bytes: bytes.slice(first, last + 1),
    size: bytes.length,
  });
  const held = (bytes: Uint8Array, first: number, last: number): Tail => ({ ...piece(bytes, first, last) });

  it('grows at both ends until it is the whole file, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 400 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 2, max: 40 }),
        (text, a, b, most) => {
          const bytes = file(text);
          const [first, last] = [a % bytes.length, b % bytes.length].sort((x, y) => x - y) as [number, number];
          let tail = held(bytes, first, last);
          for (let steps = 0; endOf(tail) < bytes.length; steps += 1) {
            expect(steps).toBeLessThan(500);
            const span = spanAfter(tail, most);
            const joined = join(tail, piece(bytes, span.first, Math.min(span.last, bytes.length - 1)));
            if (joined.kind !== 'tail') throw new Error('cut');
            tail = joined.tail;
            expect(tail.bytes).toEqual(bytes.slice(tail.first, endOf(tail)));
          }
          const before = spanBefore(tail);
          if (before !== null) {
            const joined = join(tail, piece(bytes, before.first, before.last));
            if (joined.kind === 'tail') tail = joined.tail;
          }
          expect(textOf(tail)).toBe(new TextDecoder().decode(bytes));
        },
      ),
    );
  });

  it('shows no half of a character at either end, and each once the rest is there', () => {
    const bytes = file('añ€😀z');
    for (let first = 0; first < bytes.length; first += 1) {
      for (let last = first; last < bytes.length; last += 1) {
        expect(textOf(held(bytes, first, last))).not.toContain('\ufffd');
      }
    }
    expect(textOf(held(bytes, 0, bytes.length - 1))).toBe('añ€😀z');
    // Somebody is writing: the last character has begun.
    expect(textOf({ first: 0, bytes: bytes.slice(0, 8), size: 8 })).toBe('añ€');
  });

  it('asks for a byte that it has, so that nothing new is no error, and tells a file that was cut', () => {
    const bytes = file('0123456789');
    const tail = held(bytes, 4, 9);
    expect(spanAfter(tail).first).toBe(9);
    expect(join(tail, piece(bytes, 9, 9))).toEqual({ kind: 'tail', tail });
    expect(join(tail, { first: 0, bytes: file('0'), size: 1 })).toEqual({ kind: 'cut' });
    expect(spanAfter({ first: 0, bytes: file(''), size: 0 }).first).toBe(0);
    expect(spanBefore(held(bytes, 0, 3))).toBeNull();
  });

  it('holds no more than a MiB: what was read longest ago goes', () => {
    const size = heldBytes + 50_000;
    const full: Tail = { first: 100, bytes: new Uint8Array(heldBytes), size };
    const after = join(full, { first: 100 + heldBytes - 1, bytes: new Uint8Array(1001).fill(7), size });
    expect(after).toMatchObject({ kind: 'tail', tail: { first: 1100 } });
    const before = join(full, { first: 0, bytes: new Uint8Array(100).fill(7), size });
    expect(before).toMatchObject({ kind: 'tail', tail: { first: 0 } });
    for (const each of [after, before]) expect(each.kind === 'tail' && each.tail.bytes.length).toBe(heldBytes);
  });
});
