import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PacketChain, PacketFilter } from '../../src/native/container.ts';
import { networkControl } from '../../src/vagga/test-network/control.ts';
import { hostsText, planGuests } from '../../src/vagga/test-network/guests.ts';
import { resolverText } from '../../src/vagga/test-network/outside.ts';
import {
  bridgeFilter,
  type Decision,
  decide,
  filterOf,
  initialState,
  type NetworkState,
  type Node,
} from '../../src/vagga/test-network/partition.ts';

const node = (name: string, last: number): Node => ({ name, ip: `172.23.0.${last}` });
const abc = [node('a', 1), node('b', 2), node('c', 3)];
const bridge = '172.23.0.254';

function stateAfter(nodes: readonly Node[], ...lines: readonly string[]): NetworkState {
  return lines.reduce((state, line) => {
    const decision = decide(nodes, state, line.split(' '));
    if (decision.kind !== 'change') throw new Error(`${line}: ${JSON.stringify(decision)}`);
    return decision.state;
  }, initialState(nodes));
}

const problemOf = (line: string): string => {
  const decision: Decision = decide(abc, initialState(abc), line.split(' ').filter(Boolean));
  return decision.kind === 'refused' ? (decision.problem.split('\n')[0] ?? '') : decision.kind;
};

/** What the kernel does with a packet, as packet_filter.hpp says. */
function passes({ accept, drop, lossPercent, pass }: PacketChain, peer: string): boolean {
  if (accept.includes(peer)) return true;
  if (drop.includes(peer) || lossPercent === 100) return false;
  return pass;
}

const arrives = (filters: ReadonlyMap<string, PacketFilter>, from: Node, to: Node): boolean =>
  passes(filters.get(to.ip)!.input, from.ip);

const filtersOf = (nodes: readonly Node[], state: NetworkState): ReadonlyMap<string, PacketFilter> =>
  new Map(nodes.map(({ name, ip }) => [ip, filterOf(nodes, state, name)]));

/** Pairs between which packets arrive, as `a>b`. */
function reach(nodes: readonly Node[], state: NetworkState): readonly string[] {
  const filters = filtersOf(nodes, state);
  return nodes.flatMap((from) =>
    nodes.filter((to) => to !== from && arrives(filters, from, to)).map((to) => `${from.name}>${to.name}`),
  );
}

