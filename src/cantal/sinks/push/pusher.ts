import { readFileSync } from 'node:fs';
import type { SeriesSource } from '../../query/source.ts';
import { retryDelayMs } from '../backoff.ts';
import { type Batch, type Chosen, type FreshSeries, newBatch, nextPart, samplesOf } from './batch.ts';

/** A protocol that takes batches of samples by HTTP POST. */
export interface Protocol {
  readonly headers: Readonly<Record<string, string>>;
  /** The body of one request. */
  encode(series: readonly FreshSeries[]): Promise<Uint8Array> | Uint8Array;
  /** Of a request that was refused: whether the same may be tried again. */
  retries(status: number): boolean;
  /** Samples that were refused in a request that was taken, and why. */
  partly?(body: Uint8Array): { readonly samples: number; readonly reason: string } | null;
}

export interface PusherOptions {
  readonly url: string;
  readonly tokenFile: string | null;
  readonly protocol: Protocol;
  /** The history as it is now. */
  readonly source: () => SeriesSource;
  readonly chosen: Chosen;
  /** Scans that lie further back are given up; null: only those that are not kept any more. */
  readonly longestLagMs: number | null;
  readonly userAgent: string;
  /** Uniform in [0, 1); default Math.random. */
  readonly random?: () => number;
  /** Default 10 s, as for carbon (spec cantal 8). */
  readonly timeoutMs?: number;
}

export interface PushStatus {
  readonly url: string;
  /** The last request was taken. */
  readonly connected: boolean;
  /** Scans that wait; they lie in the history, not in a queue. */
  readonly queued: number;
  /** Samples. */
  readonly sent: number;
  /** Samples that the receiver refused for good. */
  readonly refused: number;
  /** Scans that were too old before the receiver came back. */
  readonly dropped: number;
  /** Requests that failed. */
  readonly failures: number;
  readonly lastError: string | null;
}

export interface Pusher {
  /** There may be something to send. */
  poke(): void;
  status(): PushStatus;
  /** Gives what waits so much time to leave. */
  stop(graceMs: number): Promise<void>;
}

type Outcome =
  | { readonly kind: 'taken'; readonly refused: number; readonly reason: string | null }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'later'; readonly reason: string; readonly afterMs: number | null };

const usualTimeoutMs = 10_000;
/** A receiver may ask for patience, within reason. */
const longestWaitMs = 300_000;
const mostReplyBytes = 64 * 1024;

