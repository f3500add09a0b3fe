// Escapes and classes of Rust's regex syntax as JavaScript's, with its flag v.

interface Place {
  readonly pattern: string;
  at: number;
}
type Refuse = (message: string) => never;

export type Escape =
  | { readonly kind: 'literal'; readonly char: string }
  | { readonly kind: 'class'; readonly source: string }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'boundary'; readonly negated: boolean };

/** UTS 18, Annex C: what \w is with Unicode. */
export const wordClass = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]';

const perlClasses: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  s: '\\p{White_Space}',
  S: '\\P{White_Space}',
  w: wordClass,
  W: wordClass.replace('[', '[^'),
};

const controls: Readonly<Record<string, string>> = { a: '\x07', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

const asciiClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\u{0}-\\u{7F}',
  blank: '\\t\\u{20}',
  cntrl: '\\u{0}-\\u{1F}\\u{7F}',
  digit: '0-9',
  graph: '\\u{21}-\\u{7E}',
  lower: 'a-z',
  print: '\\u{20}-\\u{7E}',
  punct: '\\u{21}-\\u{2F}\\u{3A}-\\u{40}\\u{5B}-\\u{60}\\u{7B}-\\u{7E}',
  space: '\\t-\\r\\u{20}',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

export const escapeLiteral = (char: string): string =>
  /^[A-Za-z0-9_]$/.test(char) ? char : `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;

/** At a backslash. */
export function escapeOf(place: Place, refuse: Refuse): Escape {
  const rest = place.pattern.slice(place.at + 1);
  const char = String.fromCodePoint(rest.codePointAt(0) ?? refuse('a \\ at the end'));
  const take = (length: number): void => {
    place.at += 1 + length;
  };
  const hex =
    /^(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]+)\}|u([0-9A-Fa-f]{4})|U\{([0-9A-Fa-f]+)\}|U([0-9A-Fa-f]{8}))/;
  const number = hex.exec(rest);
  if (number !== null) {
    const code = Number.parseInt(number.slice(1).find((digits) => digits !== undefined) ?? '', 16);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) refuse('a number that is no character');
    take(number[0].length);
    return { kind: 'literal', char: String.fromCodePoint(code) };
  }
  const property = /^([pP])(?:\{(\^?)([^}]*)\}|([A-Za-z]))/.exec(rest);
  if (property !== null) {
    take(property[0].length);
    const negated = (property[1] === 'P') !== (property[2] === '^');
    return { kind: 'class', source: propertyOf(property[3] ?? property[4] ?? '', negated, refuse) };
  }
  const perl = Object.hasOwn(perlClasses, char) ? perlClasses[char] : undefined;
  const control = Object.hasOwn(controls, char) ? controls[char] : undefined;
  take(char.length);
  if (perl !== undefined) return { kind: 'class', source: perl };
  if (control !== undefined) return { kind: 'literal', char: control };
  if (char === 'A') return { kind: 'start' };
  if (char === 'z') return { kind: 'end' };
  if (char === 'b' && rest[1] === '{') refuse('\\b{…}');
  if (char === 'b' || char === 'B') return { kind: 'boundary', negated: char === 'B' };
  if (/\d/.test(char)) refuse('a reference to a group, which these regexes do not have');
  if (/[A-Za-z<>]/.test(char)) refuse(`\\${char}`);
  return { kind: 'literal', char };
}

function propertyOf(name: string, negated: boolean, refuse: Refuse): string {
  const letter = negated ? 'P' : 'p';
  const [key, value] = name.split(/[=:]/);
  const tries =
    value === undefined ? [name, `Script=${name}`, `Script=${capital(name)}`, capital(name)] : [`${key}=${value}`];
  for (const each of tries) {
    const source = `\\${letter}{${each}}`;
    try {
      new RegExp(source, 'v');
      return source;
    } catch {
      // the next way to say it
    }
  }
  return refuse(`the property ${JSON.stringify(name)}`);
}

const capital = (name: string): string => name.slice(0, 1).toUpperCase() + name.slice(1).toLowerCase();

/** At a `[`: up to and with its `]`. */
export function classOf(place: Place, extended: boolean, refuse: Refuse, depth = 0): string {
  if (depth > 50) refuse('classes nested too deep');
  place.at++;
  const negated = skip(place, '^');
  let left: string | null = null;
  let operator = '';
  let items = '';
  // A `]` (after any `-`) right at the start is itself.
  const leading = /^-*\]?/.exec(place.pattern.slice(place.at))?.[0] ?? '';
  const closesAtOnce = leading.endsWith(']') && leading.length > 1;
  const literal = closesAtOnce ? leading.slice(0, -1) : leading;
  for (const char of literal) items += escapeLiteral(char);
  place.at += literal.length;
  for (;;) {
    const rest = place.pattern.slice(place.at);
    if (rest === '') refuse('a [ without its ]');
    if (rest[0] === ']') {
      place.at++;
      const inner = combine(left, operator, items);
      return negated ? `[^${inner}]` : `[${inner}]`;
    }
    const named = /^\[:(\^?)([a-z]+):\]/.exec(rest);
    const found = /^(?:&&|--|~~)/.exec(rest)?.[0];
    if (found !== undefined) {
      left = combine(left, operator, items);
      operator = found;
      items = '';
      place.at += 2;
    } else if (named !== null) {
      const ranges = Object.hasOwn(asciiClasses, named[2] ?? '') ? asciiClasses[named[2] ?? ''] : undefined;
      if (ranges === undefined) refuse(`the class [:${named[2]}:]`);
      items += `[${named[1]}${ranges}]`;
      place.at += named[0].length;
    } else if (rest[0] === '[') items += classOf(place, extended, refuse, depth + 1);
    else if (extended && /^\s/.test(rest)) place.at++;
    else items += range(place, refuse);
  }
}

function combine(left: string | null, operator: string, items: string): string {
  if (left === null) return items;
  const [a, b] = [`[${left}]`, `[${items}]`];
  if (operator === '~~') return `[${a}--${b}][${b}--${a}]`;
  return `[${a}${operator}${b}]`;
}

function range(place: Place, refuse: Refuse): string {
  const from = member(place, refuse);
  const next = place.pattern.slice(place.at, place.at + 2);
  if (next[0] !== '-' || next[1] === ']' || next[1] === '-' || next[1] === undefined) {
    return from.kind === 'class' ? from.source : escapeLiteral(from.char);
  }
  place.at++;
  const to = member(place, refuse);
  if (from.kind === 'class' || to.kind === 'class') return refuse('a range of classes');
  if ((from.char.codePointAt(0) ?? 0) > (to.char.codePointAt(0) ?? 0)) refuse('a range from more to less');
  return `${escapeLiteral(from.char)}-${escapeLiteral(to.char)}`;
}

function member(place: Place, refuse: Refuse): Extract<Escape, { kind: 'literal' | 'class' }> {
  const char = String.fromCodePoint(place.pattern.codePointAt(place.at) ?? refuse('a [ without its ]'));
  if (char !== '\\') {
    place.at += char.length;
    return { kind: 'literal', char };
  }
  const found = escapeOf(place, refuse);
  return found.kind === 'literal' || found.kind === 'class' ? found : refuse('an anchor in a class');
}

function skip(place: Place, char: string): boolean {
  if (place.pattern[place.at] !== char) return false;
  place.at++;
  return true;
}