describe('the partition of a test network', () => {
  it('is a full mesh at first, and again on demand', () => {
    const all = ['a>b', 'a>c', 'b>a', 'b>c', 'c>a', 'c>b'];
    expect(reach(abc, initialState(abc))).toEqual(all);
    expect(reach(abc, stateAfter(abc, 'isolate a b', 'fullmesh'))).toEqual(all);
  });

  it('isolates nodes from all but the bridge, and the last command alone counts', () => {
    expect(reach(abc, stateAfter(abc, 'isolate a', 'isolate b'))).toEqual(['a>c', 'c>a']);
    const state = stateAfter(abc, 'isolate b');
    const closed: PacketChain = { accept: [], drop: [], lossPercent: 0, pass: false };
    expect(filterOf(abc, state, 'b')).toEqual({ input: { ...closed, accept: [bridge] }, forward: closed });
    // To the outside it goes through the bridge.
    expect(bridgeFilter(abc, state).forward).toEqual({ ...closed, drop: ['172.23.0.2'], pass: true });
  });

  it('drops what comes from nodes of other groups, each for itself', () => {
    const state = stateAfter(abc, 'disjoint a b -- c');
    expect(reach(abc, state)).toEqual(['a>b', 'b>a']);
    expect(abc.map(({ name }) => filterOf(abc, state, name).input.drop)).toEqual([
      ['172.23.0.3'],
      ['172.23.0.3'],
      ['172.23.0.1', '172.23.0.2'],
    ]);
  });

  it('splits into groups that overlap; who is in none is isolated', () => {
    expect(reach(abc, stateAfter(abc, 'split a b -- b c'))).toEqual(['a>b', 'b>a', 'b>c', 'c>b']);
    expect(reach(abc, stateAfter(abc, 'split a b'))).toEqual(['a>b', 'b>a']);
    expect(stateAfter(abc, 'split a b').links.get('c')).toEqual({ kind: 'isolated' });
  });

  it('loses packets whatever the partition, until told otherwise', () => {
    const lossy = stateAfter(abc, 'loss 30% a', 'loss 100 b', 'isolate c', 'fullmesh');
    expect(abc.map(({ name }) => filterOf(abc, lossy, name).input.lossPercent)).toEqual([30, 100, 0]);
    expect(stateAfter(abc, 'loss 30 a', 'loss 50', 'loss 0 a b').loss).toEqual(new Map([['c', 50]]));
    expect(stateAfter(abc, 'loss 30 a', 'loss 0').loss).toEqual(new Map());
  });

  it('refuses what it does not understand, and says what it knows', () => {
    expect(['isolate', 'isolate aa', 'fullmesh a', 'disjoint a -- b', 'disjoint a b -- b c'].map(problemOf)).toEqual([
      'isolate needs the name of a node',
      expect.stringMatching(/^there is no node aa.* \(nodes: a, b, c\)$/),
      'fullmesh takes no names',
      'disjoint: node c is in no group; see split',
      'disjoint: node b is named twice; see split',
    ]);
    expect(
      ['split a --', 'split', 'loss', 'loss 101', 'loss 1.5', 'run', 'run a', 'run x ls', 'mesh', ''].map(problemOf),
    ).toEqual([
      'split needs groups of nodes, -- between them',
      'split needs groups of nodes, -- between them',
      'loss needs a whole percentage from 0 to 100, found ""',
      'loss needs a whole percentage from 0 to 100, found "101"',
      'loss needs a whole percentage from 0 to 100, found "1.5"',
      'run needs a node and a program',
      'run needs a node and a program',
      expect.stringContaining('there is no node x'),
      expect.stringContaining('_network knows no mesh'),
      '_network needs to be told what to do',
    ]);
  });

  it('says who reaches whom', () => {
    const decision = decide(abc, stateAfter(abc, 'split a b', 'loss 5 b'), ['status']);
    expect(decision).toEqual({
      kind: 'text',
      text: [
        'a  172.23.0.1    reaches b\n',
        'b  172.23.0.2    reaches a, loses 5%\n',
        'c  172.23.0.3    reaches nobody\n',
      ].join(''),
    });
  });

  const someNodes = fc
    .integer({ min: 1, max: 6 })
    .map((count) => [...'abcdef'].slice(0, count).map((name, at) => node(name, at + 1)));
  const groupsOf = (nodes: readonly Node[]) =>
    fc.array(
      fc.subarray(
        nodes.map(({ name }) => name),
        { minLength: 1 },
      ),
      { minLength: 1, maxLength: 4 },
    );

  it('lets two nodes talk exactly if a group has both, in both directions; the bridge reaches all', () => {
    fc.assert(
      fc.property(
        someNodes.chain((nodes) => fc.tuple(fc.constant(nodes), groupsOf(nodes))),
        ([nodes, groups]) => {
          const state = stateAfter(nodes, `split ${groups.map((group) => group.join(' ')).join(' -- ')}`);
          const together = (one: string, other: string): boolean =>
            groups.some((group) => group.includes(one) && group.includes(other));
          const expected = nodes.flatMap((from) =>
            nodes.filter((to) => to !== from && together(from.name, to.name)).map((to) => `${from.name}>${to.name}`),
          );
          expect(reach(nodes, state)).toEqual(expected);
          for (const { input } of filtersOf(nodes, state).values()) expect(passes(input, bridge)).toBe(true);
        },
      ),
    );
  });

  it('answers any words without a change unless it says so', () => {
    const word = fc.oneof(
      fc.constantFrom('a', 'b', 'c', '--', 'fullmesh', 'isolate', 'disjoint', 'split', 'loss', 'run', 'status', '50'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(fc.array(word, { maxLength: 6 }), { maxLength: 5 }), (lines) => {
        let calls = 0;
        const control = networkControl(abc, () => {
          calls += 1;
          return true;
        });
        for (const line of lines) {
          const before = control(['_network', 'status']);
          const count = calls;
          const answer = control(['_network', ...line]);
          expect(answer).toMatch(/^(exit \d+|enter 172\.23\.0\.[123] 3)\n/);
          if (calls === count) expect(control(['_network', 'status'])).toBe(before);
          else expect(calls - count).toBe(4);
        }
      }),
    );
  });

  it('is what it was where the kernel refuses a node: those before it get their old filters back', () => {
    const written: string[] = [];
    let broken = false;
    const control = networkControl(abc, (at, { input, forward }) => {
      written.push(at === null ? `bridge:${forward.drop}` : `${at.name}:${input.pass}`);
      if (!broken || at?.name !== 'c') return true;
      return {
        step: 'filter packets',
        call: 'nf_tables',
        subject: '',
        errno: 12,
        code: 'ENOMEM',
        message: 'no memory',
      };
    });
    expect(control(['_network', 'isolate', 'a'])).toBe('exit 0\n');
    broken = true;
    expect(control(['_network', 'isolate', 'b'])).toBe('exit 1\nvagga: node c: no memory\n');
    expect(written.slice(4)).toEqual([
      ...['bridge:172.23.0.2', 'a:true', 'b:false', 'c:true'],
      ...['bridge:172.23.0.1', 'a:false', 'b:true'],
    ]);
    expect(control(['_network', 'status'])).toContain('b  172.23.0.2    reaches c');
  });
});

