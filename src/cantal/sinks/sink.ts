/** One receiver of whatever protocol. Nothing in it ever waits for the scan, nor the scan for it. */
export interface Sink {
  /** Nothing is enabled, so nothing would be sent. */
  readonly idle: boolean;
  /** Called each period. */
  push(): void;
  /** For /v1/sinks. */
  status(): object;
  /** Gives what waits so much time to leave. */
  stop(graceMs: number): Promise<void>;
}
