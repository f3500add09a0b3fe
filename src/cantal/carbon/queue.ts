/** Lines that wait for a receiver: at most `most`, beyond that the oldest go, and are counted. */
export interface LineQueue {
  readonly size: number;
  /** Since the start. */
  readonly dropped: number;
  push(lines: readonly string[]): void;
  /** The oldest, at most so many characters of them but at least one line; null: none. */
  take(characters: number): readonly string[] | null;
  /** Lines that were taken and may not have arrived: they are older than all that wait. */
  giveBack(lines: readonly string[]): void;
}

export function lineQueue(most: number): LineQueue {
  let waiting: string[] = [];
  let dropped = 0;
  const bound = (): void => {
    const over = waiting.length - most;
    if (over <= 0) return;
    waiting = waiting.slice(over);
    dropped += over;
  };
  return {
    get size() {
      return waiting.length;
    },
    get dropped() {
      return dropped;
    },
    push(lines) {
      waiting.push(...lines.slice(-most));
      dropped += Math.max(0, lines.length - most);
      bound();
    },
    take(characters) {
      let length = 0;
      let count = 0;
      for (const line of waiting) {
        if (count > 0 && length + line.length > characters) break;
        length += line.length;
        count += 1;
      }
      return count === 0 ? null : waiting.splice(0, count);
    },
    giveBack(lines) {
      waiting = [...lines, ...waiting];
      bound();
    },
  };
}
