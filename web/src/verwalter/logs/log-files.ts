import { asList, asNumber, asText, member } from '../../json.ts';
import { fileUrl, type LogPath } from './log-address.ts';
import type { Piece, Span } from './tail.ts';

/** GET /v1/log/… of a log: its files, newest first. */
export interface LogFile {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMs: number | null;
  readonly current: boolean;
}

export function readFiles(value: unknown): readonly LogFile[] {
  return asList(member(value, 'files')).flatMap((each) => {
    const name = asText(member(each, 'name'));
    if (name === null) return [];
    const bytes = asNumber(member(each, 'bytes')) ?? 0;
    return [{ name, bytes, modifiedMs: asNumber(member(each, 'modified')), current: member(each, 'current') === true }];
  });
}

export type Fetched =
  | { readonly kind: 'piece'; readonly piece: Piece }
  | { readonly kind: 'problem'; readonly problem: string };

const timeoutMs = 10_000;

/** Bytes of a log file. The span must begin within the file; a file that is empty gives an empty piece. */
export async function fetchPiece(log: LogPath, file: string, span: Span): Promise<Fetched> {
  try {
    const reply = await fetch(fileUrl(log, file), {
      headers: { range: `bytes=${span.first}-${span.last}` },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (reply.status === 416) {
      const size = Number(/\d+$/.exec(reply.headers.get('content-range') ?? '')?.[0] ?? 0);
      return { kind: 'piece', piece: { first: 0, bytes: new Uint8Array(), size } };
    }
    if (!reply.ok) {
      const said = asText(member(await reply.json().catch(() => null), 'error'));
      return { kind: 'problem', problem: said ?? `the agent answers ${reply.status}` };
    }
    const bytes = new Uint8Array(await reply.arrayBuffer());
    const [, first = '0', size = String(bytes.length)] =
      /^bytes (\d+)-\d+\/(\d+)$/.exec(reply.headers.get('content-range') ?? '') ?? [];
    return { kind: 'piece', piece: { first: Number(first), bytes, size: Number(size) } };
  } catch {
    return { kind: 'problem', problem: 'the agent is not reachable' };
  }
}
