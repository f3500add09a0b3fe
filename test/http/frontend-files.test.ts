import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { frontendFiles } from '../../src/http/frontend-files.ts';

let root: string;
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'frontends-'));
  put('web/index.html', 'built-in page');
  put('web/assets/main.js', 'built-in script');
  put('frontend/ops/index.html', 'ops page');
  put('frontend/ops/js/app.js', 'ops script');
  put('frontend/ops/files/deep/er/data.json', '{}');
  put('frontend/ops/private.txt', 'SECRET');
  put('frontend/.hidden/index.html', 'SECRET');
  put('frontend/SECRET.txt', 'SECRET');
  put('secret/js/key.js', 'SECRET');
  symlinkSync(join(root, 'secret/js/key.js'), join(root, 'frontend/ops/js/link.js'));
  symlinkSync(join(root, 'secret'), join(root, 'frontend/ops/img'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const plain = { acceptEncoding: '', ifNoneMatch: '', ifRange: '', range: '' };
const files = (defaultName = 'common') =>
  frontendFiles({ builtIn: join(root, 'web'), folder: join(root, 'frontend'), defaultName });
const text = (path: string, defaultName?: string): string | null =>
  files(defaultName).serve(path, plain)?.body.toString() ?? null;

describe('front-ends', () => {
  it('have their files below their name, and their page everywhere else there', () => {
    expect(text('/~ops/js/app.js')).toBe('ops script');
    expect(text('/~ops/files/deep/er/data.json')).toBe('{}');
    for (const path of ['/~ops', '/~ops/', '/~ops/roles/web', '/~ops/private.txt']) expect(text(path)).toBe('ops page');
    expect(text('/~ops/js/none.js')).toBeNull();
    expect(text('/~nobody/')).toBeNull();
    expect(files().serve('/~ops/js/app.js', plain)?.headers).toContainEqual([
      'content-type',
      'text/javascript; charset=utf-8',
    ]);
  });

  it('need a page to be the default one', () => {
    for (const name of ['none', '..', '']) expect(() => files(name)).toThrow(`--default-frontend ${name}: `);
  });

  it('leave the built-in one where it is', () => {
    for (const path of ['/', '/servers', '/~common/', '/common/', '/common/servers']) {
      expect(text(path)).toBe('built-in page');
    }
    expect(text('/common/assets/main.js')).toBe('built-in script');
  });

  it('answer paths that nothing is at with the page of the default one', () => {
    expect(text('/', 'ops')).toBe('ops page');
    expect(text('/roles/web', 'ops')).toBe('ops page');
    expect(text('/assets/main.js', 'ops')).toBe('built-in script');
    expect(text('/common/', 'ops')).toBe('built-in page');
    expect(text('/none.js', 'ops')).toBeNull();
  });

  it('are read anew: a file that was changed is served as it is now, one that was not is not sent again', () => {
    put('frontend/ops/css/style.css', 'a');
    const served = files();
    const first = served.serve('/~ops/css/style.css', plain);
    const etag = first?.headers.find(([name]) => name === 'etag')?.[1] ?? '';
    expect(served.serve('/~ops/css/style.css', { ...plain, ifNoneMatch: etag })?.status).toBe(304);
    put('frontend/ops/css/style.css', 'b');
    expect(served.serve('/~ops/css/style.css', { ...plain, ifNoneMatch: etag })?.body.toString()).toBe('b');
  });

  it('hold nothing that lies elsewhere, by no link and no path', () => {
    expect(text('/~ops/js/link.js')).toBeNull();
    expect(text('/~ops/img/js/key.js')).toBeNull();
    const parts = ['..', '.', '~', '~ops', '~.hidden', 'ops', 'js', 'img', 'files', 'link.js', 'private.txt', 'secret'];
    const odd = ['key.js', '%2e%2e', '%2f', '%5c', '..%2f..', '%00', '', 'SECRET.txt', '\\', '~..', '~%2e%2e', '%zz'];
    const segment = fc.oneof(fc.constantFrom(...parts, ...odd), fc.string());
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 8 }), fc.constantFrom('common', 'ops'), (path, name) => {
        expect(text(`/${path.join('/')}`, name) ?? '').not.toContain('SECRET');
      }),
      { numRuns: 1000 },
    );
  });
});
