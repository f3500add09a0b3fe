import { lookup } from 'node:dns/promises';
import { lineQueue } from '../queue.ts';
import { type CarbonConnection, type ConnectionStatus, carbonConnection, mostQueued } from './connection.ts';

/** Names are looked up again this often: receivers move. */
const lookUpEveryMs = 60_000;

export interface SenderStatus {
  readonly receivers: readonly ConnectionStatus[];
  /** Lines that wait for the name to be known, and those of them that were too many. */
  readonly early: { readonly queued: number; readonly dropped: number };
  /** Why the name is not known; null: it is. */
  readonly lookupError: string | null;
}

/** Sends the same lines to every address of a host (spec cantal 8). */
export interface Sender {
  /** Nothing: where each address is asked for, there may be more. */
  send(lines: readonly string[]): void;
  status(): SenderStatus;
  stop(graceMs: number): Promise<void>;
}

/** `source` makes for each address what it is asked for lines by, beside those that are sent to all. */
export function startSender(host: string, port: number, source?: () => () => readonly string[] | null): Sender {
  const connections = new Map<string, CarbonConnection>();
  const early = lineQueue(mostQueued);
  let lookupError: string | null = null;
  let stopped = false;

  const resolve = async (): Promise<void> => {
    try {
      const found = await lookup(host, { all: true });
      if (stopped) return;
      lookupError = null;
      const lines = early.take(Number.POSITIVE_INFINITY) ?? [];
      early.confirm();
      const addresses = new Set(found.map(({ address }) => address));
      for (const [address, connection] of connections) {
        if (addresses.has(address)) continue;
        connections.delete(address);
        void connection.stop(0);
      }
      for (const address of addresses) {
        if (connections.has(address)) continue;
        const connection = carbonConnection({
          host: address,
          port,
          ...(source === undefined ? {} : { more: source() }),
        });
        connection.send(lines);
        connections.set(address, connection);
      }
    } catch (error) {
      lookupError = (error as Error).message;
    }
  };
  const first = resolve();
  const timer = setInterval(() => void resolve(), lookUpEveryMs);
  timer.unref();

  return {
    send(lines) {
      if (connections.size === 0) early.push(lines);
      for (const connection of connections.values()) connection.send(lines);
    },
    status: () => ({
      receivers: [...connections.values()].map((connection) => connection.status()),
      early: { queued: early.size, dropped: early.dropped },
      lookupError,
    }),
    async stop(graceMs) {
      await first;
      stopped = true;
      clearInterval(timer);
      await Promise.all([...connections.values()].map((connection) => connection.stop(graceMs)));
    },
  };
}
