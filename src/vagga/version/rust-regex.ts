import { classOf, type Escape, escapeLiteral, escapeOf, wordClass } from './rust-regex-class.ts';

// Regexes of vagga.yaml are written in the syntax of Rust's regex crate. Here they become JavaScript's, which backtracks:
// a pattern such as `(a|a)*$` can take long, as the project's own file could in other ways too. Only whether something
// matches is asked, never where: greediness and capture groups do not matter.

export interface RustRegex {
  matches(text: string): boolean;
  /** True only where every text that begins with this one matches, whatever follows. */
  matchesWhateverFollows(text: string): boolean;
}

export type Compiled =
  | { readonly kind: 'regex'; readonly regex: RustRegex }
  | { readonly kind: 'invalid'; readonly message: string };

interface Flags {
  readonly multiLine: boolean;
  readonly dotAll: boolean;
  readonly extended: boolean;
  readonly ignoreCase: boolean;
}

/** The two programs that are made of one pattern: the second takes no part that looks at what follows. */
interface Emitted {
  readonly full: string;
  readonly prefix: string;
}

class Refused extends Error {}

interface Parser {
  readonly pattern: string;
  at: number;
  depth: number;
}

const deepest = 200;
const never = '(?!)';
const same = (text: string): Emitted => ({ full: text, prefix: text });
const join = (parts: readonly Emitted[], by = ''): Emitted => ({
  full: parts.map(({ full }) => full).join(by),
  prefix: parts.map(({ prefix }) => prefix).join(by),
});
const wrap = (open: string, inner: Emitted, close: string): Emitted => ({
  full: open + inner.full + close,
  prefix: open + inner.prefix + close,
});

export function compileRustRegex(pattern: string): Compiled {
  const parser: Parser = { pattern, at: 0, depth: 0 };
  try {
    const flags = { multiLine: false, dotAll: false, extended: false, ignoreCase: false };
    const [start, ignoreCase] = leadingIgnoreCase(pattern);
    parser.at = start;
    const emitted = alternation(parser, { ...flags, ignoreCase });
    if (parser.at < pattern.length) throw new Refused('a ) too many');
    const options = ignoreCase ? 'vi' : 'v';
    const full = new RegExp(emitted.full, options);
    const prefix = new RegExp(emitted.prefix, options);
    return {
      kind: 'regex',
      regex: { matches: (text) => full.test(text), matchesWhateverFollows: (text) => prefix.test(text) },
    };
  } catch (error) {
    // SyntaxError: what our own reading let through and JavaScript refuses, such as an unknown \p{…}.
    if (!(error instanceof Refused || error instanceof SyntaxError)) throw error;
    const place = error instanceof Refused ? ` at character ${parser.at + 1}` : '';
    return { kind: 'invalid', message: `regex ${JSON.stringify(pattern)}: ${error.message}${place}` };
  }
}

/** `(?i)` is taken at the very start only: Node.js 20 cannot turn it on within a pattern. */
function leadingIgnoreCase(pattern: string): readonly [number, boolean] {
  return pattern.startsWith('(?i)') ? [4, true] : [0, false];
}

function alternation(parser: Parser, given: Flags): Emitted {
  if (++parser.depth > deepest) throw new Refused('nested too deep');
  const branches: Emitted[] = [];
  let flags = given;
  let parts: Emitted[] = [];
  for (;;) {
    skipComments(parser, flags);
    const char = peek(parser);
    if (char === undefined || char === ')') break;
    if (char === '|') {
      parser.at++;
      branches.push(join(parts));
      parts = [];
      continue;
    }
    const change = flagGroup(parser, flags);
    if (change !== null) {
      flags = change;
      continue;
    }
    parts.push(repeated(parser, flags));
  }
  branches.push(join(parts));
  parser.depth--;
  return join(branches, '|');
}

function repeated(parser: Parser, flags: Flags): Emitted {
  let atom = oneAtom(parser, flags);
  for (;;) {
    skipComments(parser, flags);
    const quantifier = /^(?:[*+?]|\{\s*\d+\s*(?:,\s*\d*\s*)?\})/.exec(parser.pattern.slice(parser.at))?.[0];
    if (quantifier === undefined) break;
    parser.at += quantifier.length;
    if (peek(parser) === '?') parser.at++; // lazy
    const [least, most] = quantifier.match(/\d+/g)?.map(Number) ?? [];
    if ((least ?? 0) > 1000 || (most ?? 0) > 1000) throw new Refused('a repetition of more than 1000');
    if (least !== undefined && most !== undefined && most < least) throw new Refused('a repetition from more to less');
    atom = wrap('(?:', atom, `)${quantifier.replaceAll(/\s/g, '')}`);
  }
  if (peek(parser) === '{') throw new Refused('a { that repeats nothing; write \\{');
  return atom;
}

