import {
  type Alias,
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
} from 'yaml';
import type { ConfigProblem } from './problem.ts';

/** More than any configuration of a host needs; keeps the time for a damaged one below a second or two. */
export const mostFileBytes = 512 * 1024;
/** Deeper than any of our schemas. The composer is recursive: without a bound a file could use up the stack. */
export const mostNesting = 64;
/** Nobody reads more at once, and a binary file would give one for each byte. */
export const mostProblems = 100;
const mostMessageLetters = 300;

export interface Position {
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Where that is not the file that is read, but one that it includes. */
  readonly file?: string;
}

/** One parsed file: where its nodes stand and what its aliases mean. */
export interface YamlSource {
  readonly file: string;
  readonly root: Node | null;
  readonly problems: readonly ConfigProblem[];
  /** No YAML: what the root holds is only a part of what was meant. */
  readonly damaged: boolean;
  positionOf(node: unknown): Position;
  /** The anchored node; null where no such anchor stands before the alias. */
  target(alias: Alias): Node | null;
}

/** A problem whose text is safe to print: what came from the file may hold control characters or be very long. */
export function makeProblem(file: string, position: Position | null, key: string, message: string): ConfigProblem {
  return {
    file: position?.file ?? file,
    line: position?.line ?? 0,
    column: position?.column ?? 0,
    key: printable(key),
    message: printable(message),
  };
}

function printable(text: string): string {
  const cut = text.length > mostMessageLetters ? `${text.slice(0, mostMessageLetters)}…` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (letter) => {
    const code = letter.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/**
 * Reads one YAML 1.2 document (JSON is a part of it). Every scalar stays the text that it is in the file: what it means
 * is the schema's to say. Anything that is no YAML is in `problems`; nothing is thrown, whatever the bytes are.
 */
export function parseYaml(file: string, bytes: Uint8Array): YamlSource {
  const nothing = (problem: ConfigProblem): YamlSource => emptySource(file, [problem]);
  if (bytes.length > mostFileBytes) {
    return nothing(makeProblem(file, null, '', `too large; expected at most ${mostFileBytes} bytes`));
  }
  const text = decode(bytes);
  if (typeof text !== 'string') return nothing(makeProblem(file, text, '', 'not UTF-8 text'));
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const deep = tooDeep(tokens);
  if (deep !== null) {
    return nothing(
      makeProblem(file, positionAt(deep), '', `nested too deeply; expected at most ${mostNesting} levels`),
    );
  }
  const composer = new Composer({
    schema: 'failsafe',
    uniqueKeys: false, // quadratic; the walk below looks for doubles
    prettyErrors: false,
    logLevel: 'silent',
    lineCounter: lines,
  });
  const documents: readonly Document[] = [...composer.compose(tokens, true, text.length)];
  const problems: ConfigProblem[] = [];
  for (const { errors } of documents) {
    for (const { pos, message } of errors) problems.push(makeProblem(file, positionAt(pos[0]), '', firstLine(message)));
  }
  const [first, second] = documents;
  if (second !== undefined) {
    const at = positionAt(second.range?.[0] ?? 0);
    problems.push(makeProblem(file, at, '', 'a second document; expected one document for a file'));
  }
  const root = (first?.contents ?? null) as Node | null;
  const source: Omit<YamlSource, 'problems' | 'damaged' | 'target'> = {
    file,
    root,
    positionOf: (node) => positionAt((node as { range?: readonly number[] | null } | null)?.range?.[0] ?? 0),
  };
  const damaged = problems.length > 0;
  const walked = walk(root);
  for (const { node, key } of walked.doubles) {
    problems.push(makeProblem(file, source.positionOf(node), key, 'the key is there twice'));
  }
  return {
    ...source,
    problems: problems.slice(0, mostProblems),
    damaged,
    target: (alias) => walked.targets.get(alias) ?? null,
  };
}

function emptySource(file: string, problems: readonly ConfigProblem[]): YamlSource {
  return { file, root: null, problems, damaged: true, positionOf: () => ({ line: 1, column: 1 }), target: () => null };
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text;

/** The text, or the line that cannot be decoded. */
function decode(bytes: Uint8Array): string | Position {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    return decoder.decode(bytes);
  } catch {
    let line = 1;
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(0x0a, start);
      try {
        decoder.decode(bytes.subarray(start, end === -1 ? bytes.length : end));
      } catch {
        return { line, column: 1 };
      }
      if (end === -1) return { line, column: 1 };
      line++;
      start = end + 1;
    }
  }
}

/** Offset of the first token beyond the bound. Level by level: no recursion of ours either. */
function tooDeep(tokens: readonly CST.Token[]): number | null {
  let level: readonly CST.Token[] = tokens;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > mostNesting) return level[0]?.offset ?? 0;
    const next: CST.Token[] = [];
    for (const token of level) {
      if (token.type === 'document' && token.value !== undefined) next.push(token.value);
      if (!('items' in token)) continue;
      for (const { key, value } of token.items) {
        if (key) next.push(key);
        if (value) next.push(value);
      }
    }
    level = next;
  }
  return null;
}

interface Walked {
  readonly targets: ReadonlyMap<Alias, Node>;
  readonly doubles: readonly { readonly node: Node; readonly key: string }[];
}

/** In the order of the text, since an alias means the last anchor of its name before it (YAML 1.2.2, 7.1). */
function walk(root: Node | null): Walked {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const doubles: { node: Node; key: string }[] = [];
  const todo: Node[] = root === null ? [] : [root];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target !== undefined) targets.set(node, target);
      continue;
    }
    if (isScalar(node) || isMap(node) || isSeq(node)) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    }
    const children: unknown[] = [];
    if (isSeq(node)) for (const item of node.items) children.push(item);
    if (isMap(node)) {
      const seen = new Set<string>();
      for (const { key, value } of node.items as { key: Node | null; value: Node | null }[]) {
        if (isScalar(key)) {
          const name = String(key.value);
          if (seen.has(name)) doubles.push({ node: key, key: name });
          seen.add(name);
        }
        children.push(key, value);
      }
    }
    for (const child of children.reverse()) if (child !== null) todo.push(child as Node);
  }
  return { targets, doubles };
}
