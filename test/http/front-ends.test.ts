import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { frontEnds } from '../../src/http/front-ends.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'front-ends-'));
  put('common/index.html', 'common');
  put('common/assets/main.js', 'common script');
  put('frontend/ours/index.html', 'ours');
  put('frontend/ours/js/own.js', 'own script');
  put('frontend/empty/readme.txt', 'no page');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}

const files = (defaultName: string) => {
  const served = frontEnds({ builtIn: join(dir, 'common'), folder: join(dir, 'frontend'), defaultName });
  const plainly = { acceptEncoding: '', ifNoneMatch: '', ifRange: '', range: '' };
  return (path: string): string | null => served.serve(path, plainly)?.body.toString() ?? null;
};

describe('front-ends', () => {
  it('are each at /~NAME/, the default one at / as well', () => {
    const get = files('ours');
    expect([get('/'), get('/any/page'), get('/js/own.js')]).toEqual(['ours', 'ours', 'own script']);
    expect([get('/~ours/'), get('/~ours/a/page'), get('/~ours/js/own.js')]).toEqual(['ours', 'ours', 'own script']);
    expect([get('/~common'), get('/~common/assets/main.js')]).toEqual(['common', 'common script']);
    expect([get('/common/assets/main.js'), get('/assets/main.js')]).toEqual(['common script', 'common script']);
    expect([get('/~none/'), get('/js/none.js'), get('/~ours/../common/index.html')]).toEqual([null, null, null]);
  });

  it('leave / to the built-in one by default, also where there are no others', () => {
    expect(files('common')('/')).toBe('common');
    rmSync(join(dir, 'frontend'), { recursive: true });
    expect(files('common')('/nodes')).toBe('common');
  });

  it('need a page to be the default one', () => {
    for (const name of ['none', 'empty', '..']) expect(() => files(name)).toThrow(`--default-frontend ${name}: `);
  });
});
