/** A connection that takes text as fast as its reader does. */
export interface Outlet {
  /** Bytes handed over and not yet taken by the kernel. */
  backlog(): number;
  send(text: string): void;
  close(reason: string): void;
}

export interface NewestOnly {
  /** Asked when the outlet can take it; null: there is nothing to say after all. */
  offer(text: () => string | null): void;
  /** To be called when the outlet's backlog shrank. */
  drained(): void;
}

/**
 * Keeps a slow reader from filling memory: while anything is under way to it, only the newest message waits, the ones
 * between are never sent. A reader that leaves more than `limitBytes` lying is let go.
 */
export function newestOnly(outlet: Outlet, limitBytes: number): NewestOnly {
  let waiting: (() => string | null) | null = null;

  const send = (ask: () => string | null): void => {
    const text = ask();
    if (text === null) return;
    outlet.send(text);
    if (outlet.backlog() > limitBytes) outlet.close('you read too slowly');
  };

  return {
    offer(text) {
      if (outlet.backlog() > 0) waiting = text;
      else send(text);
    },
    drained() {
      if (waiting === null || outlet.backlog() > 0) return;
      const text = waiting;
      waiting = null;
      send(text);
    },
  };
}
