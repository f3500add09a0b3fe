import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { folderCache, type HashCache } from '../../../src/vagga/version/cache.ts';
import { known, makeProject, setup, type TestProject } from './project.ts';

/** More of them: STELLWERK_RUNS=2000. */
const runs = Number(process.env.STELLWERK_RUNS ?? 12);

let project: TestProject;
let store: string;
beforeEach(() => {
  project = makeProject();
  store = join(project.root, '.vagga/.cache/hash');
});
afterEach(() => {
  vi.restoreAllMocks();
  project.remove();
});

const yaml = setup('!Copy { source: /work/dir, path: /dir }', '!Depends dir', '!Sh "true"');

/** A cache that counts what it knew. */
function counting(cache: HashCache): HashCache & { readonly hits: () => number } {
  let hits = 0;
  return {
    keep: cache.keep,
    find(before, fingerprint) {
      const state = cache.find(before, fingerprint);
      if (state !== null) hits++;
      return state;
    },
    hits: () => hits,
  };
}

async function hashed(cache?: HashCache): Promise<string> {
  return known(await project.version(yaml, cache === undefined ? {} : { cache })).hash;
}

/** Files of now look old enough to be trusted. */
function laterBy(ms: number): void {
  const now = Date.now;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + ms);
}

/** Until the clock of the file system has moved on: what changes from then on has another time. */
function nextTick(): void {
  const file = join(project.root, 'tick');
  const time = (): bigint => {
    writeFileSync(file, 'x');
    return statSync(file, { bigint: true }).ctimeNs;
  };
  for (const first = time(); time() === first; );
}

describe('the cache of hashed files', () => {
  it('knows an unchanged tree, and gives the same hash for it', async () => {
    laterBy(10_000);
    project.write('dir/a', 'first');
    const plain = await hashed();
    const cache = counting(folderCache(store));
    expect([await hashed(cache), cache.hits()]).toEqual([plain, 0]);
    expect([await hashed(cache), cache.hits()]).toEqual([plain, 2]);
  });

  it('trusts no file that changed less than two seconds before it was read, whatever its mtime', async () => {
    const began = Date.now();
    vi.spyOn(Date, 'now').mockReturnValue(began + 1_900);
    project.write('dir/a', 'first');
    project.age('dir/a');
    const cache = counting(folderCache(store));
    await hashed(cache);
    await hashed(cache);
    expect(cache.hits()).toBe(0);
  });

  it('makes no difference to any hash, whatever changes', async () => {
    laterBy(10_000);
    const change = fc.record({
      path: fc.constantFrom('dir/a', 'dir/sub/b', 'dir/new', 'dir/sub/deep/x'),
      what: fc.constantFrom('write', 'remove', 'chmod', 'same'),
      content: fc.constantFrom('', 'first', 'FIRST', 'x'.repeat(300_000)),
      old: fc.boolean(),
    });
    const cache = counting(folderCache(store));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
        project.write('dir/a', 'first');
        for (const { path, what, content, old } of changes) {
          nextTick();
          if (what === 'write') project.write(path, content);
          else if (what === 'chmod') project.write(path, 'first', 0o755);
          else if (what === 'remove') rmSync(join(project.root, path), { force: true });
          if (old && (what === 'write' || what === 'chmod')) project.age(path);
          const plain = await hashed();
          expect(await hashed(cache)).toBe(plain);
          expect(await hashed(cache)).toBe(plain);
        }
      }),
      { numRuns: runs },
    );
    expect(cache.hits()).toBeGreaterThan(0);
  });

  it('takes no entry that is damaged', async () => {
    laterBy(10_000);
    project.write('dir/a', 'first');
    const plain = await hashed(folderCache(store));
    const damages: readonly ((bytes: Buffer) => Buffer)[] = [
      (bytes) => bytes.subarray(0, -1),
      (bytes) => Buffer.from(bytes.map((byte, at) => (at === 100 ? byte ^ 1 : byte))),
      () => Buffer.alloc(0),
    ];
    for (const damage of damages) {
      for (const entry of readdirSync(store)) {
        writeFileSync(join(store, entry), damage(readFileSync(join(store, entry))));
      }
      const cache = counting(folderCache(store));
      expect([await hashed(cache), cache.hits()]).toEqual([plain, 0]);
    }
  });

  it('keeps some hundred entries, those of the latest use', () => {
    const cache = folderCache(store);
    const files = (number: number) => ({ fingerprint: Buffer.from([number >> 8, number & 255]), newestChangeNs: 0n });
    const state = Buffer.from('state');
    for (let number = 0; number < 700; number++) {
      cache.keep(state, { ...files(number), entries: 0, bytes: 0, list: {} as never }, Date.now(), state);
    }
    expect(readdirSync(store).length).toBeLessThanOrEqual(512);
    expect(cache.find(state, files(699).fingerprint)).toEqual(state);
  });

  it('is done without where its folder cannot be made', async () => {
    laterBy(10_000);
    project.write('dir/a', 'first');
    project.write('.vagga', 'a file');
    expect(await hashed(folderCache(store))).toBe(await hashed());
  });
});