describe('the nodes of a !Supervise', () => {
  const children = (more: Readonly<Record<string, object>>) => {
    const value = new Map(
      Object.entries(more).map(([name, fields]) => [
        name,
        {
          tag: 'Command' as const,
          value: {
            isolateNetwork: false,
            network: { ip: '172.23.0.1', hostname: null, ports: new Map<string, number>(), ...fields },
          },
        },
      ]),
    );
    return planGuests(value as unknown as Parameters<typeof planGuests>[0]);
  };

  it('are named as the children are, unless they say otherwise', () => {
    const planned = children({ one: {}, two: { ip: '172.23.0.2', hostname: 'zwei', ports: new Map([['8080', 80]]) } });
    expect(planned).toEqual({
      guests: [
        { name: 'one', hostname: 'one', ip: '172.23.0.1', ports: new Map() },
        { name: 'two', hostname: 'zwei', ip: '172.23.0.2', ports: new Map([[8080, 80]]) },
      ],
    });
    expect(hostsText('guests' in planned ? planned.guests : [], '127.0.0.1\tlocalhost\n')).toBe(
      '172.23.0.1\tone\n172.23.0.2\tzwei two\n127.0.0.1\tlocalhost\n',
    );
  });

  it('have each an address, a host name and ports of the host of its own', () => {
    const two = (fields: object) =>
      children({ a: { ports: new Map([['80', 1]]) }, b: { ip: '172.23.0.2', ...fields } });
    expect(two({ ip: '172.23.0.1' })).toEqual({ problem: 'children a and b have the same ip 172.23.0.1' });
    expect(two({ hostname: 'a' })).toEqual({ problem: 'children a and b have the same hostname a' });
    expect(two({ ports: new Map([['80', 2]]) })).toEqual({
      problem: 'children a and b have the same port 80 of the host',
    });
    expect(two({ hostname: 'x y' })).toEqual({
      problem: expect.stringContaining('child b: hostname "x y" is no host name'),
    });
  });

  it('ask the resolvers of the host, those on its loopback through slirp4netns', () => {
    const text = 'search lan\nnameserver 127.0.0.53\nnameserver 192.0.2.1\noptions edns0\n';
    expect(resolverText(text)).toBe('nameserver 10.0.2.3\nsearch lan\noptions edns0\n');
    expect(resolverText('nameserver 192.0.2.1\n# nameserver 127.0.0.1\n')).toContain('nameserver 192.0.2.1\n');
  });
});