/** Sends what the history has beyond what was sent already, one request at a time; a failed one is tried again. */
export function startPusher(options: PusherOptions): Pusher {
  const { protocol, random = Math.random } = options;
  const scanTimes = (): readonly number[] => options.source().scanTimes;
  let sentUntilMs = scanTimes()[0] ?? 0;
  /** Under way; and its request that is tried until it is taken or refused. */
  let batch: Batch | null = null;
  let request: { readonly body: Uint8Array; readonly samples: number; readonly rest: Batch | null } | null = null;
  let running: Promise<void> | null = null;
  let retry: NodeJS.Timeout | undefined;
  let waiting = false;
  let inRow = 0;
  let stopped = false;
  const end = new AbortController();
  const counts = { sent: 0, refused: 0, dropped: 0, failures: 0 };
  let connected = false;
  let lastError: string | null = null;

  /** What is too old is left out, and so is what the history does not have any more. */
  const giveUpOld = (): void => {
    const { longestLagMs } = options;
    if (longestLagMs === null) return;
    const times = scanTimes();
    const floor = (times[0] ?? 0) - longestLagMs;
    if (sentUntilMs >= floor) return;
    counts.dropped += times.filter((time) => time > sentUntilMs && time <= floor).length;
    sentUntilMs = floor;
    batch = null;
    request = null;
  };

  const prepare = async (): Promise<typeof request> => {
    if (batch === null) {
      giveUpOld();
      batch = newBatch(scanTimes(), sentUntilMs);
      if (batch === null) return null;
    }
    const { series, rest } = nextPart(options.source(), batch, options.chosen);
    return { body: await protocol.encode(series), samples: samplesOf(series), rest };
  };

  /** True: there may be more. */
  const step = async (): Promise<boolean> => {
    request ??= await prepare();
    if (request === null || batch === null) return false;
    if (request.samples > 0) {
      const outcome = await post(options, request.body, end.signal);
      switch (outcome.kind) {
        case 'taken':
          counts.sent += request.samples - outcome.refused;
          counts.refused += outcome.refused;
          lastError = outcome.reason ?? lastError;
          break;
        case 'refused':
          counts.refused += request.samples;
          counts.failures += 1;
          lastError = outcome.reason;
          break;
        case 'later':
          counts.failures += 1;
          connected = false;
          lastError = outcome.reason;
          later(outcome.afterMs);
          return false;
        default:
          outcome satisfies never;
      }
      connected = true;
      inRow = 0;
    }
    if (request.rest === null) sentUntilMs = batch.untilMs;
    batch = request.rest;
    request = null;
    return true;
  };

  const later = (asked: number | null): void => {
    if (stopped) return;
    waiting = true;
    retry = setTimeout(
      () => {
        waiting = false;
        // The receiver may have been away for long: what is too old must not be tried for ever.
        giveUpOld();
        poke();
      },
      Math.min(longestWaitMs, Math.max(asked ?? 0, retryDelayMs(inRow, random()))),
    );
    retry.unref();
    inRow += 1;
  };

  const run = async (): Promise<void> => {
    try {
      while (await step());
    } catch (error) {
      counts.failures += 1;
      lastError = (error as Error).message;
      later(null);
    } finally {
      running = null;
    }
  };

  const poke = (): void => {
    if (!waiting && !stopped) running ??= run();
  };

  return {
    poke,
    status: () => ({
      url: options.url,
      connected,
      queued: scanTimes().filter((time) => time > sentUntilMs).length,
      ...counts,
      lastError,
    }),
    async stop(graceMs) {
      if (stopped) return;
      poke();
      stopped = true;
      clearTimeout(retry);
      const timer = setTimeout(() => end.abort(), graceMs);
      await running;
      clearTimeout(timer);
    },
  };
}

async function post(options: PusherOptions, body: Uint8Array, stopped: AbortSignal): Promise<Outcome> {
  const { url, tokenFile, protocol, userAgent, timeoutMs = usualTimeoutMs } = options;
  let authorization: Readonly<Record<string, string>> = {};
  try {
    if (tokenFile !== null) authorization = { authorization: `Bearer ${firstLine(tokenFile)}` };
    const reply = await fetch(url, {
      method: 'POST',
      headers: { 'user-agent': userAgent, ...protocol.headers, ...authorization },
      body,
      // A receiver elsewhere must not be handed the token by the one that is meant.
      redirect: 'error',
      signal: AbortSignal.any([stopped, AbortSignal.timeout(timeoutMs)]),
    });
    const said = await read(reply);
    if (reply.ok) {
      const partly = protocol.partly?.(said) ?? null;
      return { kind: 'taken', refused: partly?.samples ?? 0, reason: partly?.reason ?? null };
    }
    const reason = [reply.status, printable(said)].filter((word) => word !== '').join(': ');
    if (!protocol.retries(reply.status)) return { kind: 'refused', reason };
    return { kind: 'later', reason, afterMs: retryAfterMs(reply.headers.get('retry-after')) };
  } catch (error) {
    return { kind: 'later', reason: reasonOf(error as Error, timeoutMs), afterMs: null };
  }
}

const firstLine = (file: string): string => readFileSync(file, 'utf8').split('\n')[0]?.trim() ?? '';

/** The beginning is enough; the rest is not waited for. */
async function read(reply: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (reply.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > mostReplyBytes) break;
  }
  return Buffer.concat(chunks);
}

const printable = (bytes: Uint8Array): string =>
  Buffer.from(bytes.subarray(0, 300))
    .toString('utf8')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim();

/** RFC 9110, 10.2.3: seconds, or a date. */
export function retryAfterMs(header: string | null, nowMs = Date.now()): number | null {
  if (header === null) return null;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}

function reasonOf(error: Error, timeoutMs: number): string {
  if (error.name === 'TimeoutError') return `the receiver did not answer within ${timeoutMs} ms`;
  const cause = (error.cause ?? error) as NodeJS.ErrnoException;
  return cause.code === undefined ? cause.message : `${cause.code}: ${cause.message}`;
}
