import { connect, type Socket } from 'node:net';
import { retryDelayMs } from '../backoff.ts';
import { lineQueue } from '../queue.ts';

/** Spec cantal 8. */
export const mostQueued = 10_000;
const writeTimeoutMs = 10_000;
/**
 * Characters that are on their way: filled up to the upper mark, and again once less than the lower one is left. They go
 * in pieces, so that each piece that the kernel takes is a sign of life of a slow receiver.
 */
const lowWater = 60_000;
const highWater = 1_048_576;
const connectTimeoutMs = 10_000;
const keepAliveMs = 60_000;

export interface ConnectionStatus {
  /** "IP:PORT" */
  readonly address: string;
  readonly connected: boolean;
  /** Lines that wait, and those that a write is under way with. */
  readonly queued: number;
  /** Lines handed to the kernel. One that a broken connection took with it is sent again. */
  readonly sent: number;
  readonly dropped: number;
  /** Of the last connection that failed; null: none did. */
  readonly lastError: string | null;
}

export interface CarbonConnection {
  /** Beside what `more` gives. Also the sign that it has something. */
  send(lines: readonly string[]): void;
  status(): ConnectionStatus;
  /** Gives what is queued so much time to leave, if it is connected. */
  stop(graceMs: number): Promise<void>;
}

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** Uniform in [0, 1); default Math.random. */
  readonly random?: () => number;
  /** Default 10 s. */
  readonly writeTimeoutMs?: number;
  /** Asked for lines whenever none waits while the receiver is there; null: nothing to send now. */
  readonly more?: () => readonly string[] | null;
}

/** A connection to one receiver, made again whenever it ends; until then lines wait in a bounded queue. */
export function carbonConnection(options: ConnectionOptions): CarbonConnection {
  const { host, port, random = Math.random } = options;
  const patience = options.writeTimeoutMs ?? writeTimeoutMs;
  const queue = lineQueue(mostQueued);
  let socket: Socket | null = null;
  let connected = false;
  let inFlight = 0;
  let filling = true;
  let failures = 0;
  let sent = 0;
  let lastError: string | null = null;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;
  let watch: NodeJS.Timeout | undefined;
  let idle: (() => void) | null = null;

  const open = (): void => {
    const begunMs = performance.now();
    const mine = connect({ host, port, keepAlive: true, keepAliveInitialDelay: keepAliveMs });
    socket = mine;
    mine.unref();
    watch = setTimeout(() => mine.destroy(new Error('no connection in time')), connectTimeoutMs);
    mine.on('connect', () => {
      clearTimeout(watch);
      connected = true;
      flush();
    });
    // Carbon says nothing; what comes is read away, so that an end is noticed.
    mine.resume();
    mine.on('end', () => mine.destroy(new Error('the receiver closed the connection')));
    mine.on('error', (error) => {
      lastError = error.message;
    });
    mine.on('close', () => {
      clearTimeout(watch);
      if (connected && lastError === null) lastError = 'the connection ended';
      connected = false;
      socket = null;
      queue.giveBack();
      inFlight = 0;
      idle?.();
      if (stopped) return;
      // Counted from the attempt before, however long that took to fail (spec cantal 8).
      retry = setTimeout(open, Math.max(0, retryDelayMs(failures, random()) - (performance.now() - begunMs)));
      failures += 1;
    });
  };

  const flush = (): void => {
    if (!connected || socket === null) return;
    if (inFlight < lowWater) filling = true;
    while (filling && connected) {
      const lines = nextLines();
      if (lines === null) break;
      write(socket, lines);
      filling = inFlight < highWater;
    }
    if (inFlight === 0) idle?.();
  };

  const nextLines = (): readonly string[] | null => {
    const waiting = queue.take(lowWater);
    // One period of the past at a time: to read many would take the event loop for long.
    if (waiting !== null || stopped || inFlight > 0) return waiting;
    queue.push(options.more?.() ?? []);
    return queue.take(lowWater);
  };

  const write = (mine: Socket, lines: readonly string[]): void => {
    const text = lines.join('');
    if (inFlight === 0) watchWrites(mine);
    inFlight += text.length;
    mine.write(text, (error) => {
      if (error || mine !== socket) return;
      clearTimeout(watch);
      failures = 0;
      sent += lines.length;
      inFlight -= text.length;
      queue.confirm();
      if (inFlight > 0) watchWrites(mine);
      flush();
    });
  };

  const watchWrites = (mine: Socket): void => {
    watch = setTimeout(() => mine.destroy(new Error(`the receiver took nothing for ${patience} ms`)), patience);
  };

  open();
  return {
    send(lines) {
      queue.push(lines);
      flush();
    },
    status: () => ({
      address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
      connected,
      queued: queue.size,
      sent,
      dropped: queue.dropped,
      lastError,
    }),
    async stop(graceMs) {
      stopped = true;
      clearTimeout(retry);
      if (connected && queue.size > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, graceMs);
          idle = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      clearTimeout(watch);
      socket?.destroy();
    },
  };
}
