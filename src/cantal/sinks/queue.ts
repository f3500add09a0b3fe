/** Lines on their way to a receiver: at most `most`, beyond that the oldest that can still be left out go, and are counted. */
export interface LineQueue {
  /** Those that were taken and neither confirmed nor given back are among them. */
  readonly size: number;
  /** Since the start. */
  readonly dropped: number;
  push(lines: readonly string[]): void;
  /** The oldest, at most so many characters of them but at least one line; null: none waits. */
  take(characters: number): readonly string[] | null;
  /** What was taken first of all that is on its way has left. */
  confirm(): void;
  /** What is on its way may not have arrived; it is older than all that waits. */
  giveBack(): void;
}

export function lineQueue(most: number): LineQueue {
  let waiting: string[] = [];
  let taken: readonly (readonly string[])[] = [];
  let dropped = 0;
  const onTheWay = (): number => taken.reduce((sum, lines) => sum + lines.length, 0);
  return {
    get size() {
      return waiting.length + onTheWay();
    },
    get dropped() {
      return dropped;
    },
    push(lines) {
      const all = [...waiting, ...lines];
      const over = Math.min(all.length, Math.max(0, all.length + onTheWay() - most));
      waiting = all.slice(over);
      dropped += over;
    },
    take(characters) {
      let length = 0;
      let count = 0;
      for (const line of waiting) {
        if (count > 0 && length + line.length > characters) break;
        length += line.length;
        count += 1;
      }
      if (count === 0) return null;
      const lines = waiting.splice(0, count);
      taken = [...taken, lines];
      return lines;
    },
    confirm() {
      taken = taken.slice(1);
    },
    giveBack() {
      waiting = [...taken.flat(), ...waiting];
      taken = [];
    },
  };
}
