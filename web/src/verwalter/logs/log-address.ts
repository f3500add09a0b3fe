/** Which log of this node: its path below /v1/log, as "role/web" or "external/nginx". */
export type LogPath = 'index' | 'global' | 'changes' | `role/${string}` | `external/${string}`;

/** Where a piece of a log begins. */
export interface LogPlace {
  readonly log: LogPath;
  /** Name of the file, or "latest". */
  readonly file: string;
  /** Bytes. */
  readonly offset: number;
}

/** A place to look from; "end": the file's last piece. */
export interface LogView extends Omit<LogPlace, 'offset'> {
  readonly offset: number | 'end';
}

/** Null: no path of a log. An alias has one segment, a file below it may have more. */
export function readLogPath(text: string): LogPath | null {
  if (text === 'index' || text === 'global' || text === 'changes') return text;
  return /^(role|external)\/[^/]+$/.test(text) ? (text as LogPath) : null;
}

const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Of the list of its files. */
export const listUrl = (log: LogPath): string => `/v1/log/${encoded(log)}`;
/** Of a file as it is. */
export const fileUrl = (log: LogPath, file: string): string => `${listUrl(log)}/${encoded(file)}`;

/** The page that shows a log from some byte on. */
export function tailHref({ log, file, offset }: LogView): string {
  const params = new URLSearchParams({ log, file, from: String(offset) });
  return `/logs/tail?${params}`;
}

/** For a person. */
export function logTitle(log: LogPath): string {
  const [kind = '', name = ''] = log.split('/');
  switch (kind) {
    case 'role':
      return `role ${name}`;
    case 'external':
      return `${name} (another program’s log)`;
    case 'global':
      return 'deployments';
    case 'changes':
      return 'changes';
    default:
      return 'index of deployments';
  }
}
