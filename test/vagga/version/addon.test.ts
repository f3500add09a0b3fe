import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFailure } from '../../../src/native/container.ts';
import { hashAddon } from '../../../src/native/hash.ts';

const addon = hashAddon();

describe('the hash addon', () => {
  it('agrees with OpenSSL on any bytes in any pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }), (pieces) => {
        const state = pieces.reduce((before, piece) => addon.update(before, Buffer.from(piece)), addon.initial(64));
        const expected = createHash('blake2b512').update(Buffer.concat(pieces)).digest();
        expect(addon.digest(state)).toEqual(expected);
      }),
    );
  });

  it('takes no state that is none', () => {
    const state = addon.initial(64);
    expect(() => addon.update(state.subarray(1), Buffer.alloc(0))).toThrow(TypeError);
    expect(() => addon.digest(Buffer.alloc(state.length))).toThrow(TypeError);
    expect(() => addon.initial(65)).toThrow(TypeError);
    expect(() => addon.initial(0)).toThrow(TypeError);
  });

  it('says which call failed on which path', async () => {
    const listed = await addon.listFolders('/nowhere', '', Buffer.from('.\0'), 1);
    expect(isFailure(listed) ? listed.message : listed).toBe('list folder: open: /nowhere: No such file or directory');
  });

  it('refuses arguments of other kinds instead of reading them', () => {
    const wrong = addon as unknown as Record<string, (...words: unknown[]) => unknown>;
    for (const name of ['update', 'digest', 'listFolders', 'lookAtFiles', 'hashFiles']) {
      expect(() => wrong[name]?.()).toThrow(TypeError);
      expect(() => wrong[name]?.({}, {}, {}, {})).toThrow(TypeError);
    }
  });
});
