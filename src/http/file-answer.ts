import type { Answer } from './answer.ts';
import type { OpenFile } from './open-file.ts';
import { byteRange, matchesEtag } from './static-files.ts';

/** Values of headers; empty where there is none. */
export interface FileAsked {
  readonly method: string;
  readonly range: string;
  readonly ifRange: string;
  readonly ifNoneMatch: string;
  readonly ifModifiedSince: string;
}

/** A body that is read while it is sent. */
export interface StreamedBody {
  readonly length: number;
  read(at: number, bytes: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** What fits is read at once: a page of a log mostly does. */
export const heldBytes = 1024 * 1024;

/** Answers with a file, or the one range of it that was asked for (RFC 9110, 13 and 14). Closes it, or its body does. */
export async function fileAnswer(file: OpenFile, headers: Answer['headers'], asked: FileAsked): Promise<Answer> {
  const modified = new Date(Math.floor(file.modifiedMs / 1000) * 1000);
  const all: (readonly [string, string])[] = [
    ...headers,
    ['etag', file.etag],
    ['last-modified', modified.toUTCString()],
    ['accept-ranges', 'bytes'],
  ];
  const without = async (status: number, more: Answer['headers'] = []): Promise<Answer> => {
    await file.close();
    return { status, headers: [...all, ...more], body: '' };
  };
  const unchanged =
    asked.ifNoneMatch === ''
      ? // An unreadable date is NaN, and nothing is at least that.
        Date.parse(asked.ifModifiedSince) >= modified.getTime()
      : matchesEtag(asked.ifNoneMatch, file.etag);
  if (unchanged) return without(304);
  if (asked.method === 'HEAD') return { status: 200, headers: all, body: streamed(file, 0, file.size) };
  // A date says too little of a file that grows several times a second.
  const part = asked.ifRange === '' || asked.ifRange === file.etag ? byteRange(asked.range, file.size) : null;
  if (part === 'outside') return without(416, [['content-range', `bytes */${file.size}`]]);
  const first = part?.first ?? 0;
  const length = part === null ? file.size : part.last - part.first + 1;
  const body = streamed(file, first, length);
  if (part !== null) all.push(['content-range', `bytes ${part.first}-${part.last}/${file.size}`]);
  const status = part === null ? 200 : 206;
  if (length > heldBytes) return { status, headers: all, body };
  try {
    const bytes = await body.read(0, length);
    if (bytes.length < length) throw new Error('a file has become shorter while it was read');
    return { status, headers: all, body: bytes };
  } finally {
    await file.close();
  }
}

const streamed = (file: OpenFile, first: number, length: number): StreamedBody => ({
  length,
  read: (at, bytes) => file.read(first + at, Math.min(bytes, length - at)),
  close: () => file.close(),
});
