import { useEffect, useRef, useState } from 'preact/hooks';
import { asText, member } from '../../json.ts';
import { type LogPath, listUrl } from './log-address.ts';
import { fetchPiece, type LogFile, readFiles } from './log-files.ts';
import { endOf, join, type Piece, pieceBytes, type Span, spanAfter, spanBefore, type Tail } from './tail.ts';

export interface TailState {
  readonly tail: Tail | null;
  /** Files of the log, newest first; null: not known yet. */
  readonly files: readonly LogFile[] | null;
  readonly problem: string | null;
  readonly before: () => void;
  readonly after: () => void;
  readonly toEnd: () => void;
}

interface Asked {
  readonly log: LogPath;
  /** Null: none is chosen yet. */
  readonly file: string | null;
  readonly from: number | 'end';
  readonly follows: boolean;
}

const followMs = 500;
const listEveryMs = 5_000;
/** Followed from further behind, a log would only be caught up with late. */
const farBehind = 16 * pieceBytes;

/** Holds a piece of one file, from an offset on. */
export function useTail({ log, file, from, follows }: Asked): TailState {
  const [tail, setTail] = useState<Tail | null>(null);
  const [files, setFiles] = useState<readonly LogFile[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const held = useRef<Tail | null>(null);
  const running = useRef(false);
  /** Moves on with the file: an answer about the one before is of no use. */
  const generation = useRef(0);
  const hold = (next: Tail | null): void => {
    held.current = next;
    setTail(next);
  };

  /** One question at a time: an answer is put beside what was held when it was asked for. */
  const load = async (span: Span, fresh: boolean, skip = 0): Promise<void> => {
    if (file === null || running.current) return;
    running.current = true;
    const asked = generation.current;
    const fetched = await fetchPiece(log, file, span);
    if (asked !== generation.current) return;
    running.current = false;
    if (fetched.kind === 'problem') return setProblem(fetched.problem);
    setProblem(null);
    const { piece } = fetched;
    const { current } = held;
    if (fresh || current === null) return hold(without(piece, span.first, skip));
    const joined = join(current, piece);
    if (joined.kind === 'tail') hold(joined.tail);
    // Another program has begun its file anew.
    else hold({ first: 0, bytes: new Uint8Array(), size: 0 });
  };
  const toEnd = async (): Promise<void> => {
    if (file === null) return;
    const bytes = (await listed(log)).files?.find(({ name }) => name === file)?.bytes ?? held.current?.size ?? 0;
    await load({ first: Math.max(0, bytes - pieceBytes), last: bytes + pieceBytes }, true);
  };

  useEffect(() => {
    hold(null);
    generation.current += 1;
    running.current = false;
    if (from === 'end') return void toEnd();
    // From the byte before: a log to which nothing was added since its end was noted has nothing at that place.
    const first = Math.max(0, from - 1);
    void load({ first, last: from + pieceBytes - 1 }, true, from - first);
  }, [log, file, from]);

  useEffect(() => {
    let gone = false;
    const look = async (): Promise<void> => {
      const answer = await listed(log);
      if (gone) return;
      if (answer.files === null) setProblem(answer.problem);
      else setFiles(answer.files);
    };
    void look();
    const timer = setInterval(look, listEveryMs);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [log]);

  useEffect(() => {
    if (!follows) return;
    const timer = setInterval(() => {
      const { current } = held;
      if (current === null) return;
      if (current.size - endOf(current) > farBehind) void toEnd();
      else void load(spanAfter(current, farBehind), false);
    }, followMs);
    return () => clearInterval(timer);
  }, [log, file, follows]);

  return {
    tail,
    files,
    problem,
    before() {
      const span = held.current === null ? null : spanBefore(held.current);
      if (span !== null) void load(span, false);
    },
    after() {
      if (held.current !== null) void load(spanAfter(held.current), false);
    },
    toEnd: () => void toEnd(),
  };
}

/** Takes away what was asked for only so that there is something. */
function without(piece: Piece, asked: number, skip: number): Tail {
  if (piece.first !== asked || piece.bytes.length < skip) return piece;
  return { ...piece, first: piece.first + skip, bytes: piece.bytes.subarray(skip) };
}

async function listed(
  log: LogPath,
): Promise<{ readonly files: readonly LogFile[] | null; readonly problem: string | null }> {
  try {
    const reply = await fetch(listUrl(log), { signal: AbortSignal.timeout(listEveryMs * 2) });
    const value: unknown = await reply.json().catch(() => null);
    if (reply.ok) return { files: readFiles(value), problem: null };
    return { files: null, problem: asText(member(value, 'error')) ?? `the agent answers ${reply.status}` };
  } catch {
    return { files: null, problem: 'the agent is not reachable' };
  }
}
