import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import picomatch from 'picomatch';
import { isMap, isScalar, isSeq } from 'yaml';
import { parseDuration } from '../../config/duration.ts';
import { suggestion } from '../../config/suggest.ts';
import { parseYamlText, type YamlText } from '../yaml-text.ts';

/** What rendering may touch on this host: `sandbox/*.yaml` of the config folder (spec/verwalter.md 2.3). */
export interface RenderSandbox {
  /** Name → folder whose files may be served, and named by !PeekLog. */
  readonly logDirs: Readonly<Record<string, string>>;
  /** Absolute paths or globs of programs; null: any. */
  readonly allowedCommands: readonly string[] | null;
  /** Globs of paths; null: any. */
  readonly writablePaths: readonly string[] | null;
  readonly commandTimeoutMs: number;
  /** For all commands of one role. */
  readonly renderTimeoutMs: number;
  /** User of !Cmd, !Check and !Sh; null: our own. */
  readonly runAs: string | null;
  /** Paths of variables whose values are kept out of logs. */
  readonly redact: readonly string[];
}

export const openSandbox: RenderSandbox = {
  logDirs: {},
  allowedCommands: null,
  writablePaths: null,
  // A check or a reload that takes longer hangs.
  commandTimeoutMs: 30_000,
  renderTimeoutMs: 180_000,
  runAs: null,
  redact: [],
};

/** All files merged, later ones win. Throws FileError with file, line and key; no folder is an open sandbox. */
export const readSandbox = (folder: string): RenderSandbox => {
  let names: readonly string[];
  try {
    names = readdirSync(folder).filter((name) => /^[^.].*\.ya?ml$/.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return openSandbox;
    throw error;
  }
  return [...names].sort().reduce((sandbox, name) => merged(sandbox, join(folder, name)), openSandbox);
};

type Draft = { -readonly [Key in keyof RenderSandbox]: RenderSandbox[Key] };

/** One reader for each key, by the name that the file has for it. */
const readers: Readonly<Record<string, (draft: Draft, yaml: YamlText, node: unknown, key: string) => void>> = {
  log_dirs(draft, yaml, node, key) {
    if (!isMap(node)) return yaml.fail(node, `${key}: not a mapping of ALIAS: /folder`);
    const dirs = { ...draft.logDirs };
    for (const pair of node.items) {
      const alias = text(yaml, pair.key, key);
      if (!/^[\w.-]+$/.test(alias) || alias.startsWith('.')) yaml.fail(pair.key, `${key}.${alias}: not a plain name`);
      dirs[alias] = absolute(yaml, pair.value, `${key}.${alias}`);
    }
    draft.logDirs = dirs;
  },
  allowed_commands(draft, yaml, node, key) {
    draft.allowedCommands = list(yaml, node, key, absolute);
  },
  writable_paths(draft, yaml, node, key) {
    draft.writablePaths = list(yaml, node, key, absolute);
  },
  command_timeout(draft, yaml, node, key) {
    draft.commandTimeoutMs = duration(yaml, node, key);
  },
  render_timeout(draft, yaml, node, key) {
    draft.renderTimeoutMs = duration(yaml, node, key);
  },
  run_as(draft, yaml, node, key) {
    draft.runAs = text(yaml, node, key);
  },
  redact(draft, yaml, node, key) {
    draft.redact = list(yaml, node, key, text);
  },
};

const merged = (sandbox: RenderSandbox, file: string): RenderSandbox => {
  const yaml = parseYamlText(file, readFileSync(file, 'utf8'));
  const draft: Draft = { ...sandbox };
  if (yaml.root === null) return sandbox;
  if (!isMap(yaml.root)) return yaml.fail(yaml.root, 'not a mapping');
  for (const pair of yaml.root.items) {
    const key = text(yaml, pair.key, 'a key');
    const name = key.replaceAll('-', '_');
    const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (read === undefined) {
      const known = Object.keys(readers).map((each) => each.replaceAll('_', '-'));
      return yaml.fail(pair.key, `${key}: unknown key (known: ${known.join(', ')})${suggestion(key, known)}`);
    }
    read(draft, yaml, pair.value, key);
  }
  return draft;
};

const text = (yaml: YamlText, node: unknown, key: string): string =>
  isScalar(node) && typeof node.value === 'string' && node.value !== ''
    ? node.value
    : yaml.fail(node, `${key}: not a text`);

const absolute = (yaml: YamlText, node: unknown, key: string): string => {
  const path = text(yaml, node, key);
  return path.startsWith('/') && !path.split('/').includes('..')
    ? path
    : yaml.fail(node, `${key}: ${path} is no absolute path without ..`);
};

const list = (yaml: YamlText, node: unknown, key: string, item: typeof text): readonly string[] =>
  isSeq(node)
    ? node.items.map((each, index) => item(yaml, each, `${key}[${index}]`))
    : yaml.fail(node, `${key}: not a list`);

/** "30s", or a number of seconds. */
const duration = (yaml: YamlText, node: unknown, key: string): number => {
  const value = isScalar(node) ? node.value : null;
  const read = typeof value === 'number' ? { ms: value * 1000 } : parseDuration(String(value));
  if ('problem' in read) return yaml.fail(node, `${key}: ${read.problem}`);
  return read.ms >= 100 && read.ms <= 86_400_000 ? read.ms : yaml.fail(node, `${key}: from 0.1 s to a day`);
};

/** Whether a path is one that a list of globs lets through; null lets everything through. */
export const lets = (globs: readonly string[] | null, path: string): boolean =>
  globs === null || picomatch.isMatch(path, [...globs], { dot: true });

/** What `log-dirs` says now; while the files have a mistake, what it last said. */
export const currentLogDirs = (folder: string): (() => RenderSandbox['logDirs']) => {
  let good: RenderSandbox['logDirs'] = {};
  return () => {
    try {
      good = readSandbox(folder).logDirs;
    } catch {
      // The renderer reads the same files and tells of the mistake.
    }
    return good;
  };
};
