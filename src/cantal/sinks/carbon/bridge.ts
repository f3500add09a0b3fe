import { setTimeout as sleep } from 'node:timers/promises';
import { type BridgeNaming, bridgeLines } from './bridge-lines.ts';
import { type Sender, startSender } from './sender.ts';

export interface BridgeOptions extends BridgeNaming {
  /** "HOST:PORT" of the agents. */
  readonly hosts: readonly string[];
  readonly carbon: { readonly host: string; readonly port: number };
  readonly intervalMs: number;
  /** Of names of metrics; empty: all. */
  readonly pattern: string;
  /** All samples since the last round, not the newest alone. */
  readonly everySample: boolean;
  readonly token: string | null;
  readonly once: boolean;
  readonly log: (line: string) => void;
  /** Ends the bridge. */
  readonly stopped: AbortSignal;
}

/** As many are asked at a time. */
const mostAtOnce = 32;
/** A host may take as long as this, and no longer than a period. */
const longestAskMs = 5_000;
const mostReplyBytes = 256 * 1024 * 1024;
const graceMs = 5_000;

/**
 * Scrapes agents and sends what they say to carbon, until it is stopped. Returns how many hosts failed in the last
 * round. A host that fails is said once, and again when it answers; it delays no other.
 */
export async function runBridge(options: BridgeOptions): Promise<number> {
  const { hosts, carbon, intervalMs, once, stopped } = options;
  const sender = startSender(carbon.host, carbon.port);
  const failing = new Set<string>();
  const newest = new Map<string, number>();
  try {
    for (;;) {
      const begun = performance.now();
      await round(options, sender, failing, newest);
      if (once || stopped.aborted) break;
      await sleep(Math.max(0, intervalMs - (performance.now() - begun)), undefined, { signal: stopped }).catch(
        () => {},
      );
      if (stopped.aborted) break;
    }
    return failing.size;
  } finally {
    await drained(sender);
    tellEnd(options, sender, hosts.length);
    await sender.stop(graceMs);
  }
}

async function round(
  options: BridgeOptions,
  sender: Sender,
  failing: Set<string>,
  newest: Map<string, number>,
): Promise<void> {
  const waiting = [...options.hosts];
  const next = async (): Promise<void> => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
      const problem = await scrape(host, options, sender, newest).catch((error: Error) => reasonOf(error));
      if (problem === null) {
        if (failing.delete(host)) options.log(`${host}: answers again`);
      } else if (!failing.has(host)) {
        failing.add(host);
        options.log(`${host}: ${problem}`);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostAtOnce, waiting.length) }, next));
}

/** Null, or what is wrong. */
async function scrape(
  host: string,
  options: BridgeOptions,
  sender: Sender,
  newest: Map<string, number>,
): Promise<string | null> {
  const { pattern, everySample, token, intervalMs, stopped } = options;
  const query = new URLSearchParams({ pattern });
  // The first round has no "since": an hour of every series would be a surprise.
  const since = newest.get(host);
  if (everySample && since !== undefined) query.set('since', String(since));
  const timeout = AbortSignal.timeout(Math.min(longestAskMs, intervalMs));
  const reply = await fetch(`http://${host}/v1/metrics.json?${query}`, {
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    signal: AbortSignal.any([timeout, stopped]),
  });
  if (Number(reply.headers.get('content-length') ?? 0) > mostReplyBytes)
    return 'its answer is too large; use --pattern';
  const body = (await reply.json()) as { readonly timestamp?: unknown; readonly error?: unknown };
  if (reply.status !== 200) return `answers ${reply.status}: ${String(body.error)}`;
  const lines = bridgeLines(body, options);
  if (typeof lines === 'string') return lines;
  if (typeof body.timestamp === 'number') newest.set(host, body.timestamp);
  sender.send(lines);
  return null;
}

function reasonOf(error: Error): string {
  const { code } = (error.cause ?? error) as NodeJS.ErrnoException;
  if (error.name === 'TimeoutError') return 'did not answer in time';
  return code === undefined || typeof code !== 'string' ? error.message : `cannot be asked (${code})`;
}

/** Waits for the first connection, and then until everything is sent or time is up. */
async function drained(sender: Sender): Promise<void> {
  const end = performance.now() + graceMs;
  while (performance.now() < end) {
    const { receivers } = sender.status();
    if (receivers.length > 0 && receivers.every(({ queued }) => queued === 0)) return;
    await sleep(20);
  }
}

function tellEnd({ log }: BridgeOptions, sender: Sender, hosts: number): void {
  const { receivers, lookupError } = sender.status();
  if (lookupError !== null) log(`carbon: ${lookupError}`);
  for (const { address, sent, dropped, queued, lastError } of receivers) {
    const trouble = lastError === null ? '' : `; last error: ${lastError}`;
    log(`${hosts} hosts, carbon ${address}: ${sent} lines sent, ${dropped + queued} not sent${trouble}`);
  }
}
