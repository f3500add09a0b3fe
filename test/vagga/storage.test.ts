import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { timingLine, timings } from '../../src/vagga/build/timings.ts';
import { everythingOf } from '../../src/vagga/command-line/clean-global.ts';
import { isTold, logLevel } from '../../src/vagga/log-level.ts';
import { Refusal } from '../../src/vagga/refusal.ts';
import { cacheFolder, lockable, ownCache } from '../../src/vagga/store/cache-folder.ts';
import { initStorage, storeOf, subdirOf } from '../../src/vagga/store/place.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'vagga-place-')));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const made = (...parts: readonly string[]): string => {
  const path = join(folder, ...parts);
  mkdirSync(path, { recursive: true });
  return path;
};
const settings = { storageDir: null, cacheDir: null, storageSubdirFromEnvVar: null, versionedBuildDir: false } as const;

describe('the place of builds', () => {
  it('is in the project where settings name no other', () => {
    const store = storeOf('/p', settings, {});
    expect(store).toMatchObject({
      storage: '/p/.vagga',
      links: '/p/.vagga',
      linkPrefix: '',
      cache: '/p/.vagga/.cache',
    });
  });

  it('is the one that leads back to the project, where a vagga was killed before it linked it', () => {
    const [project, storageDir] = [made('p'), made('store')];
    made('store/p');
    symlinkSync(project, join(storageDir, 'p/.lnk'));
    expect(storeOf(project, { ...settings, storageDir }, {}).storage).toBe(join(storageDir, 'p'));
    expect(readlinkSync(join(project, '.vagga/.lnk'))).toBe(join(storageDir, 'p'));
    expect(readdirSync(storageDir)).toEqual(['p']);
  });

  it('has no number beyond a hundred', () => {
    const [project, storageDir] = [made('p'), made('store')];
    for (let index = 0; index <= 100; index++) made('store', index === 0 ? 'p' : `p-${index}`);
    expect(() => storeOf(project, { ...settings, storageDir }, {})).toThrow(/p-1 to p-100 already\nhint: /);
    rmSync(join(storageDir, 'p-100'), { recursive: true });
    expect(storeOf(project, { ...settings, storageDir }, {}).storage).toBe(join(storageDir, 'p-100'));
    expect(readlinkSync(join(project, '.vagga/.lnk'))).toBe(join(storageDir, 'p-100'));
  });

  it('is found through links of the setting itself', () => {
    const [project] = [made('p'), made('real')];
    symlinkSync(join(folder, 'real'), join(folder, 'alias'));
    const storageDir = join(folder, 'alias');
    expect(storeOf(project, { ...settings, storageDir }, {}).storage).toBe(join(folder, 'real/p'));
    expect(storeOf(project, { ...settings, storageDir }, {}).storage).toBe(join(folder, 'real/p'));
  });

  it('named by a variable is a plain name, whatever the variable says', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        let name: string | null;
        try {
          name = subdirOf('X', { X: value });
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
          expect(value).toBe('');
          return;
        }
        expect(name).toMatch(/^[\w-]+$/);
      }),
    );
    expect(subdirOf('X', { X: 'feature/ä+1' })).toBe('feature-1');
  });

  it('is named once, without a slash', () => {
    const [project, storageDir] = [made('p'), made('store')];
    expect(initStorage(project, { storageDir }, 'x/y', false)).toContain('without /');
    expect(initStorage(project, { storageDir }, '..', false)).toContain('expected a name');
    expect(initStorage(project, { storageDir: null }, 'x', false)).toContain('no setting storage-dir');
    expect(existsSync(join(project, '.vagga'))).toBe(false);
    expect(initStorage(project, { storageDir }, 'x', false)).toBe(null);
    expect(initStorage(project, { storageDir }, 'y', true)).toContain('already');
  });

  it('is removed as a whole, but for what the user wrote', () => {
    const project = made('p');
    const store = storeOf(project, settings, {});
    expect(everythingOf(store)).toEqual([]);
    made('p/.vagga/.roots');
    expect(everythingOf(store)).toEqual([join(project, '.vagga')]);
    writeFileSync(join(project, '.vagga/local.yaml'), '');
    expect(everythingOf(store)).toEqual([join(project, '.vagga/.roots')]);
  });
});

describe('a cache of several users', () => {
  it('has a folder for each but its owner, for what belongs to the ids of one', () => {
    const cache = made('cache');
    const { uid } = lstatSync(cache);
    expect([ownCache(cache, uid), ownCache(cache, uid + 1)]).toEqual([cache, join(cache, `of-${uid + 1}`)]);
    expect(ownCache(join(cache, 'to-be-made'), 7)).toBe(join(cache, 'to-be-made'));
  });

  it('has folders and locks for all who may write to it', () => {
    const cache = made('cache');
    const mode = (path: string): number => lstatSync(path).mode & 0o7777;
    for (const [wanted, ofFolder, ofLock] of [
      [0o777, 0o777, 0o666],
      [0o755, 0o755, 0o644],
      [0o700, 0o700, 0o600],
    ] as const) {
      rmSync(cache, { recursive: true });
      mkdirSync(cache);
      chmodSync(cache, wanted);
      const inner = cacheFolder(cache, 'a/b');
      lockable(join(inner, 'lock'));
      expect([mode(inner), mode(join(inner, 'lock'))]).toEqual([ofFolder, ofLock]);
      lockable(join(inner, 'lock'));
    }
  });
});

describe('what stands beside a build, and on stderr', () => {
  it('are seconds since its begin and of each step', () => {
    let now = 1000;
    const clock = timings(join(made('build'), 'root'), () => now);
    now = 1250;
    clock.mark('Step 1: !Sh');
    now = 13_500;
    clock.mark('Finish');
    expect(readFileSync(join(folder, 'build/timings.log'), 'utf8')).toBe(
      timingLine(250, 250, 'Step 1: !Sh') + timingLine(12_500, 12_250, 'Finish'),
    );
    expect(timingLine(12_500, 250, 'x')).toBe('   12.500     0.250 x\n');
  });

  it('are warnings, unless only errors are wanted', () => {
    expect(logLevel(undefined)).toEqual({ level: 'warn', problem: null });
    expect(logLevel('info').level).toBe('warn');
    expect(logLevel('toString').problem).toContain('not one of');
    expect([isTold('error', 'WARNING: x'), isTold('error', 'x'), isTold('warn', 'WARNING: x')]).toEqual([
      false,
      true,
      true,
    ]);
  });
});
