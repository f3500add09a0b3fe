/**
 * Regular expressions in linear time (Thompson's simulation: all ways at once, no going back), because patterns come
 * from the network and the event loop runs them. Syntax as in JavaScript with the flag `u`, without what needs going
 * back: no back-references, no look-around. Matching is unanchored.
 */
export type Regex = (text: string) => boolean;

export type RegexResult =
  | { readonly kind: 'regex'; readonly test: Regex }
  | { readonly kind: 'bad'; readonly reason: string };

/** Long enough for a list of some fifty names. */
export const mostPatternLength = 500;
/** A counted repetition is written out: this bounds what a step over one character costs. */
const mostInstructions = 2_000;
const mostRepetitions = 1_000;

type Range = readonly [from: number, to: number];

interface CharSet {
  readonly ranges: readonly Range[];
  readonly negated: boolean;
}

type Assertion = 'start' | 'end' | 'wordBoundary' | 'noWordBoundary';

type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number };

type Instruction =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'assert'; readonly assertion: Assertion }
  | { kind: 'split'; first: number; second: number }
  | { kind: 'jump'; to: number }
  | { readonly kind: 'match' };

class Bad extends Error {}

export function compileRegex(pattern: string): RegexResult {
  if (pattern.length > mostPatternLength) return { kind: 'bad', reason: `longer than ${mostPatternLength} characters` };
  if (!/[\\^$.*+?()[\]{}|]/.test(pattern)) return { kind: 'regex', test: (text) => text.includes(pattern) };
  try {
    const program = compile(parse(pattern));
    return { kind: 'regex', test: (text) => run(program, text) };
  } catch (error) {
    if (error instanceof Bad) return { kind: 'bad', reason: error.message };
    throw error;
  }
}

const digits: readonly Range[] = [[0x30, 0x39]];
const word: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
/** ECMA-262: WhiteSpace and LineTerminator. */
const space: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const lineEnds: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

