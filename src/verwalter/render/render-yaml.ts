import { isMap, isScalar, isSeq } from 'yaml';
import { FileError, parseYamlText, type YamlText } from '../yaml-text.ts';

/** A command with the line it stands on; texts are not yet expanded. */
export type RenderCommand =
  | { readonly kind: 'Cmd' | 'Check'; readonly line: number; readonly argv: readonly [string, ...string[]] }
  | {
      readonly kind: 'Copy';
      readonly line: number;
      readonly src: string;
      readonly dest: string;
      readonly mode: number | null;
    }
  | { readonly kind: 'Lithos'; readonly line: number; readonly sandbox: string; readonly src: string }
  | {
      readonly kind: 'Condition';
      readonly line: number;
      readonly filesChanged: readonly string[];
      readonly dirsChanged: readonly string[];
      readonly commands: readonly RenderCommand[];
    };

/** A checked `*.render.yaml` (spec/verwalter.md 5.2). */
export interface RenderFile {
  readonly file: string;
  /** Name → template, relative to this file. */
  readonly templates: Readonly<Record<string, string>>;
  readonly commands: readonly RenderCommand[];
}

const laterCommands = ['RootCommand', 'Sh', 'SplitText', 'CleanFiles', 'PeekLog', 'Atomic', 'Signal'];
const defaultSource = '{{ tmp_file }}';

/** Throws FileError with file, line and key. */
export const parseRenderFile = (file: string, text: string): RenderFile => {
  const yaml = parseYamlText(file, text);
  const top = fields(yaml, yaml.root, '', ['templates', 'commands']);
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
  const parsed: RenderFile = { file, templates, commands: commands(yaml, top.get('commands'), 'commands', true) };
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

const commands = (yaml: YamlText, node: unknown, path: string, top: boolean): RenderCommand[] => {
  if (node === null || (isScalar(node) && node.value === null)) return [];
  if (!isSeq(node)) return yaml.fail(node, `${path}: not a list`);
  return node.items.map((item, index) => command(yaml, item, `${path}[${index}]`, top));
};

const command = (yaml: YamlText, node: unknown, path: string, top: boolean): RenderCommand => {
  const tag = (node as { tag?: string } | null)?.tag ?? '';
  const name = tag.startsWith('!') ? tag.slice(1) : '';
  const line = yaml.lineOf(node);
  switch (name) {
    case 'Cmd':
    case 'Check': {
      const [program, ...args] = strings(yaml, node, `${path} !${name}`);
      if (program === undefined || program === '') return yaml.fail(node, `${path} !${name}: no program`);
      return { kind: name, line, argv: [program, ...args] };
    }
    case 'Copy': {
      const keys = fields(yaml, node, `${path} !Copy`, ['src', 'dest', 'mode']);
      if (!keys.has('dest')) yaml.fail(node, `${path} !Copy.dest: the key is missing`);
      const dest = string(yaml, keys.get('dest'), `${path} !Copy.dest`);
      if (dest.endsWith('/')) yaml.fail(keys.get('dest'), `${path} !Copy.dest: must name a file`);
      const src = keys.has('src') ? string(yaml, keys.get('src'), `${path} !Copy.src`) : defaultSource;
      return { kind: 'Copy', line, src, dest, mode: mode(yaml, keys.get('mode'), `${path} !Copy.mode`) };
    }
    case 'Lithos': {
      const keys = fields(yaml, node, `${path} !Lithos`, ['sandbox', 'src']);
      if (!keys.has('sandbox')) yaml.fail(node, `${path} !Lithos.sandbox: the key is missing`);
      const src = keys.has('src') ? string(yaml, keys.get('src'), `${path} !Lithos.src`) : defaultSource;
      return { kind: 'Lithos', line, sandbox: string(yaml, keys.get('sandbox'), `${path} !Lithos.sandbox`), src };
    }
    case 'Condition': {
      if (!top) return yaml.fail(node, `${path} !Condition: not within another !Condition`);
      const keys = fields(yaml, node, `${path} !Condition`, ['files_changed', 'dirs_changed', 'commands']);
      const list = (key: string): string[] =>
        keys.has(key) ? strings(yaml, keys.get(key), `${path} !Condition.${key}`) : [];
      const filesChanged = list('files_changed');
      const dirsChanged = list('dirs_changed');
      if (filesChanged.length + dirsChanged.length === 0) {
        return yaml.fail(node, `${path} !Condition: files_changed or dirs_changed is needed`);
      }
      const inner = commands(yaml, keys.get('commands') ?? null, `${path} !Condition.commands`, false);
      return { kind: 'Condition', line, filesChanged, dirsChanged, commands: inner };
    }
    default:
      if (laterCommands.includes(name)) return yaml.fail(node, `${path} !${name}: not supported yet`);
      return yaml.fail(
        node,
        name === '' ? `${path}: a command begins with a tag such as !Cmd` : `${path} !${name}: unknown command`,
      );
  }
};

/** Octal as in chmod(1): 0644 and 0o644 and "644" are the same. */
const mode = (yaml: YamlText, node: unknown, path: string): number | null => {
  if (node === undefined) return null;
  const source = isScalar(node) ? (node.source ?? String(node.value)) : '';
  const digits = /^(?:0o?)?([0-7]{1,4})$/.exec(source);
  if (digits?.[1] === undefined) return yaml.fail(node, `${path}: not an octal mode`);
  return Number.parseInt(digits[1], 8);
};

/** Every text in which `{{ name }}` is expanded. */
const textsOf = (command: RenderCommand): readonly string[] => {
  switch (command.kind) {
    case 'Cmd':
    case 'Check':
      return command.argv.slice(1);
    case 'Copy':
      return [command.src, command.dest];
    case 'Lithos':
      return [command.sandbox, command.src];
    case 'Condition':
      return [...command.filesChanged, ...command.dirsChanged];
    default:
      return command satisfies never;
  }
};

/** Names that a command may use, beside `files.NAME`. None of them can be chosen by a schedule. */
export const commandNames = ['role', 'node', 'config_dir'] as const;
const placeholder = /\{\{\s*([^{}]*?)\s*\}\}/g;

const checkNames = (render: RenderFile, file: string): void => {
  const names = Object.keys(render.templates);
  const known = new Set<string>([...commandNames, ...names.flatMap((name) => [`files.${name}`, `templates.${name}`])]);
  if (names.length === 1) known.add('tmp_file');
  const check = (list: readonly RenderCommand[]): void => {
    for (const each of list) {
      for (const text of textsOf(each)) {
        for (const [, name = ''] of text.matchAll(placeholder)) {
          if (known.has(name)) continue;
          const hint = `known: ${[...known].join(', ')}`;
          throw new FileError({ file, line: each.line, text: `!${each.kind}: unknown name {{ ${name} }} (${hint})` });
        }
      }
      if (each.kind === 'Condition') check(each.commands);
    }
  };
  check(render.commands);
};

/** Plain text substitution; names were checked when the file was read. */
export const expand = (text: string, names: Readonly<Record<string, string>>): string =>
  text.replace(placeholder, (whole, name: string) => names[name] ?? whole);
