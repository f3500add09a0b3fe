import { encode, Token, Type } from 'cborg';
import { gron } from './gron.ts';
import type { HttpReply } from './route.ts';

/** In what a reply is written (spec cantal 7.1). */
export type Format = 'json' | 'pretty' | 'cbor' | 'gron';

export const contentTypeOf: Readonly<Record<Format, string>> = {
  json: 'application/json',
  pretty: 'application/json',
  cbor: 'application/cbor',
  gron: 'text/plain; charset=utf-8',
};

const formats: readonly Format[] = ['json', 'pretty', 'cbor', 'gron'];

export interface Suffixed {
  readonly path: string;
  /** Null: it ends like a suffix and is none that we know. */
  readonly format: Format | null;
}

/** "/status.cbor" as "/status" in CBOR; null where the last segment has no suffix. */
export function splitSuffix(path: string): Suffixed | null {
  const found = /^(.*[^/])\.([A-Za-z0-9]+)$/.exec(path);
  if (found === null) return null;
  const [, bare = '', suffix = ''] = found;
  return { path: bare, format: formats.find((format) => format === suffix) ?? null };
}

/**
 * What the header Accept (RFC 9110, 12.5.1) would rather have: JSON or CBOR, JSON of equals; null where it takes
 * neither. `.pretty` and `.gron` are had by their suffixes alone.
 */
export function formatAccepted(accept: string): 'json' | 'cbor' | null {
  if (accept.trim() === '') return 'json';
  const json = qualityOf(accept, 'application/json');
  const cbor = qualityOf(accept, 'application/cbor');
  if (json === 0 && cbor === 0) return null;
  return cbor > json ? 'cbor' : 'json';
}

/** The quality of the most specific range that the type falls into; 0 = not wanted. */
function qualityOf(accept: string, type: string): number {
  const [main] = type.split('/');
  const specific = [type, `${main}/*`, '*/*'];
  let best = { rank: specific.length, quality: 0 };
  for (const item of accept.split(',')) {
    const [range = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    const rank = specific.indexOf(range);
    if (rank < 0 || rank >= best.rank) continue;
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = q === undefined ? 1 : Number(q.slice(2));
    best = { rank, quality: quality >= 0 && quality <= 1 ? quality : 0 };
  }
  return best.quality;
}

/** The bytes of a reply of plain data. */
export function written(reply: Extract<HttpReply, { readonly json: unknown }>, format: Format): Buffer | string {
  switch (format) {
    case 'json':
      return JSON.stringify(reply.json) ?? 'null';
    case 'pretty':
      return `${JSON.stringify(plain(reply.json), null, 2) ?? 'null'}\n`;
    case 'gron':
      return gron(plain(reply.json));
    case 'cbor':
      return toCbor(reply.cbor === undefined ? plain(reply.json) : reply.cbor());
    default:
      return format satisfies never;
  }
}

/** As it would travel in JSON: no undefined, nothing that has another form there. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value) ?? 'null');

/**
 * CBOR (RFC 8949) of plain data, bigints and bytes. Maps keep their order. A Float64Array is a list of floats even
 * where they are whole; a NaN in it is null.
 */
export function toCbor(value: unknown): Buffer {
  return Buffer.from(
    encode(value, {
      mapSorter: undefined as never,
      typeEncoders: {
        Float64Array: (floats: Float64Array) => [
          new Token(Type.array, floats.length),
          ...Array.from(floats, (float) =>
            Number.isNaN(float) ? new Token(Type.null, null) : new Token(Type.float, float),
          ),
        ],
      },
    }),
  );
}
