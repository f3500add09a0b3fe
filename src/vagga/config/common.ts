import { isSeq } from 'yaml';
import { list, mapping } from '../../config/record.ts';
import {
  absolutePath,
  checked,
  integer,
  invalid,
  matching,
  path,
  type Schema,
  scalar,
  text,
} from '../../config/schema.ts';

/** 2^32 - 1 means "no id" to the kernel (setresuid(2)). */
const greatestId = 2 ** 32 - 2;

export const idNumber = integer({ min: 0, max: greatestId }, 'an id');
export const bytes = integer({ min: 1, max: Number.MAX_SAFE_INTEGER }, 'bytes');

/** Ids from `first` to `last`, both included. */
export interface IdRange {
  readonly first: number;
  readonly last: number;
}

/** `N` or `A-B` (vagga 2.3). */
export const idRanges: Schema<readonly IdRange[]> = list(
  scalar(`an id N or a range A-B from 0 to ${greatestId}`, (value) => {
    const [, from, to = from] = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(value) ?? [];
    if (from === undefined || to === undefined) return null;
    const range = { first: Number(from), last: Number(to) };
    return range.last <= greatestId && range.first <= range.last ? range : null;
  }),
);

export const allIds: readonly IdRange[] = [{ first: 0, last: 65_535 }];

/** Names of containers and commands: they become names of folders and words of a command line. */
export const name = matching(/^[A-Za-z0-9_][\w.-]*$/, 'a name of letters, digits, _, - and .');

export const environment = mapping(matching(/^[^=\0]+$/, 'the name of an environment variable'), text);

export const noEnvironment: ReadonlyMap<string, string> = new Map();

/** Absolute, without `..`; repeated and closing slashes are gone. */
export const plainAbsolutePath: Schema<string> = checked(absolutePath, (value) =>
  value.split('/').includes('..') ? { problem: `${value}: .. is refused` } : { value: normalPath(value) },
);

/** Below some folder: relative, without `..`. */
export const pathBelow: Schema<string> = checked(path, (value) =>
  value.startsWith('/') || value.split('/').includes('..')
    ? { problem: `${value}: expected a relative path without ..` }
    : {
        value: value
          .split('/')
          .filter((part) => part !== '' && part !== '.')
          .join('/'),
      },
);

export function normalPath(value: string): string {
  return `/${value
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;
}

export const texts = list(text);

/** A program with its arguments, or a text for the container's shell. */
export type Run =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'shell'; readonly script: string };

const words = checked(texts, (list) =>
  list.length === 0 ? { problem: 'an empty list; expected a program and its arguments' } : { value: list },
);

export const run: Schema<Run> = {
  expected: 'a text for the shell, or a list of a program and its arguments',
  read(reading, given, key) {
    const node = reading.resolve(given, key);
    if (node === invalid) return invalid;
    if (isSeq(node)) {
      const list = words.read(reading, node, key);
      return list === invalid ? invalid : { kind: 'words', words: list };
    }
    const script = scalar(run.expected, (value) => value).read(reading, node, key);
    return script === invalid ? invalid : { kind: 'shell', script };
  },
};
