/** All that a machine may know of the outside at one step: no clock and no chance of its own. */
export interface Env {
  /** Milliseconds on a clock that never jumps; its zero means nothing. Every timer is on this one. */
  readonly nowMs: number;
  /** Milliseconds since the epoch as this node believes: only for measuring how far clocks differ. */
  readonly wallMs: number;
  /** Uniform in [0, 1). */
  random(): number;
}

export const uniform = (env: Env, from: number, below: number): number => from + env.random() * (below - from);

/** A uniformly chosen member; null of an empty list. */
export function pick<T>(env: Env, list: readonly T[]): T | null {
  return list[Math.floor(env.random() * list.length)] ?? null;
}

/** Up to `count` different members in random order (partial Fisher–Yates). */
export function sample<T>(env: Env, list: readonly T[], count: number): T[] {
  const rest = [...list];
  const taken: T[] = [];
  while (taken.length < count && rest.length > 0) {
    const index = Math.floor(env.random() * rest.length);
    const last = rest.length - 1;
    const chosen = rest[index] as T;
    rest[index] = rest[last] as T;
    rest.length = last;
    taken.push(chosen);
  }
  return taken;
}
