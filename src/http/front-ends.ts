import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type StaticFiles, staticFiles } from './static-files.ts';

/** Name of the page that comes with the program. */
export const builtInFrontEnd = 'common';

export interface FrontEndsOptions {
  /** Folder of the page that comes with the program. */
  readonly builtIn: string;
  /** Its folders are front-ends of the site's own; it need not be there. */
  readonly folder: string;
  /** The one at /. */
  readonly defaultName: string;
}

/**
 * Several pages: NAME at `/~NAME/…`, the default one at `/…` too, and what the built-in one is made of at `/common/…` and
 * wherever the default one has no file. All are read once, at the start. Throws where the default one has no page.
 */
export function frontEnds({ builtIn, folder, defaultName }: FrontEndsOptions): StaticFiles {
  const common = staticFiles(builtIn);
  const others = namesIn(folder).map((name) => [name, staticFiles(join(folder, name))] as const);
  const all = new Map<string, StaticFiles>([...others, [builtInFrontEnd, common]]);
  const first = all.get(defaultName);
  if (first === undefined || (first !== common && !existsSync(join(folder, defaultName, 'index.html')))) {
    throw new Error(
      `--default-frontend ${defaultName}: ${join(folder, defaultName)} has no index.html (front-ends here: ${[...all.keys()].sort().join(', ')})`,
    );
  }
  return {
    serve(path, asked) {
      const [, name = '', rest = ''] = /^\/~([^/]+)(\/.*)?$/.exec(path) ?? [];
      if (name !== '') return all.get(name)?.serve(rest === '' ? '/' : rest, asked) ?? null;
      if (path.startsWith('/common/')) return common.serve(path.slice('/common'.length), asked);
      return first.serve(path, asked) ?? common.serve(path, asked);
    },
  };
}

function namesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
}
