/**
 * A map of which each step has a version of its own without copying it. The newest version owns the table; a version
 * that was forked keeps what to undo to be read again, and makes itself a table only when somebody does (after Baker,
 * "Shallow binding makes functional arrays fast", 1991). A thousand nodes hold a thousand peers each, and every packet
 * touches one of them.
 */
export class VersionedMap<K, V> implements ReadonlyMap<K, V> {
  /** Null: a later version has it. */
  #table: Map<K, V> | null;
  /** How to get from this version back to the one that it was forked from, the last change last. */
  #undo: Undo<K, V>[] | null = null;
  /** The version that has the table, or knows who has. */
  #later: VersionedMap<K, V> | null = null;

  private constructor(table: Map<K, V>) {
    this.#table = table;
  }

  /** The next version, to be changed by whoever forked it and by nobody afterwards. `map` stays as it is. */
  static fork<K, V>(map: ReadonlyMap<K, V>): VersionedMap<K, V> {
    if (!(map instanceof VersionedMap)) return new VersionedMap(new Map(map));
    const version = new VersionedMap<K, V>(map.#own());
    map.#table = null;
    map.#later = version;
    return version;
  }

  set(key: K, value: V): this {
    const table = this.#own();
    const former = table.get(key);
    this.#undo ??= [];
    this.#undo.push({ key, had: former !== undefined || table.has(key), value: former });
    table.set(key, value);
    return this;
  }

  delete(key: K): boolean {
    const table = this.#own();
    if (!table.has(key)) return false;
    this.#undo ??= [];
    this.#undo.push({ key, had: true, value: table.get(key) });
    return table.delete(key);
  }

  /** Keys that may differ in `map`, which came of this version; null where that cannot be told. */
  touchedUntil(map: ReadonlyMap<K, V>): ReadonlySet<K> | null {
    const keys = new Set<K>();
    for (let version: VersionedMap<K, V> = this; version !== map; ) {
      const later: VersionedMap<K, V> | null = version.#later;
      if (later === null) return null;
      for (const { key } of later.#undo ?? []) keys.add(key);
      version = later;
    }
    return keys;
  }

  get size(): number {
    return this.#own().size;
  }
  has(key: K): boolean {
    return this.#own().has(key);
  }
  get(key: K): V | undefined {
    return this.#own().get(key);
  }
  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.#own()) visit(value, key, this);
  }
  entries(): MapIterator<[K, V]> {
    return this.#own().entries();
  }
  keys(): MapIterator<K> {
    return this.#own().keys();
  }
  values(): MapIterator<V> {
    return this.#own().values();
  }
  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#own().entries();
  }

  #own(): Map<K, V> {
    if (this.#table !== null) return this.#table;
    const logs: (readonly Undo<K, V>[])[] = [];
    let newest: VersionedMap<K, V> = this;
    while (newest.#later !== null) {
      newest = newest.#later;
      if (newest.#undo !== null) logs.push(newest.#undo);
    }
    const table = new Map(newest.#table);
    for (const undo of logs.reverse()) {
      for (const { key, had, value } of undo.toReversed()) {
        if (had) table.set(key, value as V);
        else table.delete(key);
      }
    }
    this.#table = table;
    this.#later = null;
    return table;
  }
}

interface Undo<K, V> {
  readonly key: K;
  readonly had: boolean;
  readonly value: V | undefined;
}
