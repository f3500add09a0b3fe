/** Machines that call themselves by one id: each is heard in the other's name, and neither can be told from it. */
export interface Twin {
  readonly id: string;
  /** Where the other one sends from. */
  readonly addr: string;
  /** Milliseconds since the epoch. */
  readonly at_ms: number;
}

export interface Twins {
  seen(id: string, addr: string, wallMs: number): void;
  /** Those of the last minutes; a machine that was given another id is no trouble any more. */
  now(wallMs: number): readonly Twin[];
}

const rememberMs = 300_000;
/** Whoever has the cluster's key could send in any name. */
const mostTwins = 100;

export function createTwins(): Twins {
  const all = new Map<string, Twin>();
  return {
    seen(id, addr, wallMs) {
      const key = `${id} ${addr}`;
      if (!all.has(key) && all.size >= mostTwins) return;
      all.set(key, { id, addr, at_ms: Math.round(wallMs) });
    },
    now(wallMs) {
      for (const [key, { at_ms }] of all) if (wallMs - at_ms > rememberMs) all.delete(key);
      return [...all.values()];
    },
  };
}
