import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { filterId, type WantedFilter } from '../../../src/cantal/remote/filter.ts';
import { limits } from '../../../src/cantal/remote/limits.ts';
import type { Beacon, Reply, Stats } from '../../../src/cantal/remote/message.ts';
import { initialState, type MemberAddr, type RemoteState } from '../../../src/cantal/remote/state.ts';
import { type RemoteEffect, type RemoteEvent, remoteWakeMs, step } from '../../../src/cantal/remote/step.ts';
import { seeded } from '../../../src/sim/random.ts';

const idOf = (number: number): string => number.toString(16).padStart(32, '0');
const member = (number: number, alive = true): MemberAddr => ({ id: idOf(number), addr: `10.0.0.${number}:1`, alive });
const filterOf = (name: string, samples = 1): WantedFilter => ({ id: filterId(name), text: name, samples });
const beaconOf = (number: number): Beacon => ({
  ...{ version: '1', id: idOf(number), addresses: [], name: '', cluster_name: '', hostname: '', labels: {} },
  ...{ pid: 1, current_time: 0, startup_time: 0, boot_time: 0, scan_time: 0, scan_duration: 0, interval: 2000 },
  ...{ processes: 0, tip_values: 0, fine_values: 0, peers: 0, fine_history_length: 0, history_age: 0 },
  ...{ remote_total: null, remote_connected: null, peers_with_remote: 0 },
});
const statsOf = (filter: string): Stats => ({
  ...{ filter, anew: true, times: [], keys: [], rows: new Uint8Array(), whole: false, states: null },
});

/** The machine with a clock that the test turns. */
function machine(seed = 1) {
  const random = seeded(seed);
  const run = {
    nowMs: 1000,
    state: initialState as RemoteState,
    effects: [] as RemoteEffect[],
    /** Sockets that were asked for and not closed by the machine. */
    open: new Map<number, string>(),
    take(event: RemoteEvent): readonly RemoteEffect[] {
      const result = step(run.state, event, { nowMs: run.nowMs, wallMs: 1e12 + run.nowMs, random });
      run.state = result.state;
      run.effects.push(...result.effects);
      for (const effect of result.effects) {
        if (effect.kind === 'connect') run.open.set(effect.socket, effect.id);
        if (effect.kind === 'close') run.open.delete(effect.socket);
      }
      return result.effects;
    },
    /** Lets time pass, with a tick whenever one is due. */
    pass(ms: number): void {
      const end = run.nowMs + ms;
      for (let wake = remoteWakeMs(run.state); wake <= end; wake = remoteWakeMs(run.state)) {
        run.nowMs = Math.max(run.nowMs, wake);
        run.take({ kind: 'tick' });
      }
      run.nowMs = end;
    },
    link: (number: number) => run.state.peers.get(idOf(number))?.link,
    socketOf(number: number): number {
      const link = run.link(number);
      if (link === undefined || link.kind === 'waiting') throw new Error(`${number} has no socket`);
      return link.socket;
    },
    hear(number: number, message: Reply): readonly RemoteEffect[] {
      return run.take({ kind: 'message', id: idOf(number), socket: run.socketOf(number), message });
    },
    connect(number: number): void {
      run.pass(200);
      run.take({ kind: 'opened', id: idOf(number), socket: run.socketOf(number) });
      run.hear(number, { kind: 'beacon', beacon: beaconOf(number) });
    },
    lose(number: number, why: 'timeout' | 'refused' | 'reset'): void {
      const socket = run.socketOf(number);
      run.open.delete(socket);
      run.take({ kind: 'lost', id: idOf(number), socket, why, reason: why });
    },
    sent: () => run.effects.flatMap((effect) => (effect.kind === 'send' ? [effect.request] : [])),
    said: () => run.effects.flatMap((effect) => (effect.kind === 'remote' ? [effect.on] : [])),
  };
  return run;
}

function running(...numbers: number[]) {
  const run = machine();
  run.take({ kind: 'members', members: numbers.map((number) => member(number)) });
  run.take({ kind: 'ask', filters: [filterOf('a')] });
  for (const number of numbers) run.connect(number);
  return run;
}

