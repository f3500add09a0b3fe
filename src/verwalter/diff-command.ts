import { readFileSync } from 'node:fs';
import { isObject, type Json, type JsonObject } from './canonical.ts';
import { diffSchedules, type Move } from './diff.ts';
import { movesSummary, moveTable } from './move-table.ts';
import type { Terminal } from './replay/replay-command.ts';

const isHash = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);
const timeoutMs = 10_000;

/** `stellwerk verwalter diff`; returns the exit code: 0 nothing moves, 1 something does, 2 it cannot be told. */
export const diffCommand = async (
  a: string,
  b: string,
  options: { readonly url: string; readonly json: boolean },
  { print, complain }: Terminal,
): Promise<number> => {
  let moves: readonly Move[];
  try {
    moves =
      isHash(a) && isHash(b)
        ? await askedMoves(a, b, options.url)
        : diffSchedules(await read(a, options.url), await read(b, options.url));
  } catch (error) {
    complain(`${(error as Error).message}\n`);
    return 2;
  }
  print(options.json ? `${JSON.stringify(moves, null, 2)}\n` : `${moveTable(moves)}${movesSummary(moves)}\n`);
  return moves.length === 0 ? 0 : 1;
};

const askedMoves = async (a: string, b: string, url: string): Promise<readonly Move[]> => {
  const answer = await ask(`${url}/v1/diff?from=${a}&to=${b}`);
  if (!isObject(answer) || !Array.isArray(answer.moves)) throw new Error(`${url}: its answer is no list of moves`);
  return answer.moves as unknown as readonly Move[];
};

/** A schedule as it is stored, a recorded round, or the data of a schedule alone. */
const read = async (place: string, url: string): Promise<JsonObject> => {
  const value = isHash(place) ? await ask(`${url}/v1/schedule/${place}`) : readJson(place);
  if (isObject(value)) {
    if (isObject(value.data) && typeof value.hash === 'string') return value.data;
    if (isObject(value.output) && isObject(value.input)) return value.output;
    return value;
  }
  throw new Error(`${place}: not a schedule: no JSON object`);
};

const readJson = (file: string): Json => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Json;
  } catch (error) {
    const { message } = error as Error;
    throw new Error(message.includes(file) ? message : `${file}: ${message}`);
  }
};

const ask = async (url: string): Promise<Json> => {
  let reply: Response;
  try {
    reply = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    const { message, cause } = error as Error;
    throw new Error(`${url}: ${cause instanceof Error ? cause.message : message}; is the agent there? (--url)`);
  }
  const body = (await reply.json().catch(() => null)) as Json;
  if (reply.ok) return body;
  throw new Error(
    `${url}: ${reply.status} ${isObject(body) && typeof body.error === 'string' ? body.error : ''}`.trim(),
  );
};
