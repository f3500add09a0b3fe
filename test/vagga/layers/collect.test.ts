import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collectPolicy, everyLayer, layersToRemove } from '../../../src/vagga/layers/collect.ts';
import type { KeptLayer } from '../../../src/vagga/layers/store.ts';

/** More of them: STELLWERK_RUNS=5000. */
const numRuns = Number(process.env.STELLWERK_RUNS ?? 300);

const layer = (name: string, below: string | null, lastUseMs: number, bytes = 10): KeptLayer => ({
  ...{ name, below, lastUseMs, bytes },
  key: `key of ${name}`,
});
const none = new Set<string>();
const remove = (layers: readonly KeptLayer[], policy: Partial<typeof everyLayer>, inUse: ReadonlySet<string> = none) =>
  [...layersToRemove(layers, inUse, { unusedForMs: null, mostBytes: null, ...policy }, 1000)].sort();

describe('layers that are removed', () => {
  const chain = [layer('a', null, 100), layer('b', 'a', 500), layer('c', 'a', 200)];

  it('are those that were not used for so long', () => {
    expect(remove(chain, { unusedForMs: 600 })).toEqual(['c']);
  });

  it('are not what a younger one stands on, however old that is', () => {
    expect(remove(chain, { unusedForMs: 501 })).toEqual(['c']);
    expect(remove(chain, { unusedForMs: 500 })).toEqual(['a', 'b', 'c']);
  });

  it('are the least recently used, until the others have room', () => {
    expect(remove(chain, { mostBytes: 20 })).toEqual(['c']);
    expect(remove(chain, { mostBytes: 19 })).toEqual(['b', 'c']);
    expect(remove(chain, { mostBytes: 30 })).toEqual([]);
  });

  it('are none that a build uses, nor what these stand on', () => {
    expect(remove(chain, everyLayer, new Set(['c']))).toEqual(['b']);
  });

  it('are those that stand on one that is gone', () => {
    expect(remove([layer('a', null, 900), layer('b', 'gone', 900)], {})).toEqual(['b']);
  });
});

/** What builds use, and all that it stands on. */
function neededBy(layers: readonly KeptLayer[], inUse: ReadonlySet<string>): ReadonlySet<string> {
  const byName = new Map(layers.map((each) => [each.name, each]));
  const needed = new Set<string>();
  for (const used of inUse) {
    for (let at = byName.get(used); at !== undefined; at = byName.get(at.below ?? '')) needed.add(at.name);
  }
  return needed;
}

describe('whatever the layers and the policy', () => {
  const layers = fc
    .array(
      fc.record({ below: fc.nat(12), lastUseMs: fc.nat(1000), bytes: fc.nat(100), lost: fc.nat(20), used: fc.nat(6) }),
      { maxLength: 12 },
    )
    .map((rows) => ({
      layers: rows.map(({ below, lastUseMs, bytes, lost }, index) =>
        layer(`l${index}`, lost === 0 ? 'gone' : below < index ? `l${below}` : null, lastUseMs, bytes),
      ),
      inUse: new Set(rows.flatMap(({ used }, index) => (used === 0 ? [`l${index}`] : []))),
    }));
  const policy = fc.record({
    unusedForMs: fc.option(fc.nat(1000)),
    mostBytes: fc.option(fc.nat(600)),
  });

  it('what stays can be used: all that it stands on stays too', () => {
    fc.assert(
      fc.property(layers, policy, ({ layers: all, inUse }, wanted) => {
        const gone = new Set(layersToRemove(all, inUse, wanted, 1000));
        const needed = neededBy(all, inUse);
        for (const { name, below } of all) {
          if (gone.has(name) || needed.has(name) || below === null) continue;
          expect([below === 'gone', gone.has(below)]).toEqual([false, false]);
        }
      }),
      { numRuns },
    );
  });

  it('nothing that a build uses goes, nor what that stands on', () => {
    fc.assert(
      fc.property(layers, policy, ({ layers: all, inUse }, wanted) => {
        const gone = new Set(layersToRemove(all, inUse, wanted, 1000));
        expect([...neededBy(all, inUse)].filter((name) => gone.has(name))).toEqual([]);
      }),
      { numRuns },
    );
  });

  it('the rest fits, unless builds use it', () => {
    fc.assert(
      fc.property(layers, fc.nat(600), ({ layers: all, inUse }, mostBytes) => {
        const gone = new Set(layersToRemove(all, inUse, { unusedForMs: null, mostBytes }, 1000));
        const left = all.filter(({ name }) => !gone.has(name));
        const needed = neededBy(all, inUse);
        const bytes = left.reduce((sum, each) => sum + each.bytes, 0);
        if (left.some(({ name }) => !needed.has(name))) expect(bytes).toBeLessThanOrEqual(mostBytes);
      }),
      { numRuns },
    );
  });
});

it('settings say what is removed after a build', () => {
  expect(collectPolicy({ layersMaxAge: 5, layersMaxSize: 7 })).toEqual({ unusedForMs: 5, mostBytes: 7 });
  expect(collectPolicy({ layersMaxAge: null, layersMaxSize: null }).mostBytes).toBe(20e9);
});
