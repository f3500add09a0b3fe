import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VersionedMap } from '../../src/cluster/gossip/versioned-map.ts';

const key = fc.nat({ max: 9 });
const change = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }),
  fc.record({ kind: fc.constant('delete' as const), key }),
);
/** From which earlier version, and what is changed in the new one. */
const history = fc.array(fc.record({ from: fc.nat(), changes: fc.array(change, { maxLength: 5 }) }), { maxLength: 20 });

const sorted = (map: ReadonlyMap<number, number>): [number, number][] => [...map].sort((a, b) => a[0] - b[0]);

test('every version reads as a copy would, whichever later ones came of it and in whatever order they are read', () => {
  fc.assert(
    fc.property(history, fc.array(fc.nat(), { maxLength: 20 }), (steps, reads) => {
      const copies: Map<number, number>[] = [new Map([[1, 1]])];
      const versions: ReadonlyMap<number, number>[] = [VersionedMap.fork(copies[0] as Map<number, number>)];
      for (const { from, changes } of steps) {
        const copy = new Map(copies[from % copies.length]);
        const version = VersionedMap.fork(versions[from % versions.length] as ReadonlyMap<number, number>);
        for (const each of changes) {
          if (each.kind === 'set') {
            copy.set(each.key, each.value);
            version.set(each.key, each.value);
          } else expect(version.delete(each.key)).toBe(copy.delete(each.key));
        }
        copies.push(copy);
        versions.push(version);
      }
      for (const read of [...reads, ...versions.keys()]) {
        const at = read % versions.length;
        const [version, copy] = [versions[at], copies[at]];
        if (version === undefined || copy === undefined) throw new Error('no version');
        expect(sorted(version)).toEqual(sorted(copy));
        expect(version.size).toBe(copy.size);
        expect(version.get(3)).toBe(copy.get(3));
      }
    }),
  );
});

test('what was touched between two versions is told, and that of strangers is not', () => {
  const first = VersionedMap.fork(new Map([[1, 'a']]));
  const second = VersionedMap.fork(first).set(2, 'b');
  const third = VersionedMap.fork(second).set(1, 'c');
  expect(first.touchedUntil(third)).toEqual(new Set([1, 2]));
  expect(second.touchedUntil(third)).toEqual(new Set([1]));
  expect(third.touchedUntil(third)).toEqual(new Set());
  expect(third.touchedUntil(first)).toBeNull();
});
