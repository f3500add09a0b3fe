/** What a client did not hear the answer to it may send again: by the header Idempotency-Key it is known to be the same. */
export interface Idempotency<Reply> {
  /**
   * `begin` is called for a key that is new, and what it gives is given for the key from then on. 'other': the key was used
   * for something else.
   */
  once(key: string, fingerprint: string, begin: () => Attempt<Reply>): Attempt<Reply> | 'other';
  /** What became of it in the end, where `final` could not wait for that. */
  amend(key: string, reply: Reply): void;
}

export interface Attempt<Reply> {
  /** It was taken, or refused. */
  readonly registered: Promise<Reply>;
  /** What became of it. */
  readonly final: Promise<Reply>;
}

export interface IdempotencyOptions<Reply> {
  readonly nowMs: () => number;
  /** Nothing was done and nothing will be: the same key may try again. */
  readonly isVain: (reply: Reply) => boolean;
  readonly bytesOf: (reply: Reply) => number;
}

/** Whoever repeats does so within minutes; a job that runs once a day with a key of the day must not run twice. */
export const keptMs = 86_400_000;
/** Beyond these the oldest are forgotten. */
export const mostKeys = 10_000;
export const mostAnswerBytes = 16 * 1024 * 1024;

interface Known<Reply> {
  attempt: Attempt<Reply>;
  readonly fingerprint: string;
  readonly atMs: number;
  bytes: number;
}

export const idempotency = <Reply>({ nowMs, isVain, bytesOf }: IdempotencyOptions<Reply>): Idempotency<Reply> => {
  // In the order in which they came.
  const known = new Map<string, Known<Reply>>();
  let bytes = 0;

  const forget = (key: string, entry: Known<Reply>): void => {
    if (known.get(key) !== entry) return;
    known.delete(key);
    bytes -= entry.bytes;
  };
  const trim = (): void => {
    for (const [key, entry] of known) {
      const isOver = known.size > mostKeys || bytes > mostAnswerBytes;
      if (!isOver && nowMs() - entry.atMs < keptMs) return;
      forget(key, entry);
    }
  };

  return {
    amend(key, reply) {
      const entry = known.get(key);
      if (entry === undefined) return;
      if (isVain(reply)) forget(key, entry);
      else entry.attempt = { ...entry.attempt, final: Promise.resolve(reply) };
    },
    once(key, fingerprint, begin) {
      trim();
      const old = known.get(key);
      if (old !== undefined) return old.fingerprint === fingerprint ? old.attempt : 'other';
      const entry: Known<Reply> = { attempt: begin(), fingerprint, atMs: nowMs(), bytes: 0 };
      known.set(key, entry);
      const settled = (reply: Reply): void => {
        if (isVain(reply)) forget(key, entry);
      };
      void entry.attempt.registered.then(settled);
      void entry.attempt.final.then((reply) => {
        settled(reply);
        if (known.get(key) !== entry) return;
        entry.bytes = bytesOf(reply);
        bytes += entry.bytes;
        trim();
      });
      return entry.attempt;
    },
  };
};
