import { constants } from 'node:os';
import { isMap, isScalar, isSeq } from 'yaml';
import { FileError, parseYamlText, type YamlText } from '../yaml-text.ts';
import { pathPattern } from './path-pattern.ts';
import {
  commandNames,
  type FileRights,
  innerCommands,
  type RenderCommand,
  stagingName,
  textsOf,
  unknownName,
} from './render-command.ts';

/** A checked `*.render.yaml` (spec/verwalter.md 5.2). */
export interface RenderFile {
  readonly file: string;
  /** Name → template, relative to this file. */
  readonly templates: Readonly<Record<string, string>>;
  readonly commands: readonly RenderCommand[];
  /** Whether a failure puts back what these commands wrote; default true. */
  readonly rollback: boolean;
}

const defaultSource = '{{ tmp_file }}';

/** Throws FileError with file, line and key. */
export const parseRenderFile = (file: string, text: string): RenderFile => {
  const yaml = parseYamlText(file, text);
  const top = fields(yaml, yaml.root, '', ['templates', 'commands', 'rollback']);
  for (const key of ['templates', 'commands']) {
    if (!top.has(key)) yaml.fail(yaml.root, `${key}: the key is missing`);
  }
  const templates: Record<string, string> = {};
  for (const [name, node] of fields(yaml, top.get('templates'), 'templates', null)) {
    if (!/^\w+$/.test(name)) yaml.fail(node, `templates.${name}: a name has only letters, digits and _`);
    const path = string(yaml, node, `templates.${name}`);
    if (path.startsWith('/') || path.split('/').includes('..')) {
      yaml.fail(node, `templates.${name}: ${path} is not a path below this file's folder`);
    }
    if (!/\.(hbs|handlebars)$/.test(path)) {
      yaml.fail(node, `templates.${name}: ${path}: only Handlebars templates (.hbs, .handlebars) are known`);
    }
    templates[name] = path;
  }
  const rollback = top.get('rollback');
  if (rollback !== undefined && !(isScalar(rollback) && typeof rollback.value === 'boolean')) {
    yaml.fail(rollback, 'rollback: true or false');
  }
  const parsed: RenderFile = {
    file,
    templates,
    commands: commands(yaml, top.get('commands'), 'commands', 'top'),
    rollback: !(isScalar(rollback) && rollback.value === false),
  };
  checkNames(parsed, file);
  return parsed;
};

const fields = (yaml: YamlText, node: unknown, path: string, known: readonly string[] | null): Map<string, unknown> => {
  const label = path === '' ? '' : `${path}: `;
  const result = new Map<string, unknown>();
  if (node === null || (isScalar(node) && node.value === null)) return result;
  if (!isMap(node)) return yaml.fail(node, `${label}not a mapping`);
  for (const pair of node.items) {
    const key = String(isScalar(pair.key) ? pair.key.value : pair.key).replaceAll('-', '_');
    const where = path === '' ? key : `${path}.${key}`;
    if (known !== null && !known.includes(key)) {
      yaml.fail(pair.key, `${where}: unknown key (known: ${known.join(', ')})`);
    }
    if (result.has(key)) yaml.fail(pair.key, `${where}: the key is there twice`);
    result.set(key, pair.value);
  }
  return result;
};

const string = (yaml: YamlText, node: unknown, path: string): string => {
  if (isScalar(node)) {
    if (typeof node.value === 'string') return node.value;
    // A word of a command line is what stands there: 0644, 1.10 and true are not to be rewritten.
    if (typeof node.value === 'number' || typeof node.value === 'boolean') return node.source ?? String(node.value);
  }
  return yaml.fail(node, `${path}: not a text`);
};

const strings = (yaml: YamlText, node: unknown, path: string): string[] => {
  if (!isSeq(node)) return yaml.fail(node, `${path}: not a list`);
  return node.items.map((item, index) => string(yaml, item, `${path}[${index}]`));
};

