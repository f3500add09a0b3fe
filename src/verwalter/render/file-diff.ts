import { isUtf8 } from 'node:buffer';
import { createTwoFilesPatch } from 'diff';

/** What a person reads; of more, the beginning is told. */
const mostTextBytes = 256 * 1024;
const mostDiffBytes = 64 * 1024;
/** Two texts that have nothing in common take long to compare. */
const longestMs = 500;

/** How a file changed, as diff -u says it; of what is no text, or too much of it, only the sizes. */
export const fileDiff = (path: string, old: Buffer | null, bytes: Buffer): string => {
  const sizes = `${path}: ${old === null ? 'new' : `${old.length} bytes before`}, ${bytes.length} bytes now`;
  const before = old ?? Buffer.alloc(0);
  if (![before, bytes].every((text) => text.length <= mostTextBytes && isUtf8(text) && !text.includes(0))) return sizes;
  const patch = createTwoFilesPatch(path, path, before.toString(), bytes.toString(), '', '', { timeout: longestMs });
  if (patch === undefined) return sizes;
  const body = patch.slice(patch.indexOf('\n--- ') + 1);
  return body.length <= mostDiffBytes ? body.trimEnd() : `${body.slice(0, mostDiffBytes)}\n… (${sizes})`;
};
