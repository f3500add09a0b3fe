import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';

type Encoding = 'identity' | 'br' | 'gzip';

interface Variant {
  readonly bytes: Buffer;
  readonly etag: string;
}

export interface StaticFile {
  readonly contentType: string;
  readonly cacheControl: string;
  readonly variants: Readonly<Partial<Record<Encoding, Variant>>> & { readonly identity: Variant };
}

export interface StaticReply {
  readonly status: 200 | 206 | 304 | 416;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export interface StaticFiles {
  /** Null where there is nothing to serve under this path. */
  serve(path: string, asked: StaticAsked): StaticReply | null;
  /** A file of its own is at this path, not only the page. */
  has(path: string): boolean;
}

/** Values of headers; empty where there is none. */
export interface StaticAsked {
  readonly acceptEncoding: string;
  readonly ifNoneMatch: string;
  readonly ifRange: string;
  readonly range: string;
}

export const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
};

/** Only what the page itself brings: no inline script, no foreign frame around it, no request to elsewhere. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "base-uri 'none'",
  "object-src 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const pageHeaders = [
  ['content-security-policy', contentSecurityPolicy],
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-opener-policy', 'same-origin'],
  ['cross-origin-resource-policy', 'same-origin'],
] as const;

/** Names under assets/ carry a hash of the content, so they never change. */
const immutable = 'public, max-age=31536000, immutable';

const compressed: readonly (readonly [suffix: string, encoding: Encoding])[] = [
  ['.br', 'br'],
  ['.gz', 'gzip'],
];

/**
 * Reads a folder once, with the compressed neighbours FILE.br and FILE.gz: a request is then a look-up by name, and no
 * path of a request ever reaches the file system. Unknown paths get index.html, for the page's own routes, except
 * names with an extension: a missing script must not come back as HTML. A folder that is not there serves nothing.
 */
export function staticFiles(folder: string): StaticFiles {
  const files = readFolder(folder);
  const index = files.get('/index.html');

  return {
    has: (path) => path !== '/index.html' && files.has(decoded(path)),
    serve(path, { acceptEncoding, ifNoneMatch, ifRange, range }) {
      const file = files.get(decoded(path)) ?? (extname(path) === '' ? index : undefined);
      if (file === undefined) return null;
      return fileReply(file, { acceptEncoding, ifNoneMatch, ifRange, range });
    },
  };
}

/** A file as its headers ask for it: compressed, unchanged, a part. */
export function fileReply(file: StaticFile, { acceptEncoding, ifNoneMatch, ifRange, range }: StaticAsked): StaticReply {
  const encoding = chooseEncoding(file, acceptEncoding);
  const variant = file.variants[encoding] ?? file.variants.identity;
  const headers: (readonly [string, string])[] = [
    ...pageHeaders,
    ['content-type', file.contentType],
    ['cache-control', file.cacheControl],
    ['etag', variant.etag],
    ['vary', 'accept-encoding'],
    ['accept-ranges', 'bytes'],
  ];
  if (encoding !== 'identity') headers.push(['content-encoding', encoding]);
  if (matchesEtag(ifNoneMatch, variant.etag)) return { status: 304, headers, body: Buffer.alloc(0) };
  const { length } = variant.bytes;
  const part = ifRange === '' || ifRange === variant.etag ? byteRange(range, length) : null;
  if (part === null) return { status: 200, headers, body: variant.bytes };
  if (part === 'outside') {
    return { status: 416, headers: [...headers, ['content-range', `bytes */${length}`]], body: Buffer.alloc(0) };
  }
  headers.push(['content-range', `bytes ${part.first}-${part.last}/${length}`]);
  return { status: 206, headers, body: variant.bytes.subarray(part.first, part.last + 1) };
}

/** RFC 9110, 14.2: one range of bytes; several, or what is none, are answered with the whole (null). */
export function byteRange(
  range: string,
  length: number,
): { readonly first: number; readonly last: number } | 'outside' | null {
  const found = /^bytes=(\d*)-(\d*)$/.exec(range.trim());
  const [, from = '', to = ''] = found ?? [];
  if (from === '' && to === '') return null;
  if (from === '') {
    const wanted = Math.min(Number(to), length);
    return wanted === 0 ? 'outside' : { first: length - wanted, last: length - 1 };
  }
  const first = Number(from);
  const last = to === '' ? length - 1 : Math.min(Number(to), length - 1);
  if (to !== '' && Number(to) < first) return null;
  return first >= length ? 'outside' : { first, last };
}

function readFolder(folder: string): ReadonlyMap<string, StaticFile> {
  const bytes = new Map<string, Buffer>();
  for (const entry of entriesOf(folder)) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    bytes.set(`/${relative(folder, file)}`, readFileSync(file));
  }
  const files = new Map<string, StaticFile>();
  for (const [path, content] of bytes) {
    const contentType = contentTypes[extname(path)];
    if (contentType === undefined) continue;
    const identity = variant(content, '');
    const others = compressed.flatMap(([suffix, encoding]) => {
      const packed = bytes.get(path + suffix);
      return packed === undefined ? [] : [[encoding, variant(packed, suffix)] as const];
    });
    files.set(path, {
      contentType,
      cacheControl: path.startsWith('/assets/') ? immutable : 'no-cache',
      variants: { identity, ...Object.fromEntries(others) },
    });
  }
  return files;
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export function variant(bytes: Buffer, suffix: string): Variant {
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('hex').slice(0, 24)}${suffix}"` };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** RFC 9110, 12.5.3, as far as it matters: a coding that is named and not refused with q=0. */
function chooseEncoding(file: StaticFile, acceptEncoding: string): Encoding {
  const accepted = new Set(
    acceptEncoding.split(',').flatMap((item) => {
      const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
      return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [name];
    }),
  );
  if (file.variants.br !== undefined && accepted.has('br')) return 'br';
  if (file.variants.gzip !== undefined && accepted.has('gzip')) return 'gzip';
  return 'identity';
}

/** RFC 9110, 13.1.2: weak comparison against a list. */
export function matchesEtag(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',').some((item) => item.trim().replace(/^W\//, '') === etag);
}