describe('connections to peers', () => {
  test('there are none before the first query, and one to each peer from 5 to 150 ms after it', () => {
    const run = machine();
    run.take({ kind: 'members', members: [member(1), member(2)] });
    run.pass(1e6);
    expect(run.effects).toEqual([]);
    const asked = run.nowMs;
    run.take({ kind: 'ask', filters: [filterOf('a')] });
    expect(run.said()).toEqual([true]);
    expect(remoteWakeMs(run.state) - asked).toBeGreaterThanOrEqual(5);
    run.pass(150);
    expect([...run.open.values()].sort()).toEqual([idOf(1), idOf(2)]);
  });

  test('a peer is asked for what is wanted once it has said who it is', () => {
    const run = machine();
    run.take({ kind: 'members', members: [member(1)] });
    run.take({ kind: 'ask', filters: [filterOf('a', 7)] });
    run.pass(200);
    run.take({ kind: 'opened', id: idOf(1), socket: run.socketOf(1) });
    expect(run.sent()).toEqual([]);
    run.hear(1, { kind: 'beacon', beacon: beaconOf(1) });
    expect(run.sent()).toEqual([{ kind: 'subscribe', filter: filterId('a'), text: 'a', samples: 7 }]);
    run.take({ kind: 'ask', filters: [filterOf('a', 3), filterOf('b', 2)] });
    run.take({ kind: 'ask', filters: [filterOf('a', 9)] });
    expect(run.sent().slice(1)).toEqual([
      { kind: 'subscribe', filter: filterId('b'), text: 'b', samples: 2 },
      { kind: 'subscribe', filter: filterId('a'), text: 'a', samples: 9 },
    ]);
  });

  test('one where another node answers is closed, and nothing is asked of it', () => {
    const run = machine();
    run.take({ kind: 'members', members: [member(1)] });
    run.take({ kind: 'ask', filters: [filterOf('a')] });
    run.pass(200);
    run.take({ kind: 'opened', id: idOf(1), socket: run.socketOf(1) });
    run.hear(1, { kind: 'beacon', beacon: beaconOf(2) });
    expect(run.open.size).toBe(0);
    expect(run.sent()).toEqual([]);
    expect(run.state.peers.get(idOf(1))?.lastAttempt?.reason).toBe(`another node is there: ${idOf(2)}`);
  });

  test('one without any message for 15 s is made anew, and told what was missed', () => {
    const run = running(1);
    const socket = run.socketOf(1);
    run.pass(limits.silenceMs - 1);
    expect(run.socketOf(1)).toBe(socket);
    run.pass(1);
    expect(run.open.has(socket)).toBe(false);
    expect(run.state.peers.get(idOf(1))?.lastAttempt?.reason).toBe('silent for 15 s');
    run.connect(1);
    expect(run.socketOf(1)).not.toBe(socket);
    // 15.2 s at 2 s, and two more.
    expect(run.sent().at(-1)).toMatchObject({ kind: 'subscribe', samples: 10 });
  });

  test.each([
    ['timeout', 750, 2250],
    ['refused', 1000, 2000],
    ['reset', 5, 150],
  ] as const)('after a %s the next attempt comes after %i to %i ms', (why, least, most) => {
    for (let seed = 1; seed <= 20; seed++) {
      const run = machine(seed);
      run.take({ kind: 'members', members: [member(1)] });
      run.take({ kind: 'start' });
      run.pass(200);
      run.lose(1, why);
      const link = run.link(1);
      const delay = (link?.kind === 'waiting' ? link.untilMs : 0) - run.nowMs;
      expect(delay).toBeGreaterThanOrEqual(least);
      expect(delay).toBeLessThanOrEqual(most);
    }
  });

  test('a handshake is waited for 30 s', () => {
    const run = machine();
    run.take({ kind: 'members', members: [member(1)] });
    run.take({ kind: 'start' });
    run.pass(200);
    const socket = run.socketOf(1);
    run.pass(limits.handshakeMs);
    expect(run.open.has(socket)).toBe(false);
  });

  test('who is dead for gossip is not tried again until it lives', () => {
    const run = running(1);
    run.take({ kind: 'members', members: [member(1, false)] });
    run.hear(1, { kind: 'beacon', beacon: beaconOf(1) });
    run.lose(1, 'reset');
    run.pass(60_000);
    expect(run.open.size).toBe(0);
    run.take({ kind: 'members', members: [member(1)] });
    run.pass(150);
    expect(run.open.size).toBe(1);
  });

  test('a peer with a new address is connected to there, one that has left is not kept', () => {
    const run = running(1, 2);
    run.take({ kind: 'members', members: [{ ...member(1), addr: '10.0.0.9:1' }] });
    expect(run.open.size).toBe(0);
    expect(run.effects).toContainEqual({ kind: 'forget', id: idOf(2), filter: null });
    run.pass(150);
    expect(run.effects).toContainEqual(expect.objectContaining({ kind: 'connect', addr: '10.0.0.9:1' }));
  });

  test('what nobody asked for in 3 minutes is unsubscribed; with nothing left all is closed', () => {
    const run = running(1);
    const live = (ms: number, every: () => void = () => {}) => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        run.pass(10_000);
        every();
        if (run.state.on) run.hear(1, { kind: 'beacon', beacon: beaconOf(1) });
      }
    };
    run.take({ kind: 'ask', filters: [filterOf('b')] });
    live(250_000, () => run.take({ kind: 'ask', filters: [filterOf('b')] }));
    expect(run.sent().filter(({ kind }) => kind === 'unsubscribe')).toEqual([
      { kind: 'unsubscribe', filter: filterId('a') },
    ]);
    expect(run.effects).toContainEqual({ kind: 'forget', id: null, filter: filterId('a') });
    expect(run.said()).toEqual([true]);
    live(170_000);
    expect(run.state.on).toBe(true);
    live(80_000);
    expect(run.said()).toEqual([true, false]);
    expect(run.open.size).toBe(0);
    expect(remoteWakeMs(run.state)).toBe(Number.POSITIVE_INFINITY);
    run.take({ kind: 'start' });
    run.pass(150);
    expect(run.open.size).toBe(1);
  });

  test('stats are kept of what is subscribed to, and of nothing else', () => {
    const run = running(1);
    expect(run.hear(1, { kind: 'stats', stats: statsOf(filterId('a')) })).toMatchObject([{ kind: 'merge' }]);
    expect(run.hear(1, { kind: 'stats', stats: statsOf(filterId('x')) })).toEqual([]);
    run.hear(1, { kind: 'refusal', filter: filterId('a'), reason: 'too much' });
    expect(run.hear(1, { kind: 'stats', stats: statsOf(filterId('a')) })).toEqual([]);
    const before = run.sent().length;
    run.take({ kind: 'ask', filters: [filterOf('a', 50)] });
    expect(run.sent().length).toBe(before);
  });

  test('a filter for which there is no room in the mirrors is unsubscribed at that peer, and not tried again', () => {
    const run = running(1, 2);
    const effects = run.take({ kind: 'too-much', id: idOf(1), filter: filterId('a') });
    expect(effects).toEqual([
      { kind: 'send', socket: run.socketOf(1), request: { kind: 'unsubscribe', filter: filterId('a') } },
      { kind: 'forget', id: idOf(1), filter: filterId('a') },
    ]);
    const before = run.sent().length;
    run.take({ kind: 'ask', filters: [filterOf('a', 100)] });
    expect(run.effects.slice(-1)).toMatchObject([{ kind: 'send', socket: run.socketOf(2) }]);
    expect(run.sent().length).toBe(before + 1);
  });

  test('whatever happens, in any order: at most 64 connects at once, 4096 peers, one socket a peer, none when off', () => {
    const number = fc.integer({ min: 1, max: 90 });
    const action = fc.oneof(
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 100_000 }) }),
      fc.record({
        kind: fc.constant('ask' as const),
        name: fc.constantFrom('a', 'b'),
        samples: fc.integer({ min: 1, max: 150 }),
      }),
      fc.record({ kind: fc.constant('start' as const) }),
      fc.record({
        kind: fc.constant('members' as const),
        numbers: fc.uniqueArray(number, { maxLength: 90 }),
        dead: number,
      }),
      fc.record({ kind: fc.constant('opened' as const), number }),
      fc.record({
        kind: fc.constant('lost' as const),
        number,
        why: fc.constantFrom('timeout' as const, 'refused' as const, 'reset' as const),
      }),
      fc.record({ kind: fc.constant('beacon' as const), number, as: number }),
      fc.record({ kind: fc.constant('stats' as const), number, name: fc.constantFrom('a', 'b', 'x') }),
      fc.record({ kind: fc.constant('damaged' as const), number }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80 }), fc.nat(), (actions, seed) => {
        const run = machine(seed);
        const used = new Set<number>();
        const has = (peer: number) => (run.link(peer)?.kind ?? 'waiting') !== 'waiting';
        for (const act of actions) {
          switch (act.kind) {
            case 'pass':
              run.pass(act.ms);
              break;
            case 'ask':
              run.take({ kind: 'ask', filters: [filterOf(act.name, act.samples)] });
              break;
            case 'start':
              run.take({ kind: 'start' });
              break;
            case 'members':
              run.take({ kind: 'members', members: act.numbers.map((each) => member(each, each !== act.dead)) });
              break;
            case 'opened':
              if (has(act.number)) run.take({ kind: 'opened', id: idOf(act.number), socket: run.socketOf(act.number) });
              break;
            case 'lost':
              if (has(act.number)) run.lose(act.number, act.why);
              break;
            case 'beacon':
              if (has(act.number)) run.hear(act.number, { kind: 'beacon', beacon: beaconOf(act.as) });
              break;
            case 'stats':
              if (has(act.number)) run.hear(act.number, { kind: 'stats', stats: statsOf(filterId(act.name)) });
              break;
            case 'damaged':
              if (has(act.number)) {
                run.take({ kind: 'damaged', id: idOf(act.number), socket: run.socketOf(act.number), reason: 'x' });
              }
              break;
            default:
              act satisfies never;
          }
          const links = [...run.state.peers.values()].map(({ link }) => link);
          expect(links.filter(({ kind }) => kind === 'connecting').length).toBeLessThanOrEqual(limits.mostConnecting);
          const held = links.flatMap((link) => (link.kind === 'waiting' ? [] : [link.socket]));
          expect([...run.open.keys()].sort()).toEqual([...held].sort());
          if (!run.state.on) expect([held, run.state.peers.size]).toEqual([[], 0]);
          // No timer is in the past once it was looked at.
          expect(remoteWakeMs(run.state)).toBeGreaterThan(run.nowMs);
        }
        for (const effect of run.effects) {
          if (effect.kind !== 'connect') continue;
          expect(used.has(effect.socket)).toBe(false);
          used.add(effect.socket);
        }
      }),
      { numRuns: 200 },
    );
    const many = machine();
    many.take({ kind: 'members', members: Array.from({ length: 5000 }, (_, n) => member(n)) });
    many.take({ kind: 'start' });
    expect(many.state.peers.size).toBe(limits.mostPeers);
  });
});
