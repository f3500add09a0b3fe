import { docopt } from 'docopt';

/** What a command line says to a command that describes its options (vagga 2.8). */
export type ParsedOptions =
  | { readonly kind: 'options'; readonly environ: ReadonlyMap<string, string> }
  | { readonly kind: 'help'; readonly text: string }
  /** Exit code 121. */
  | { readonly kind: 'refused'; readonly message: string };

type Value = string | number | boolean | null | readonly string[];

/** Built-in options stand after what the user wrote; a usage needs `[options]` for them to work. */
export function optionsText(
  command: { readonly name: string; readonly description: string | null; readonly options: string },
  supervise: boolean,
): string {
  const head = command.description?.trim() ?? `vagga ${command.name}`;
  const builtIn = [
    'Built-in options:',
    '  -h, --help             Show this help',
    ...(supervise
      ? [
          '  --only <names>...      Only the processes and tags with these names',
          '  --exclude <names>...   All but those with these names',
        ]
      : []),
  ];
  return `${head}\n\n${command.options.trimEnd()}\n\n${builtIn.join('\n')}\n`;
}

/** Reads `args` by the docopt text of a command called `name`. */
export function parseOptions(name: string, doc: string, args: readonly string[]): ParsedOptions {
  const end = args.indexOf('--');
  const before = end === -1 ? args : args.slice(0, end);
  if (before.some((arg) => arg === '--help' || arg === '-h')) return { kind: 'help', text: doc };
  let values: Readonly<Record<string, Value>>;
  try {
    // The usage says `vagga NAME`: of docopt's words, `vagga` is the program and NAME a command of it.
    values = docopt(doc, { argv: [name, ...args], help: false, exit: false }) as Readonly<Record<string, Value>>;
  } catch (error) {
    const usage = error instanceof Error ? error.message : String(error);
    const unknown = before.find((arg) => /^--?[A-Za-z]/.test(arg) && !doc.includes(arg.split('=', 1)[0] ?? arg));
    return { kind: 'refused', message: unknown === undefined ? usage : `Unknown flag: '${unknown}'\n\n${usage}` };
  }
  const environ = new Map<string, string>();
  for (const [key, value] of Object.entries(values)) {
    const word = key.replace(/^-+|^<|>$/g, '');
    if (key === name && value === true) continue;
    const suffix = word.toUpperCase().replaceAll('-', '_');
    environ.set(`VAGGAOPT_${suffix}`, raw(value));
    environ.set(`VAGGACLI_${suffix}`, again(key, value));
  }
  return { kind: 'options', environ };
}

/** For programs: `true` or nothing, a count, a value, values with blanks between. */
function raw(value: Value): string {
  if (value === null || value === false || value === 0) return '';
  return Array.isArray(value) ? value.join(' ') : String(value);
}

/** As it would be written on a command line again. */
function again(key: string, value: Value): string {
  const isFlag = key.startsWith('-');
  if (value === null || value === false || value === 0) return '';
  if (value === true) return isFlag ? key : shellQuoted(key);
  if (typeof value === 'number') {
    if (!isFlag) return Array<string>(value).fill(shellQuoted(key)).join(' ');
    return key.startsWith('--') ? Array<string>(value).fill(key).join(' ') : `-${key.slice(1).repeat(value)}`;
  }
  const words = typeof value === 'string' ? [value] : value;
  if (words.length === 0) return '';
  return [...(isFlag ? [key] : []), ...words.map(shellQuoted)].join(' ');
}

/** A word that any POSIX shell reads as it is. */
export function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
