/** Asks peers over signed HTTP, each once, and takes what came by the deadline. */

export interface PeerPost {
  postJson(addr: string, path: string, body: unknown, timeoutMs: number, maxBytes: number): Promise<unknown>;
}

export interface Pull<T> {
  readonly http: PeerPost;
  readonly path: string;
  readonly body: unknown;
  readonly deadlineMs: number;
  /** Null where the reply is none. */
  readonly read: (reply: unknown) => T | null;
}

/** Spec cantal 6.5. */
const mostBytesPerPeer = 1024 * 1024;
const mostInFlight = 64;

/** By id, those who answered in time. */
export async function pull<T>(
  peers: readonly { readonly id: string; readonly addr: string }[],
  { http, path, body, deadlineMs, read }: Pull<T>,
): Promise<ReadonlyMap<string, T>> {
  const answers = new Map<string, T>();
  if (peers.length === 0) return answers;
  const deadline = performance.now() + deadlineMs;
  const waiting = [...peers];
  const askOn = async (): Promise<void> => {
    for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift()) {
      const left = deadline - performance.now();
      if (left <= 0) return;
      try {
        const answer = read(await http.postJson(peer.addr, path, body, left, mostBytesPerPeer));
        if (answer !== null && performance.now() <= deadline) answers.set(peer.id, answer);
      } catch {
        // It is missing then, and named so.
      }
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, deadlineMs);
  });
  const workers = Array.from({ length: Math.min(mostInFlight, peers.length) }, askOn);
  await Promise.race([Promise.all(workers), timeUp]);
  clearTimeout(timer);
  // What comes later is for nobody.
  return new Map(answers);
}
