// Rules of !Copy, !Depends and !Build: as in a .gitignore, with the sense inverted (vagga 3, Files). A rule without `!`
// takes and starts with `/`; `!` leaves out, from any folder on where it does not start with `/`. With `/` at its end a
// rule is of folders, and of everything in them. Later rules win.

export interface Rule {
  readonly text: string;
  readonly takes: boolean;
  /** Sources of regexes over paths such as `a/b`: which files and which folders the rule is about. */
  readonly file: string;
  /** null: no folder. One that was merely named brings nothing; what is in it brings it along. */
  readonly folder: string | null;
  /** Of folders below which the rule may be about something; only of rules that take. */
  readonly mayBegin: string;
}

export type ParsedRule =
  | { readonly kind: 'rule'; readonly rule: Rule }
  | { readonly kind: 'invalid'; readonly message: string };

export const defaultRules: readonly string[] = [
  '!.git/',
  '!.hg/',
  '!.svn/',
  '!.vagga/',
  '!*.bak',
  '!*.orig',
  '!*~',
  '!#*#',
  '!.#*',
];

export function parseRule(text: string): ParsedRule {
  const invalid = (what: string): ParsedRule => ({ kind: 'invalid', message: `rule ${JSON.stringify(text)}: ${what}` });
  const takes = !text.startsWith('!');
  const pattern = takes ? text : text.slice(1);
  const anchored = pattern.startsWith('/');
  if (pattern === '') return invalid('empty');
  if (takes && !anchored) return invalid('a rule that takes files starts with /, as /src/');
  const folders = pattern.endsWith('/') && !endsEscaped(pattern.slice(0, -1));
  const words = splitParts(pattern).filter((part) => part !== '');
  if (words.some((word) => word === '.' || word === '..')) return invalid('. and .. are no parts of it');
  // null stands for `**`: any number of parts, none included.
  const parts: (string | null)[] = anchored ? [] : [null];
  for (const word of words) {
    const part = word === '**' ? null : partSource(Array.from(word));
    if (part === undefined) return invalid('a \\ at the end of a part');
    if (part !== null || parts.length === 0 || parts.at(-1) !== null) parts.push(part);
  }
  // `**` at the end is all that is in a folder, not the folder.
  if (parts.at(-1) === null) parts.push('[^/]+');
  return { kind: 'rule', rule: { text, takes, ...sources(parts, takes, folders) } };
}

function sources(parts: readonly (string | null)[], takes: boolean, folders: boolean): Omit<Rule, 'text' | 'takes'> {
  const whole = parts
    .map((part, at) => (part === null ? '(?:[^/]+/)*' : part + (at < parts.length - 1 ? '/' : '')))
    .join('');
  const itselfAndBelow = parts.length === 0 ? '^' : `^${whole}(?:/|$)`;
  const below = parts.length === 0 ? '^' : `^${whole}/`;
  const mayBegin = folders ? `(?:${itselfAndBelow}|${beginning(parts)})` : beginning(parts);
  if (folders) return { file: below, folder: itselfAndBelow, mayBegin };
  if (takes) return { file: `^${whole}$`, folder: null, mayBegin };
  return { file: itselfAndBelow, folder: itselfAndBelow, mayBegin };
}

/** Folders that are a beginning of what the parts match, and not all of it. */
function beginning(parts: readonly (string | null)[]): string {
  const open = parts.indexOf(null);
  if (open === 0) return '^';
  const fixed = parts.slice(0, open < 0 ? Math.max(parts.length - 1, 0) : open);
  const nested = fixed.reduceRight<string>(
    (rest, part, at) => `(?:${at === 0 ? '' : '/'}${part}${rest})?`,
    open < 0 ? '' : '(?:/.*)?',
  );
  return fixed.length === 0 ? '^$' : `^${nested}$`;
}

function endsEscaped(text: string): boolean {
  return (/\\*$/.exec(text)?.[0].length ?? 0) % 2 === 1;
}

function splitParts(pattern: string): readonly string[] {
  const parts: string[] = [''];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? '';
    if (char === '\\') parts.push(`${parts.pop()}${char}${pattern[++at] ?? ''}`);
    else if (char === '/') parts.push('');
    else parts.push(`${parts.pop()}${char}`);
  }
  return parts;
}

/** undefined: no pattern. */
function partSource(word: readonly string[]): string | undefined {
  let source = '';
  for (let at = 0; at < word.length; at++) {
    const char = word[at] ?? '';
    if (char === '*') {
      if (word[at - 1] !== '*') source += '[^/]*';
    } else if (char === '?') source += '[^/]';
    else if (char === '\\') {
      const next = word[++at];
      if (next === undefined) return undefined;
      source += literal(next);
    } else if (char === '[') {
      const set = characterSet(word, at);
      source += set?.source ?? literal(char);
      at = set?.end ?? at;
    } else source += literal(char);
  }
  return source;
}

/** `[a-z]`, `[!a-z]`; without its `]` the `[` is itself, as in gitignore(5). */
function characterSet(
  word: readonly string[],
  start: number,
): { readonly source: string; readonly end: number } | null {
  let at = start + 1;
  const negated = word[at] === '!' || word[at] === '^';
  if (negated) at++;
  const items: { readonly char: string; readonly dash: boolean }[] = [];
  for (; word[at] !== ']' || items.length === 0; at++) {
    const escaped = word[at] === '\\';
    const char = escaped ? word[++at] : word[at];
    if (char === undefined) return null;
    items.push({ char, dash: char === '-' && !escaped });
  }
  let ranges = '';
  for (let index = 0; index < items.length; index++) {
    const from = items[index]?.char ?? '';
    const to = items[index + 1]?.dash === true ? items[index + 2]?.char : undefined;
    if (to === undefined) ranges += code(from);
    else {
      if (codeOf(from) <= codeOf(to)) ranges += `${code(from)}-${code(to)}`;
      index += 2;
    }
  }
  if (ranges === '') return { source: negated ? '[^/]' : '(?!)', end: at };
  return { source: `(?!/)[${negated ? '^' : ''}${ranges}]`, end: at };
}

const codeOf = (char: string): number => char.codePointAt(0) ?? 0;
const code = (char: string): string => `\\u{${codeOf(char).toString(16)}}`;
const literal = (char: string): string => (/^\w$/.test(char) ? char : code(char));
