/** What did not leave yet, and what never will: carbon's lines, of the others whole scans. */
export interface Backlog {
  readonly queued: number;
  readonly dropped: number;
}

/** One receiver of whatever protocol. Nothing in it ever waits for the scan, nor the scan for it. */
export interface Sink {
  /** Nothing is enabled, so nothing would be sent. */
  readonly idle: boolean;
  /** Called each period. */
  push(): void;
  /** For /v1/sinks. */
  status(): object;
  backlog(): Backlog;
  /** Gives what waits so much time to leave. */
  stop(graceMs: number): Promise<void>;
}

export const total = (all: readonly Backlog[]): Backlog => ({
  queued: all.reduce((sum, { queued }) => sum + queued, 0),
  dropped: all.reduce((sum, { dropped }) => sum + dropped, 0),
});
