import { useEffect, useState } from 'preact/hooks';
import { asText, member } from '../../json.ts';
import { type IndexRead, readIndex } from './deployments.ts';
import { fetchPiece, readFiles } from './log-files.ts';

export interface IndexOfLogs {
  /** Null: it has not come yet. */
  readonly read: IndexRead | null;
  /** There is more than is shown. */
  readonly isPart: boolean;
  readonly problem: string | null;
}

/** Newest part of the index that is looked at. */
export const indexBytes = 1024 * 1024;
const everyMs = 5_000;

interface Held {
  readonly first: number;
  readonly end: number;
  readonly text: string;
}

/** The last MiB of the index, over as many days as that takes; looked at again every 5 s, and only for what is new. */
export function useIndex(): IndexOfLogs {
  const [index, setIndex] = useState<IndexOfLogs>({ read: null, isPart: false, problem: null });
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const held = new Map<string, Held>();
    const look = async (): Promise<void> => {
      const answer = await load(held).catch(() => 'the agent is not reachable');
      if (gone) return;
      if (typeof answer === 'string') setIndex((before) => ({ ...before, problem: answer }));
      else setIndex({ ...answer, problem: null });
      timer = setTimeout(look, everyMs);
    };
    void look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, []);
  return index;
}

/** A text is what was wrong. */
async function load(held: Map<string, Held>): Promise<Omit<IndexOfLogs, 'problem'> | string> {
  const reply = await fetch('/v1/log/index', { signal: AbortSignal.timeout(everyMs * 2) });
  const listed: unknown = await reply.json().catch(() => null);
  if (!reply.ok) return asText(member(listed, 'error')) ?? `the agent answers ${reply.status}`;
  const parts: IndexRead[] = [];
  let left = indexBytes;
  let isPart = false;
  for (const { name, bytes } of readFiles(listed)) {
    if (left <= 0) {
      isPart = true;
      break;
    }
    if (bytes === 0) continue;
    const first = Math.max(0, bytes - left);
    const known = held.get(name);
    if (known === undefined || known.end > bytes) {
      const fetched = await fetchPiece('index', name, { first, last: bytes - 1 });
      if (fetched.kind === 'problem') return fetched.problem;
      held.set(name, { first, end: bytes, text: decode(fetched.piece.bytes) });
    } else if (known.end < bytes) {
      const fetched = await fetchPiece('index', name, { first: known.end, last: bytes - 1 });
      if (fetched.kind === 'problem') return fetched.problem;
      held.set(name, { ...known, end: bytes, text: known.text + decode(fetched.piece.bytes) });
    }
    const part = held.get(name);
    if (part === undefined) continue;
    left -= part.end - part.first;
    isPart ||= part.first > 0;
    parts.unshift(readIndex(part.text, part.first > 0));
  }
  return {
    read: {
      entries: parts.flatMap(({ entries }) => entries),
      broken: parts.reduce((sum, { broken }) => sum + broken, 0),
    },
    isPart,
  };
}

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
