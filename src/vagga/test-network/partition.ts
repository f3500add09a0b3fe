import { suggestion } from '../../config/suggest.ts';
import type { PacketChain, PacketFilter } from '../../native/container.ts';
import { bridgeAddress } from './guests.ts';

// What `vagga _network` means, from its words to the filter of every node: vagga 5.2 and 6.

export interface Node {
  readonly name: string;
  readonly ip: string;
}

/** How a node is connected. A node that is hidden from another drops what comes from it; the other does the same. */
export type Links =
  | { readonly kind: 'full' }
  /** It reaches the bridge alone. */
  | { readonly kind: 'isolated' }
  | { readonly kind: 'some'; readonly hidden: ReadonlySet<string> };

/** What holds for the nodes, by name. */
export interface NetworkState {
  readonly links: ReadonlyMap<string, Links>;
  /** Whole percents of the packets that are lost on their way to a node. */
  readonly loss: ReadonlyMap<string, number>;
}

export type Decision =
  | { readonly kind: 'change'; readonly state: NetworkState }
  /** The words after the first `skip` are to run at that node. */
  | { readonly kind: 'run'; readonly node: Node; readonly skip: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'refused'; readonly problem: string };

export const usage = `Usage: vagga _network COMMAND
  fullmesh             every node reaches every other
  isolate NODE…        these reach no other; the rest reach each other
  disjoint A B -- C    nodes reach those of their group; each node is in one
  split A B -- B C     nodes reach those of all groups that they are in; who is in none is isolated
  loss PERCENT [NODE…] so many packets of other nodes do not arrive at these, or at all; 0 ends it
  run NODE PROGRAM…    a program in the network of a node, on the files of this container
  status               what holds now
`;

export function initialState(nodes: readonly Node[]): NetworkState {
  return { links: new Map(nodes.map(({ name }) => [name, { kind: 'full' }])), loss: new Map() };
}

/** `words`: what stands after `_network`. */
export function decide(nodes: readonly Node[], state: NetworkState, words: readonly string[]): Decision {
  const [command, ...rest] = words;
  const links = (of: (name: string) => Links): Decision => ({
    kind: 'change',
    state: { ...state, links: new Map(nodes.map(({ name }) => [name, of(name)])) },
  });
  switch (command) {
    case 'fullmesh':
      return rest.length > 0 ? refused('fullmesh takes no names') : links(() => ({ kind: 'full' }));
    case 'isolate': {
      if (rest.length === 0) return refused('isolate needs the name of a node');
      const problem = unknown(nodes, rest);
      const hidden = new Set(rest);
      return problem ?? links((name) => (hidden.has(name) ? { kind: 'isolated' } : { kind: 'some', hidden }));
    }
    case 'disjoint':
    case 'split':
      return groups(nodes, command, rest, links);
    case 'loss':
      return lose(nodes, state, rest);
    case 'run':
      return run(nodes, rest);
    case 'status':
      return { kind: 'text', text: statusText(nodes, state) };
    case undefined:
      return refused(`_network needs to be told what to do\n${usage.trimEnd()}`);
    case '-h':
    case '--help':
      return { kind: 'text', text: usage };
    default: {
      const known = ['fullmesh', 'isolate', 'disjoint', 'split', 'loss', 'run', 'status'];
      return refused(`_network knows no ${command}${suggestion(command, known)}\n${usage.trimEnd()}`);
    }
  }
}

function groups(
  nodes: readonly Node[],
  command: 'disjoint' | 'split',
  words: readonly string[],
  links: (of: (name: string) => Links) => Decision,
): Decision {
  const lists = words.reduce<string[][]>(
    (all, word) => {
      if (word === '--') all.push([]);
      else all.at(-1)?.push(word);
      return all;
    },
    [[]],
  );
  if (lists.some((list) => list.length === 0)) return refused(`${command} needs groups of nodes, -- between them`);
  const problem = unknown(nodes, lists.flat());
  if (problem !== null) return problem;
  if (command === 'disjoint') {
    const count = (name: string): number => lists.flat().filter((word) => word === name).length;
    const twice = nodes.find(({ name }) => count(name) > 1);
    if (twice !== undefined) return refused(`disjoint: node ${twice.name} is named twice; see split`);
    const absent = nodes.filter(({ name }) => count(name) === 0).map(({ name }) => name);
    if (absent.length > 0) return refused(`disjoint: node ${absent.join(', ')} is in no group; see split`);
  }
  return links((name) => {
    const own = lists.filter((list) => list.includes(name));
    if (own.length === 0) return { kind: 'isolated' };
    const seen = new Set(own.flat());
    const hidden = nodes.map((node) => node.name).filter((other) => !seen.has(other));
    return hidden.length === 0 ? { kind: 'full' } : { kind: 'some', hidden: new Set(hidden) };
  });
}