function oneAtom(parser: Parser, flags: Flags): Emitted {
  const char = peek(parser) ?? '';
  switch (char) {
    case '(':
      return group(parser, flags);
    case '[':
      return same(classOf(parser, flags.extended, refuse));
    case '*':
    case '+':
    case '?':
      throw new Refused(`a ${char} that repeats nothing`);
    case '.':
      parser.at++;
      return same(flags.dotAll ? '[^]' : '[^\\n]');
    case '^':
      parser.at++;
      return same(flags.multiLine ? '(?:^|(?<=\\n))' : '^');
    case '$':
      parser.at++;
      return { full: flags.multiLine ? '(?:$|(?=\\n))' : '$', prefix: never };
    case '\\':
      return emitEscape(escapeOf(parser, refuse));
    default:
      parser.at += char.length;
      return same(escapeLiteral(char));
  }
}

function emitEscape(found: Escape): Emitted {
  switch (found.kind) {
    case 'literal':
      return same(escapeLiteral(found.char));
    case 'class':
      return same(found.source);
    case 'start':
      return same('^');
    case 'end':
      return { full: '$', prefix: never };
    case 'boundary': {
      const [word, other] = [`(?<=${wordClass})(?!${wordClass})`, `(?<!${wordClass})(?=${wordClass})`];
      const none = `(?:(?<=${wordClass})(?=${wordClass})|(?<!${wordClass})(?!${wordClass}))`;
      return { full: found.negated ? none : `(?:${word}|${other})`, prefix: never };
    }
    default: {
      const unknown: never = found;
      return unknown;
    }
  }
}

function group(parser: Parser, flags: Flags): Emitted {
  const rest = parser.pattern.slice(parser.at);
  if (/^\(\?<?[=!]/.test(rest)) throw new Refused('look-around, which these regexes do not have');
  let inner = flags;
  const named = /^\(\?P?<[A-Za-z_][\w.[\]]*>/.exec(rest)?.[0];
  const flagged = /^\(\?([a-zA-Z-]*):/.exec(rest);
  if (named !== undefined) parser.at += named.length;
  else if (flagged !== null) {
    inner = changed(flags, flagged[1] ?? '');
    parser.at += flagged[0].length;
  } else if (rest.startsWith('(?')) throw new Refused('an unknown kind of group');
  else parser.at++;
  const content = alternation(parser, inner);
  if (peek(parser) !== ')') throw new Refused('a ( without its )');
  parser.at++;
  return wrap('(?:', content, ')');
}

/** `(?s)` and the like: for the rest of the group. */
function flagGroup(parser: Parser, flags: Flags): Flags | null {
  const match = /^\(\?([a-zA-Z-]+)\)/.exec(parser.pattern.slice(parser.at));
  if (match === null) return null;
  const result = changed(flags, match[1] ?? '');
  parser.at += match[0].length;
  return result;
}

function changed(flags: Flags, letters: string): Flags {
  const result = { ...flags };
  let on = true;
  for (const letter of letters) {
    if (letter === '-') on = false;
    else if (letter === 'm') result.multiLine = on;
    else if (letter === 's') result.dotAll = on;
    else if (letter === 'x') result.extended = on;
    else if (letter === 'U' || (letter === 'u' && on))
      continue; // greediness does not matter; Unicode is on anyway
    else if (letter === 'i' && on !== flags.ignoreCase) {
      throw new Refused('the flag i within a pattern; write (?i) at its start');
    } else if (letter !== 'i') throw new Refused(`the flag ${letter}`);
  }
  return result;
}

function skipComments(parser: Parser, flags: Flags): void {
  if (!flags.extended) return;
  parser.at += /^(?:\s|#[^\n]*)*/.exec(parser.pattern.slice(parser.at))?.[0].length ?? 0;
}

function peek(parser: Parser): string | undefined {
  const code = parser.pattern.codePointAt(parser.at);
  return code === undefined ? undefined : String.fromCodePoint(code);
}

function refuse(message: string): never {
  throw new Refused(message);
}
