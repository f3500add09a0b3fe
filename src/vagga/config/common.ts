import { isSeq } from 'yaml';
import type { NumberRange } from '../../config/ids.ts';
import { list, mapping } from '../../config/record.ts';
import { checked, integer, invalid, matching, path, type Schema, scalar, text } from '../../config/schema.ts';

export const bytes = integer({ min: 1, max: Number.MAX_SAFE_INTEGER }, 'bytes');

export const allIds: readonly NumberRange[] = [{ first: 0, last: 65_535 }];

/** Names of containers and commands: they become names of folders and words of a command line. */
export const name = matching(/^[A-Za-z0-9_][\w.-]*$/, 'a name of letters, digits, _, - and .');

export const environment = mapping(matching(/^[^=\0]+$/, 'the name of an environment variable'), text);

export const noEnvironment: ReadonlyMap<string, string> = new Map();

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
  shape: { kind: 'either', of: [text, words] },
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
