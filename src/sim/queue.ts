/** Events in order of time; of one time, in the order they were put in. A binary heap. */
export interface Queue<T> {
  push(atMs: number, item: T): void;
  /** Null when empty. */
  peekMs(): number | null;
  pop(): { readonly atMs: number; readonly item: T } | null;
  size(): number;
}

interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly item: T;
}

export function eventQueue<T>(): Queue<T> {
  const heap: Entry<T>[] = [];
  let order = 0;

  const before = (a: Entry<T>, b: Entry<T>): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

  const up = (start: number): void => {
    let index = start;
    const entry = heap[index] as Entry<T>;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Entry<T>;
      if (!before(entry, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  };

  const down = (): void => {
    const entry = heap[0] as Entry<T>;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Entry<T>)) child += 1;
      const below = heap[child] as Entry<T>;
      if (!before(below, entry)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = entry;
  };

  return {
    push(atMs, item) {
      heap.push({ atMs, order, item });
      order += 1;
      up(heap.length - 1);
    },
    peekMs: () => heap[0]?.atMs ?? null,
    pop() {
      const first = heap[0];
      if (first === undefined) return null;
      const last = heap.pop() as Entry<T>;
      if (heap.length > 0) {
        heap[0] = last;
        down();
      }
      return { atMs: first.atMs, item: first.item };
    },
    size: () => heap.length,
  };
}
