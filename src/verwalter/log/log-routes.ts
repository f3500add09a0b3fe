import { join } from 'node:path';
import type { OpenFile } from '../../http/open-file.ts';
import { openBelow } from '../../http/open-file.ts';
import { type HttpReply, type HttpRequest, json, problem, type Route } from '../../http/route.ts';
import { roleNamePattern } from '../scheduler/output.ts';
import { externalFiles, foldersIn, type LogFile, logSegments, openSegmentFile } from './log-files.ts';

export interface LogRoutesOptions {
  /** Where indexed-log.ts writes. */
  readonly logDir: string;
  /** Folders of other programs' logs by alias, as sandbox/*.yaml allows them now. */
  readonly logDirs: () => Readonly<Record<string, string>>;
}

/** Logs of this node, their files as they are (spec/verwalter.md 6.2). Whatever is in them, a browser shows text. */
export const logRoutes = ({ logDir, logDirs }: LogRoutesOptions): Route[] => {
  const route = (path: string, summary: string, handle: (request: HttpRequest) => Promise<HttpReply>): Route => ({
    ...{ method: 'GET', path, access: 'read', summary, handle },
  });
  const own = (which: 'index' | 'global' | 'changes', what: string): Route[] => {
    const folder = join(logDir, `.${which}`);
    return [
      route(`/v1/log/${which}`, `files of ${what}, newest first`, async () =>
        listing((await logSegments(folder)) ?? []),
      ),
      route(`/v1/log/${which}/*file`, `a file of ${what}, or "latest"; takes Range`, async ({ params }) =>
        content(openSegmentFile(folder, params.file ?? '')),
      ),
    ];
  };
  const roleFolder = (role: string | undefined): string | null =>
    role !== undefined && roleNamePattern.test(role) ? join(logDir, role) : null;
  const external = (alias: string | undefined): string | null => {
    const folders = logDirs();
    return alias !== undefined && Object.hasOwn(folders, alias) ? (folders[alias] ?? null) : null;
  };
  const unknownAlias = (alias: string | undefined): HttpReply => {
    const known = Object.keys(logDirs()).sort();
    const others = known.length === 0 ? 'none is' : `known: ${known.join(', ')}`;
    return problem(403, `"${alias}" is not among log-dirs of sandbox/*.yaml (${others})`);
  };

  return [
    route('/v1/log', 'roles that have a log on this node, and aliases of other programs’ logs', async () =>
      json({
        roles: (await foldersIn(logDir)).filter((name) => roleNamePattern.test(name)),
        external: Object.keys(logDirs()).sort(),
      }),
    ),
    ...own('index', 'the index of deployments'),
    ...own('global', 'the log of deployments'),
    ...own('changes', 'the log of what the scheduler said has changed'),
    route('/v1/log/role/:role', 'files of a role’s render log, newest first', async ({ params }) => {
      const folder = roleFolder(params.role);
      const files = folder === null ? null : await logSegments(folder);
      return files === null ? problem(404, `the role "${params.role}" has no log on this node`) : listing(files);
    }),
    route('/v1/log/role/:role/*file', 'a file of a role’s render log, or "latest"; takes Range', async ({ params }) => {
      const folder = roleFolder(params.role);
      return content(folder === null ? Promise.resolve(null) : openSegmentFile(folder, params.file ?? ''));
    }),
    route('/v1/log/external/:alias', 'files of another program’s log, newest first', async ({ params }) => {
      const folder = external(params.alias);
      if (folder === null) return unknownAlias(params.alias);
      const files = await externalFiles(folder);
      return files === null ? problem(404, `${folder} (log-dirs: ${params.alias}) cannot be read`) : listing(files);
    }),
    route('/v1/log/external/:alias/*file', 'a file of another program’s log; takes Range', async ({ params }) => {
      const folder = external(params.alias);
      if (folder === null) return unknownAlias(params.alias);
      return content(openBelow(folder, params.file ?? ''));
    }),
  ];
};

const listing = (files: readonly LogFile[]): HttpReply =>
  json({
    files: files.map(({ name, bytes, modifiedMs, current }) => ({ name, bytes, modified: modifiedMs, current })),
  });

const content = async (opening: Promise<OpenFile | null>): Promise<HttpReply> => {
  try {
    const file = await opening;
    if (file === null) return problem(404, 'there is no such log file');
    return { status: 200, file, contentType: 'text/plain; charset=utf-8' };
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    return problem(403, `the agent’s user may not read ${path ?? 'this file'}`);
  }
};
