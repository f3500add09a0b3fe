import { type Moment, momentAt } from '../moment.ts';
import type { CarbonConfig } from './config.ts';
import { carbonLines } from './lines.ts';

/**
 * What one receiver is asked for, period by period since its last one: the newest scan where it is up to date, and where
 * it was away what it missed, from the history, oldest first. Null: nothing is due yet.
 */
export function replayed(moment: () => Moment, config: CarbonConfig): () => readonly string[] | null {
  const periodMs = config.interval * 1000;
  let sentMs = moment().source.scanTimes[0] ?? 0;
  return () => {
    for (;;) {
      const now = moment();
      const index = nextScan(now.source.scanTimes, sentMs, periodMs);
      if (index === null) return null;
      sentMs = now.source.scanTimes[index] ?? sentMs;
      const lines = carbonLines(momentAt(now, index), config);
      if (lines.length > 0) return lines;
    }
  };
}

/** Index of the scan to send after the one of `sentMs`; times run from newest to oldest. */
export function nextScan(times: readonly number[], sentMs: number, periodMs: number): number | null {
  const [newest] = times;
  // Timers and scans do not march in step: half a period early is in time.
  if (newest === undefined || newest - sentMs < periodMs / 2) return null;
  if (newest - sentMs < 1.5 * periodMs) return 0;
  const due = times.findIndex((time) => time <= sentMs + periodMs);
  const next = due < 0 ? times.length - 1 : due;
  if ((times[next] ?? 0) > sentMs) return next;
  // A hole: its far end comes next.
  const after = times.findIndex((time) => time <= sentMs);
  return after <= 0 ? null : after - 1;
}