/** What a list of commands stands in: an `!Atomic` may hold no other, and neither may a `!Condition`. */
type Around = 'top' | 'Condition' | 'Atomic';

const commands = (yaml: YamlText, node: unknown, path: string, around: Around): RenderCommand[] => {
  if (node === null || node === undefined || (isScalar(node) && node.value === null)) return [];
  if (!isSeq(node)) return yaml.fail(node, `${path}: not a list`);
  return node.items.map((item, index) => command(yaml, item, `${path}[${index}]`, around));
};

/** The keys of a command with what was said of them. */
interface Keys {
  readonly has: (key: string) => boolean;
  readonly node: (key: string) => unknown;
  /** Fails where the key is missing. */
  readonly text: (key: string) => string;
}

const keysOf = (yaml: YamlText, node: unknown, path: string, known: readonly string[]): Keys => {
  const found = fields(yaml, node, path, known);
  return {
    has: (key) => found.has(key),
    node: (key) => found.get(key),
    text: (key) =>
      found.has(key)
        ? string(yaml, found.get(key), `${path}.${key}`)
        : yaml.fail(node, `${path}.${key}: the key is missing`),
  };
};

const command = (yaml: YamlText, node: unknown, at: string, around: Around): RenderCommand => {
  const tag = (node as { tag?: string } | null)?.tag ?? '';
  const name = tag.startsWith('!') ? tag.slice(1) : '';
  const line = yaml.lineOf(node);
  const path = `${at} !${name}`;
  switch (name) {
    case 'Cmd':
    case 'RootCommand':
    case 'Check': {
      const [program, ...args] = strings(yaml, node, path);
      if (program === undefined || program === '') return yaml.fail(node, `${path}: no program`);
      return { kind: name, line, argv: [program, ...args] };
    }
    case 'Sh':
      return { kind: name, line, script: string(yaml, node, path) };
    case 'Copy': {
      const keys = keysOf(yaml, node, path, ['src', 'dest', ...rightsKeys]);
      const dest = keys.text('dest');
      if (dest.endsWith('/')) yaml.fail(keys.node('dest'), `${path}.dest: must name a file`);
      return { kind: name, line, src: source(keys), dest, rights: rights(yaml, keys, path) };
    }
    case 'SplitText': {
      const keys = keysOf(yaml, node, path, ['section', 'validate', 'src', 'dest', ...rightsKeys]);
      const section = regex(yaml, keys, 'section', path);
      if (new RegExp(`${section.source}|`, section.flags).exec('')?.length === 1) {
        yaml.fail(keys.node('section'), `${path}.section: has no group ( ) for the name of a part`);
      }
      const dest = keys.text('dest');
      if (dest.split('(*)').length !== 2)
        yaml.fail(keys.node('dest'), `${path}.dest: has (*) once, for the name of a part`);
      const validate = regex(yaml, keys, 'validate', path);
      return { kind: name, line, section, validate, src: source(keys), dest, rights: rights(yaml, keys, path) };
    }
    case 'CleanFiles': {
      const keys = keysOf(yaml, node, path, ['pattern', 'keep_list']);
      const pattern = keys.text('pattern');
      const compiled = pathPattern(pattern);
      if ('problem' in compiled) yaml.fail(keys.node('pattern'), `${path}.pattern: ${compiled.problem}`);
      return { kind: name, line, pattern, keepList: keys.text('keep_list') };
    }
    case 'Lithos': {
      const keys = keysOf(yaml, node, path, ['sandbox', 'src']);
      return { kind: name, line, sandbox: keys.text('sandbox'), src: source(keys) };
    }
    case 'PeekLog':
      return { kind: name, line, log: string(yaml, node, path) };
    case 'Signal': {
      const keys = keysOf(yaml, node, path, ['pidfile', 'signal']);
      const word = keys.text('signal').toUpperCase();
      const signal = word.startsWith('SIG') ? word : `SIG${word}`;
      if (!Object.hasOwn(constants.signals, signal))
        yaml.fail(keys.node('signal'), `${path}.signal: no signal ${word}`);
      return { kind: name, line, pidfile: keys.text('pidfile'), signal: signal as NodeJS.Signals };
    }
    case 'Atomic': {
      if (around !== 'top') return yaml.fail(node, `${path}: not within a !${around}`);
      const keys = keysOf(yaml, node, path, ['dest', 'commands']);
      const dest = keys.text('dest');
      if (dest.endsWith('/')) yaml.fail(keys.node('dest'), `${path}.dest: without a / at its end, it is a link`);
      return { kind: name, line, dest, commands: commands(yaml, keys.node('commands'), `${path}.commands`, name) };
    }
    case 'Condition': {
      if (around !== 'top') return yaml.fail(node, `${path}: not within another !${around}`);
      const keys = keysOf(yaml, node, path, ['files_changed', 'dirs_changed', 'vars_changed', 'commands']);
      const list = (key: string): string[] => (keys.has(key) ? strings(yaml, keys.node(key), `${path}.${key}`) : []);
      const [filesChanged, dirsChanged, varsChanged] = ['files_changed', 'dirs_changed', 'vars_changed'].map(list) as [
        string[],
        string[],
        string[],
      ];
      if (filesChanged.length + dirsChanged.length + varsChanged.length === 0) {
        return yaml.fail(node, `${path}: files_changed, dirs_changed or vars_changed is needed`);
      }
      const inner = commands(yaml, keys.node('commands'), `${path}.commands`, name);
      return { kind: name, line, filesChanged, dirsChanged, varsChanged, commands: inner };
    }
    default:
      return yaml.fail(
        node,
        name === '' ? `${at}: a command begins with a tag such as !Cmd` : `${path}: unknown command`,
      );
  }
};