function lose(nodes: readonly Node[], state: NetworkState, [percent = '', ...names]: readonly string[]): Decision {
  if (!/^\d{1,3}%?$/.test(percent) || Number.parseInt(percent, 10) > 100) {
    return refused(`loss needs a whole percentage from 0 to 100, found "${percent}"`);
  }
  const problem = unknown(nodes, names);
  if (problem !== null) return problem;
  const share = Number.parseInt(percent, 10);
  const at = names.length === 0 ? nodes.map(({ name }) => name) : names;
  const loss = new Map([...state.loss, ...at.map((name) => [name, share] as const)]);
  return { kind: 'change', state: { ...state, loss: new Map([...loss].filter(([, each]) => each > 0)) } };
}

function run(nodes: readonly Node[], [name, program]: readonly string[]): Decision {
  if (name === undefined || program === undefined) return refused('run needs a node and a program');
  const node = nodes.find((each) => each.name === name);
  if (node === undefined) return unknown(nodes, [name]) ?? refused(`there is no node ${name}`);
  return { kind: 'run', node, skip: 3 };
}

const refused = (problem: string): Extract<Decision, { kind: 'refused' }> => ({ kind: 'refused', problem });

function unknown(nodes: readonly Node[], names: readonly string[]): Extract<Decision, { kind: 'refused' }> | null {
  const known = nodes.map(({ name }) => name);
  const wrong = names.find((name) => !known.includes(name));
  if (wrong === undefined) return null;
  return refused(`there is no node ${wrong}${suggestion(wrong, known)} (nodes: ${known.join(', ') || 'none'})`);
}

function statusText(nodes: readonly Node[], state: NetworkState): string {
  const width = Math.max(0, ...nodes.map(({ name }) => name.length));
  const line = ({ name, ip }: Node): string => {
    const seen = nodes.filter((other) => other.name !== name && areConnected(state, name, other.name));
    const reach = seen.length === 0 ? 'nobody' : seen.map((other) => other.name).join(' ');
    const loss = state.loss.get(name);
    return `${name.padEnd(width)}  ${ip.padEnd(12)}  reaches ${reach}${loss === undefined ? '' : `, loses ${loss}%`}\n`;
  };
  return nodes.map(line).join('');
}

function areConnected({ links }: NetworkState, one: string, other: string): boolean {
  const lets = (at: Links | undefined, peer: string): boolean =>
    at === undefined || at.kind === 'full' || (at.kind === 'some' && !at.hidden.has(peer));
  return lets(links.get(one), other) && lets(links.get(other), one);
}

const open: PacketChain = { accept: [], drop: [], lossPercent: 0, pass: true };
const closed: PacketChain = { ...open, pass: false };

const addressesOf = (nodes: readonly Node[], wanted: (node: Node) => boolean): readonly string[] =>
  nodes.filter(wanted).map(({ ip }) => ip);

/** What is written into the network of one node. The bridge reaches every node at all times: ports and tests go through it. */
export function filterOf(nodes: readonly Node[], { links, loss }: NetworkState, name: string): PacketFilter {
  const at = links.get(name) ?? { kind: 'full' };
  return {
    input: {
      accept: [bridgeAddress],
      drop: at.kind === 'some' ? addressesOf(nodes, (node) => at.hidden.has(node.name)) : [],
      lossPercent: loss.get(name) ?? 0,
      pass: at.kind !== 'isolated',
    },
    forward: closed,
  };
}

/** And into that of the bridge, through which nodes reach the outside. */
export function bridgeFilter(nodes: readonly Node[], { links }: NetworkState): PacketFilter {
  const isolated = addressesOf(nodes, ({ name }) => links.get(name)?.kind === 'isolated');
  return { input: open, forward: { ...open, drop: isolated } };
}
