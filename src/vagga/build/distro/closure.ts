/** What a package has to be for its needs to be found. */
export interface Needing {
  readonly name: string;
  /** All of these, each one of its alternatives. */
  readonly depends: readonly (readonly string[])[];
  readonly provides: readonly string[];
}

export type Closure<T extends Needing> =
  | { readonly kind: 'closed'; readonly packages: readonly T[] }
  /** `needed` by `by`, and no package has or provides it. */
  | { readonly kind: 'missing'; readonly needed: readonly string[]; readonly by: string };

/**
 * These packages with all that they need. Of alternatives the first that is chosen already is taken, else the first that
 * is there, else the first (in the order of `known`) that provides one of them.
 */
export function closure<T extends Needing>(known: ReadonlyMap<string, T>, names: readonly string[]): Closure<T> {
  const providers = new Map<string, T[]>();
  for (const each of known.values()) {
    for (const virtual of each.provides) {
      const others = providers.get(virtual);
      if (others === undefined) providers.set(virtual, [each]);
      else others.push(each);
    }
  }
  const chosen = new Map<string, T>();
  const provided = new Set<string>();
  const pending: T[] = [];
  const choose = (alternatives: readonly string[], by: string): Closure<T> | null => {
    if (alternatives.some((name) => chosen.has(name) || provided.has(name))) return null;
    const found =
      alternatives.map((name) => known.get(name)).find((each) => each !== undefined) ??
      alternatives.flatMap((name) => providers.get(name) ?? [])[0];
    if (found === undefined) return { kind: 'missing', needed: alternatives, by };
    chosen.set(found.name, found);
    for (const virtual of found.provides) provided.add(virtual);
    pending.push(found);
    return null;
  };
  for (const name of names) {
    const missing = choose([name], 'the root');
    if (missing !== null) return missing;
  }
  for (let each = pending.shift(); each !== undefined; each = pending.shift()) {
    for (const alternatives of each.depends) {
      const missing = choose(alternatives, each.name);
      if (missing !== null) return missing;
    }
  }
  return { kind: 'closed', packages: [...chosen.values()] };
}

/** The packages of a closure; throws where one is missing. */
export function closed<T extends Needing>(result: Closure<T>): readonly T[] {
  if (result.kind === 'closed') return result.packages;
  throw new Error(`no package for ${result.needed.join(' | ')}, which ${result.by} needs`);
}
