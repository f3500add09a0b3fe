import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
} from 'yaml';
import { emptyRecord, type Json } from './canonical.ts';

/** Something wrong in a file of the config folder, at the place where it stands. */
export interface FileProblem {
  readonly file: string;
  /** From 1; 0 where the file as a whole is meant. */
  readonly line: number;
  readonly text: string;
}

export const problemText = ({ file, line, text }: FileProblem): string =>
  line === 0 ? `${file}: ${text}` : `${file}:${line}: ${text}`;

/** Thrown while a file is read, caught where the file is known to be one of many. */
export class FileError extends Error {
  readonly problem: FileProblem;
  constructor(problem: FileProblem) {
    super(problemText(problem));
    this.problem = problem;
  }
}

export interface YamlText {
  readonly root: Node | null;
  lineOf(node: unknown): number;
  fail(node: unknown, text: string): never;
}

/** The first document of a YAML text, with tags kept. Throws FileError. */
export const parseYamlText = (file: string, text: string): YamlText => {
  const lines = new LineCounter();
  let document: Document | undefined;
  try {
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      uniqueKeys: true,
      logLevel: 'silent',
      prettyErrors: false,
    });
    document = Array.isArray(documents) ? (documents[0] as Document | undefined) : undefined;
  } catch (error) {
    throw new FileError({ file, line: 0, text: (error as Error).message });
  }
  const first = document?.errors[0];
  if (first !== undefined) throw new FileError({ file, line: lines.linePos(first.pos[0]).line, text: first.message });
  const lineOf = (node: unknown): number => {
    const range = (node as { range?: readonly number[] | null } | null)?.range;
    return range?.[0] === undefined ? 0 : lines.linePos(range[0]).line;
  };
  return {
    root: (document?.contents as Node | null | undefined) ?? null,
    lineOf,
    fail(node, message) {
      throw new FileError({ file, line: lineOf(node), text: message });
    },
  };
};

/** Plain data of a node without tags: keys become strings, aliases and non-finite numbers are refused. */
export const plainYaml = (yaml: YamlText, node: unknown, path = ''): Json => {
  const at = (key: string | number): string => (path === '' ? String(key) : `${path}.${key}`);
  if (node === null || node === undefined) return null;
  if (isAlias(node)) return yaml.fail(node, `${path}: aliases are not supported`);
  if (isScalar(node)) {
    const { value } = node;
    if (typeof value === 'number' && !Number.isFinite(value)) return yaml.fail(node, `${path}: number is not finite`);
    if (value === undefined || value === null) return null;
    if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return value;
    return yaml.fail(node, `${path}: a ${typeof value} is not supported`);
  }
  if (isSeq(node)) return node.items.map((item, index) => plainYaml(yaml, item, at(index)));
  if (isMap(node)) {
    const result = emptyRecord<Json>();
    for (const pair of node.items) {
      if (!isPair(pair)) continue;
      if (!isScalar(pair.key)) return yaml.fail(pair.key, `${path}: a key must be a scalar`);
      if (typeof pair.key.value === 'number' && !Number.isFinite(pair.key.value)) {
        return yaml.fail(pair.key, `${path}: a key is not finite`);
      }
      // As it was written: version 1.10 is not 1.1.
      const key = typeof pair.key.value === 'string' ? pair.key.value : (pair.key.source ?? String(pair.key.value));
      if (key in result) return yaml.fail(pair.key, `${at(key)}: the key is there twice`);
      result[key] = plainYaml(yaml, pair.value, at(key));
    }
    return result;
  }
  return yaml.fail(node, `${path}: not supported here`);
};
