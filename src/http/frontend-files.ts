import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import {
  contentTypes,
  fileReply,
  type StaticAsked,
  type StaticFiles,
  type StaticReply,
  staticFiles,
  variant,
} from './static-files.ts';

export interface FrontendOptions {
  /** Folder of the UI that comes with Stellwerk. */
  readonly builtIn: string;
  /** Folder of the operator's own front-ends, one in each folder; read at each request. */
  readonly folder: string;
  /** Whose page answers paths that nothing else is at: a name in `folder`, or `builtInName`. */
  readonly defaultName: string;
}

export const builtInName = 'common';
/** Folders of a front-end whose files are served; everything else of it is its page. */
const kinds: ReadonlySet<string> = new Set(['js', 'css', 'fonts', 'img', 'files']);
/** A name that no path can be made of: no separator, no leading dot. */
const segmentPattern = /^[A-Za-z0-9_][\w.@-]*$/;
const mostBytes = 16 * 1024 * 1024;

/**
 * Front-ends beside the built-in one (spec verwalter 6.2): `/~NAME/(js|css|fonts|img|files)/…` is that file of NAME, any
 * other `/~NAME/…` its index.html, `/common/…` the built-in one. No link leads out of a front-end's folder.
 * Throws where the default one has no page.
 */
export function frontendFiles({ builtIn, folder, defaultName }: FrontendOptions): StaticFiles {
  const common = staticFiles(builtIn);
  if (
    defaultName !== builtInName &&
    (!segmentPattern.test(defaultName) || readBelow(join(folder, defaultName), ['index.html']) === null)
  ) {
    throw new Error(`--default-frontend ${defaultName}: ${join(folder, defaultName)} has no index.html`);
  }

  const own = (name: string, parts: readonly string[], asked: StaticAsked): StaticReply | null => {
    if (!segmentPattern.test(name)) return null;
    const [kind = ''] = parts;
    const wanted = kinds.has(kind) ? parts : ['index.html'];
    if (!wanted.every((part) => segmentPattern.test(part))) return null;
    const bytes = readBelow(join(folder, name), wanted);
    const contentType = contentTypes[extname(wanted.at(-1) ?? '')] ?? 'application/octet-stream';
    if (bytes === null) return null;
    const file = { contentType, cacheControl: 'no-cache', variants: { identity: variant(bytes, '') } };
    return fileReply(file, asked);
  };

  return {
    serve(path, asked) {
      const segments = path.slice(1).split('/').map(decoded);
      const [first = '', ...rest] = segments;
      if (first === null || rest.includes(null)) return null;
      const parts = rest as readonly string[];
      if (first === `~${builtInName}` || first === builtInName) return common.serve(`/${parts.join('/')}`, asked);
      if (first?.startsWith('~')) return own(first.slice(1), parts, asked);
      if (defaultName === builtInName || common.has(path)) return common.serve(path, asked);
      return extname(path) === '' ? own(defaultName, [], asked) : null;
    },
    has: (path) => common.has(path),
  };
}

function decoded(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** Null where there is no such file, or where it lies elsewhere than its path says. */
function readBelow(root: string, parts: readonly string[]): Buffer | null {
  try {
    const real = realpathSync(root);
    const file = realpathSync(join(real, ...parts));
    if (!file.startsWith(real + sep)) return null;
    // Not blocking: a pipe in the folder has nobody at its other end.
    const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      return stat.isFile() && stat.size <= mostBytes ? readFileSync(fd) : null;
    } finally {
      closeSync(fd);
    }
  } catch {
    return null;
  }
}
