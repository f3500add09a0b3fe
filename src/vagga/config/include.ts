import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml';
import type { ConfigProblem } from '../../config/problem.ts';
import { makeProblem, type Position, parseYaml, type YamlSource } from '../../config/yaml-source.ts';

// What a vagga.yaml has beyond YAML (vagga 2.1): `!*Include FILE`, `!*Unpack` of a list into a list, merge keys `<<`.

/** The bytes of a file, or why there are none. */
export type ReadFile = (path: string) => Uint8Array | string;

export interface Expanded extends YamlSource {
  /** Every file that was read, the first one too, relative to where reading began. */
  readonly files: readonly string[];
}

const mostIncludes = 100;
const deepestInclude = 16;
const mostNodes = 100_000;

interface Expansion {
  readonly read: ReadFile;
  readonly problems: ConfigProblem[];
  /** Files of nodes that do not come from the first one. */
  readonly owners: WeakMap<object, YamlSource>;
  readonly sources: YamlSource[];
  readonly done: WeakSet<object>;
  /** Mappings whose merge keys are being resolved: one may stand within what it merges. */
  readonly merging: Set<object>;
  nodes: number;
}

/** Puts included files in place. Problems of all files are in the result; nothing is thrown. */
export function expandIncludes(source: YamlSource, read: ReadFile): Expanded {
  const expansion: Expansion = {
    read,
    problems: [...source.problems],
    owners: new WeakMap(),
    sources: [source],
    done: new WeakSet(),
    merging: new Set(),
    nodes: 0,
  };
  const root = source.damaged ? source.root : expand(expansion, source, source.root, [source.file]);
  const ownerOf = (node: unknown): YamlSource =>
    (typeof node === 'object' && node !== null ? expansion.owners.get(node) : undefined) ?? source;
  return {
    file: source.file,
    root,
    problems: expansion.problems,
    damaged: source.damaged || expansion.sources.some(({ damaged }) => damaged),
    files: expansion.sources.map(({ file }) => file),
    positionOf(node): Position {
      const owner = ownerOf(node);
      const position = owner.positionOf(node);
      return owner === source ? position : { ...position, file: owner.file };
    },
    target(alias: Alias) {
      return ownerOf(alias).target(alias);
    },
  };
}

function expand(expansion: Expansion, source: YamlSource, node: Node | null, chain: readonly string[]): Node | null {
  if (node === null || isAlias(node) || expansion.done.has(node)) return node;
  expansion.done.add(node);
  if (++expansion.nodes > mostNodes) {
    if (expansion.nodes === mostNodes + 1) refuse(expansion, source, node, 'with all that it includes too large');
    return node;
  }
  if (tagOf(node) === '!*Include') return include(expansion, source, node, chain);
  if (isSeq(node)) {
    const items = node.items as (Node | null)[];
    node.items = items.flatMap((item) => unpacked(expansion, source, expand(expansion, source, item, chain)));
  } else if (isMap(node)) {
    for (const pair of node.items as Pair<Node | null, Node | null>[]) {
      pair.value = expand(expansion, source, pair.value, chain);
    }
    merge(expansion, source, node);
  }
  return node;
}

const tagOf = (node: Node): string | undefined => (node as { tag?: string }).tag;

function include(expansion: Expansion, source: YamlSource, node: Node, chain: readonly string[]): Node | null {
  const path = isScalar(node) ? String(node.value) : '';
  const parts = path.split('/');
  if (path === '' || parts.some((part) => part === '' || part === '.' || part === '..')) {
    return refuse(expansion, source, node, '!*Include: expected the relative path of a file, without ..');
  }
  const file = [...source.file.split('/').slice(0, -1), ...parts].join('/');
  if (chain.includes(file)) return refuse(expansion, source, node, `!*Include ${path}: the file includes itself`);
  if (chain.length > deepestInclude || expansion.sources.length > mostIncludes) {
    return refuse(expansion, source, node, `!*Include ${path}: too many files within files`);
  }
  const bytes = expansion.read(file);
  if (typeof bytes === 'string') return refuse(expansion, source, node, `!*Include ${path}: ${bytes}`);
  const included = parseYaml(file, bytes);
  expansion.sources.push(included);
  expansion.problems.push(...included.problems);
  if (included.damaged || included.root === null) return included.root;
  own(expansion, included, included.root);
  return expand(expansion, included, included.root, [...chain, file]);
}

/** Remembers from which file each node of a tree comes. */
function own(expansion: Expansion, source: YamlSource, root: Node): void {
  const todo: unknown[] = [root];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (typeof node !== 'object' || node === null || expansion.owners.has(node)) continue;
    expansion.owners.set(node, source);
    if (isSeq(node)) for (const item of node.items) todo.push(item);
    if (isMap(node)) for (const { key, value } of node.items) todo.push(key, value);
  }
}

function unpacked(expansion: Expansion, source: YamlSource, item: Node | null): (Node | null)[] {
  if (item === null || tagOf(item) !== '!*Unpack') return [item];
  if (isSeq(item)) return item.items as (Node | null)[];
  refuse(expansion, source, item, '!*Unpack: expected a list');
  return [];
}

/** `<<: *NAME` and `<<: [*A, *B]`: keys that are there win, then those of the earlier mapping. */
function merge(expansion: Expansion, source: YamlSource, map: YAMLMap): void {
  const pairs = map.items as Pair<Node | null, Node | null>[];
  const isMerge = ({ key }: Pair<Node | null, Node | null>): boolean =>
    isScalar(key) && key.value === '<<' && key.type === 'PLAIN';
  if (!pairs.some(isMerge) || expansion.merging.has(map)) return;
  expansion.merging.add(map);
  const nameOf = (key: Node | null): string | null => (isScalar(key) ? String(key.value) : null);
  const names = new Set(pairs.map(({ key }) => nameOf(key)));
  const merged: Pair<Node | null, Node | null>[] = [];
  for (const { value } of pairs.filter(isMerge)) {
    const given = targetOf(source, value);
    for (const each of isSeq(given) ? (given.items as (Node | null)[]) : [given]) {
      const from = targetOf(source, each);
      if (!isMap(from)) {
        refuse(expansion, source, value, '<<: expected a mapping, or a list of them');
        continue;
      }
      // Its own merge keys count, whether it comes before or after this one.
      merge(expansion, source, from);
      for (const pair of from.items as Pair<Node | null, Node | null>[]) {
        const name = nameOf(pair.key);
        if (name === null || names.has(name)) continue;
        names.add(name);
        merged.push(pair);
      }
    }
  }
  map.items = [...pairs.filter((pair) => !isMerge(pair)), ...merged];
  expansion.merging.delete(map);
}

const targetOf = (source: YamlSource, node: Node | null): Node | null =>
  node !== null && isAlias(node) ? source.target(node) : node;

function refuse(expansion: Expansion, source: YamlSource, node: Node | null, message: string): null {
  const position = node === null ? null : source.positionOf(node);
  expansion.problems.push(makeProblem(source.file, position, '', message));
  return null;
}