function parse(pattern: string): Node {
  const chars = [...pattern];
  let at = 0;
  const peek = () => chars[at];
  const eat = (char: string): boolean => {
    if (chars[at] !== char) return false;
    at += 1;
    return true;
  };
  const fail = (reason: string): never => {
    throw new Bad(`${reason} at character ${at + 1}`);
  };

  const alternatives = (): Node => {
    const parts = [sequence()];
    while (eat('|')) parts.push(sequence());
    return parts.length === 1 ? (parts[0] ?? { kind: 'empty' }) : { kind: 'any', parts };
  };

  const sequence = (): Node => {
    const parts: Node[] = [];
    while (at < chars.length && peek() !== '|' && peek() !== ')') parts.push(repeated());
    return { kind: 'all', parts };
  };

  const repeated = (): Node => {
    const node = atom();
    const times = quantifier();
    if (times === null) return node;
    if (node.kind === 'assert') fail('nothing to repeat');
    // Lazy or greedy: the same texts match.
    eat('?');
    return { kind: 'repeat', node, ...times };
  };

  const quantifier = (): { min: number; max: number } | null => {
    if (eat('*')) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (eat('+')) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (eat('?')) return { min: 0, max: 1 };
    if (!eat('{')) return null;
    const min = number() ?? fail('a number is missing');
    let max = min;
    if (eat(',')) max = number() ?? Number.POSITIVE_INFINITY;
    if (!eat('}')) fail('"}" is missing');
    if (max < min) fail('a repetition with its limits swapped');
    if (min > mostRepetitions || (Number.isFinite(max) && max > mostRepetitions)) {
      fail(`more than ${mostRepetitions} repetitions`);
    }
    return { min, max };
  };

  const number = (): number | null => {
    let text = '';
    while (/^\d$/.test(peek() ?? '')) text += chars[at++];
    return text === '' ? null : Number(text);
  };

  const atom = (): Node => {
    const char = chars[at++] ?? fail('the end of the pattern');
    switch (char) {
      case '(': {
        if (eat('?') && !eat(':')) fail('look-around and named groups are not supported, only (?:');
        const inner = alternatives();
        if (!eat(')')) fail('")" is missing');
        return inner;
      }
      case '[':
        return { kind: 'set', set: charClass() };
      case '.':
        return { kind: 'set', set: { ranges: lineEnds, negated: true } };
      case '^':
        return { kind: 'assert', assertion: 'start' };
      case '$':
        return { kind: 'assert', assertion: 'end' };
      case '\\':
        if (eat('b')) return { kind: 'assert', assertion: 'wordBoundary' };
        if (eat('B')) return { kind: 'assert', assertion: 'noWordBoundary' };
        return { kind: 'set', set: escaped() };
      case '*':
      case '+':
      case '?':
      case '{':
        return fail('nothing to repeat');
      case ']':
      case '}':
        return fail(`"${char}" must be written "\\${char}"`);
      default:
        return { kind: 'set', set: single(char) };
    }
  };

  const escaped = (): CharSet => {
    const char = chars[at++] ?? fail('"\\" at the end');
    switch (char) {
      case 'd':
      case 'D':
        return { ranges: digits, negated: char === 'D' };
      case 'w':
      case 'W':
        return { ranges: word, negated: char === 'W' };
      case 's':
      case 'S':
        return { ranges: space, negated: char === 'S' };
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      default: {
        const control = controls[char];
        if (char === '0' && /^\d$/.test(peek() ?? '')) fail('octal numbers are not supported');
        if (control !== undefined) return { ranges: [[control, control]], negated: false };
        if (/^[1-9]$/.test(char)) fail('back-references are not supported');
        if (!/^[\^$\\.*+?()[\]{}|/-]$/.test(char)) fail(`"\\${char}" is not known`);
        return single(char);
      }
    }
  };

  const hex = (length: number): CharSet => {
    const text = chars.slice(at, at + length).join('');
    if (text.length !== length || !/^[0-9a-f]+$/i.test(text)) fail(`${length} hex digits are missing`);
    at += length;
    const code = Number.parseInt(text, 16);
    return { ranges: [[code, code]], negated: false };
  };

  const charClass = (): CharSet => {
    const negated = eat('^');
    const ranges: Range[] = [];
    while (!eat(']')) {
      if (at >= chars.length) fail('"]" is missing');
      const first = member();
      const from = onlyCode(first);
      if (peek() !== '-' || chars[at + 1] === ']' || chars[at + 1] === undefined) {
        ranges.push(...plain(first));
        continue;
      }
      at += 1;
      const to = onlyCode(member());
      if (from === null || to === null || to < from) fail('a bad range');
      else ranges.push([from, to]);
    }
    return { ranges, negated };
  };

  const member = (): CharSet => {
    const char = chars[at++] ?? fail('"]" is missing');
    return char === '\\' ? escaped() : single(char);
  };

  const whole = alternatives();
  if (at < chars.length) fail('")" without "("');
  return whole;
}

function single(char: string): CharSet {
  const code = char.codePointAt(0) ?? 0;
  return { ranges: [[code, code]], negated: false };
}

function onlyCode({ ranges, negated }: CharSet): number | null {
  const [first] = ranges;
  return !negated && ranges.length === 1 && first !== undefined && first[0] === first[1] ? first[0] : null;
}

/** Inside brackets a negated set becomes the ranges between its own. */
function plain({ ranges, negated }: CharSet): readonly Range[] {
  if (!negated) return ranges;
  const others: Range[] = [];
  let next = 0;
  for (const [from, to] of ranges) {
    if (from > next) others.push([next, from - 1]);
    next = to + 1;
  }
  others.push([next, 0x10ffff]);
  return others;
}