const source = (keys: Keys): string => (keys.has('src') ? keys.text('src') : defaultSource);

const regex = (yaml: YamlText, keys: Keys, key: string, path: string): RegExp => {
  const text = keys.text(key);
  try {
    return new RegExp(text, 'u');
  } catch (error) {
    return yaml.fail(keys.node(key), `${path}.${key}: ${(error as Error).message}`);
  }
};

const rightsKeys = ['mode', 'owner', 'group'] as const;

const rights = (yaml: YamlText, keys: Keys, path: string): FileRights => ({
  mode: mode(yaml, keys.node('mode'), `${path}.mode`),
  owner: keys.has('owner') ? keys.text('owner') : null,
  group: keys.has('group') ? keys.text('group') : null,
});

/** Octal as in chmod(1): 0644 and 0o644 and "644" are the same. */
const mode = (yaml: YamlText, node: unknown, path: string): number | null => {
  if (node === undefined) return null;
  const source = isScalar(node) ? (node.source ?? String(node.value)) : '';
  const digits = /^(?:0o?)?([0-7]{1,4})$/.exec(source);
  if (digits?.[1] === undefined) return yaml.fail(node, `${path}: not an octal mode`);
  return Number.parseInt(digits[1], 8);
};

const checkNames = (render: RenderFile, file: string): void => {
  const names = Object.keys(render.templates);
  const known = new Set<string>([...commandNames, ...names.flatMap((name) => [`files.${name}`, `templates.${name}`])]);
  if (names.length === 1) known.add('tmp_file');
  const check = (list: readonly RenderCommand[], allowed: ReadonlySet<string>): void => {
    for (const each of list) {
      for (const text of textsOf(each)) {
        const name = unknownName(text, allowed);
        if (name === null) continue;
        const hint = `known: ${[...allowed].join(', ')}`;
        throw new FileError({ file, line: each.line, text: `!${each.kind}: unknown name {{ ${name} }} (${hint})` });
      }
      check(innerCommands(each), each.kind === 'Atomic' ? new Set([...allowed, stagingName]) : allowed);
    }
  };
  check(render.commands, known);
};
