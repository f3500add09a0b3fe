import { closeSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { containerAddon, isFailure, type NativeFailure } from '../../native/container.ts';
import type { BuildEvent } from './progress.ts';
import type { BuildView } from './screen.ts';

/** The ends that the builder gets: for its output, and for its events. */
export interface WatchedEnds {
  readonly output: number;
  readonly events: number;
}

/**
 * Runs `start` with pipes whose other ends are watched: output goes to the view and to the file `log`, events to the
 * view. Resolves when it has ended and all was read.
 */
export async function watched<T>(
  view: BuildView,
  log: string,
  start: (ends: WatchedEnds) => Promise<T>,
): Promise<T | NativeFailure> {
  const addon = containerAddon();
  const [output, events] = [addon.makePipe(), addon.makePipe()];
  if (isFailure(output)) return output;
  if (isFailure(events)) return events;
  const logFile = openSync(log, 'w', 0o644);
  try {
    const readers = [
      drained(output.read, (bytes) => {
        writeSync(logFile, bytes);
        view.output(bytes);
      }),
      drained(events.read, eachEvent(view)),
    ];
    const running = start({ output: output.write, events: events.write });
    // It has its own copies now; ours would keep the pipes open beyond its end.
    addon.closeFd(output.write);
    addon.closeFd(events.write);
    const end = await running;
    await Promise.all(readers);
    return end;
  } finally {
    closeSync(logFile);
    view.end();
  }
}

function drained(fd: number, take: (bytes: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = new Socket({ fd, readable: true, writable: false });
    stream.on('data', take);
    stream.on('error', reject);
    stream.on('close', () => resolve());
  });
}

function eachEvent(view: BuildView): (bytes: Buffer) => void {
  let rest = '';
  return (bytes) => {
    const lines = (rest + bytes.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) view.event(JSON.parse(line) as BuildEvent);
  };
}