function compile(root: Node): readonly Instruction[] {
  const program: Instruction[] = [];
  let steps = 0;
  const emit = <T extends Instruction>(instruction: T): T => {
    program.push(instruction);
    return instruction;
  };

  const write = (node: Node): void => {
    // Empty parts repeated many times emit nothing, but cost time here.
    steps += 1;
    if (steps > 4 * mostInstructions || program.length > mostInstructions) throw new Bad('too large when written out');
    switch (node.kind) {
      case 'empty':
        return;
      case 'set':
      case 'assert':
        emit(node);
        return;
      case 'all':
        for (const part of node.parts) write(part);
        return;
      case 'any': {
        const exits = node.parts.map((part, index) => {
          if (index === node.parts.length - 1) {
            write(part);
            return null;
          }
          const split = emit({ kind: 'split', first: program.length + 1, second: 0 });
          write(part);
          const exit = emit({ kind: 'jump', to: 0 });
          split.second = program.length;
          return exit;
        });
        for (const exit of exits) if (exit !== null) exit.to = program.length;
        return;
      }
      case 'repeat': {
        for (let n = 0; n < node.min; n++) write(node.node);
        if (Number.isFinite(node.max)) {
          const splits: { second: number }[] = [];
          for (let n = node.min; n < node.max; n++) {
            splits.push(emit({ kind: 'split', first: program.length + 1, second: 0 }));
            write(node.node);
          }
          for (const split of splits) split.second = program.length;
          return;
        }
        const start = program.length;
        const split = emit({ kind: 'split', first: start + 1, second: 0 });
        write(node.node);
        emit({ kind: 'jump', to: start });
        split.second = program.length;
        return;
      }
      default:
        node satisfies never;
    }
  };

  write(root);
  emit({ kind: 'match' });
  return program;
}

function run(program: readonly Instruction[], text: string): boolean {
  const codes = Array.from(text, (char) => char.codePointAt(0) ?? 0);
  /** Position + 1 at which an instruction was last reached: a set that needs no clearing. */
  const reached = new Uint32Array(program.length);
  const pending: number[] = [];
  let current: number[] = [];
  let next: number[] = [];

  /** Follows everything that takes no character; true where that ends in a match. */
  const follow = (from: number, position: number, into: number[]): boolean => {
    pending.push(from);
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      if (reached[index] === position + 1) continue;
      reached[index] = position + 1;
      const instruction = program[index];
      if (instruction === undefined) continue;
      switch (instruction.kind) {
        case 'match':
          pending.length = 0;
          return true;
        case 'jump':
          pending.push(instruction.to);
          break;
        case 'split':
          pending.push(instruction.second, instruction.first);
          break;
        case 'assert':
          if (holds(instruction.assertion, codes, position)) pending.push(index + 1);
          break;
        case 'set':
          into.push(index);
          break;
        default:
          instruction satisfies never;
      }
    }
    return false;
  };

  for (let position = 0; position <= codes.length; position++) {
    // Unanchored: a match may start here, too.
    if (follow(0, position, current)) return true;
    const code = codes[position];
    if (code === undefined) return false;
    for (const index of current) {
      const instruction = program[index];
      if (instruction?.kind !== 'set' || !contains(instruction.set, code)) continue;
      if (follow(index + 1, position + 1, next)) return true;
    }
    [current, next] = [next, current];
    next.length = 0;
  }
  return false;
}

function contains({ ranges, negated }: CharSet, code: number): boolean {
  return ranges.some(([from, to]) => code >= from && code <= to) !== negated;
}

function holds(assertion: Assertion, codes: readonly number[], position: number): boolean {
  switch (assertion) {
    case 'start':
      return position === 0;
    case 'end':
      return position === codes.length;
    case 'wordBoundary':
      return isWord(codes[position - 1]) !== isWord(codes[position]);
    case 'noWordBoundary':
      return isWord(codes[position - 1]) === isWord(codes[position]);
    default:
      return assertion satisfies never;
  }
}

function isWord(code: number | undefined): boolean {
  return code !== undefined && contains({ ranges: word, negated: false }, code);
}
