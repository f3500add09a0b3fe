import { useEffect, useState } from 'preact/hooks';

/** A value that lives as long as the document, whichever page is looked at. */
export interface Store<T> {
  get(): T;
  set(next: T): void;
  /** Its value, followed. */
  use(): T;
}

export function store<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<(value: T) => void>();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const tell of [...listeners]) tell(next);
    },
    use() {
      const [seen, setSeen] = useState(value);
      useEffect(() => {
        const follow = (next: T) => setSeen(() => next);
        follow(value);
        listeners.add(follow);
        return () => void listeners.delete(follow);
      }, []);
      return seen;
    },
  };
}
