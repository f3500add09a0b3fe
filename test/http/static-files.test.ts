import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { byteRange, staticFiles } from '../../src/http/static-files.ts';
import { ask } from './ask.ts';

let folder: string;
let server: HttpServer;
const page = '<!doctype html><title>Stellwerk</title>';
const script = 'console.log(1);'.repeat(50);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'static-'));
  const web = join(folder, 'web');
  mkdirSync(join(web, 'assets'), { recursive: true });
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  writeFileSync(join(web, 'index.html'), page);
  writeFileSync(join(web, 'assets/a-1.js'), script);
  writeFileSync(join(web, 'assets/a-1.js.br'), brotliCompressSync(script));
  writeFileSync(join(web, 'assets/a-1.js.gz'), gzipSync(script));
  writeFileSync(join(web, 'core'), 'of no known type');
  symlinkSync(join(folder, 'secret.txt'), join(web, 'link.txt'));
  server = await startHttp({ host: '127.0.0.1', port: 0, routes: [], staticDir: web });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const plainly = { acceptEncoding: '', ifNoneMatch: '', ifRange: '', range: '' };
const get = (path: string, headers = {}) => ask({ port: server.port, path, headers });

test('the page comes with a policy that lets nothing foreign in', async () => {
  const reply = await get('/');
  expect(reply.status).toBe(200);
  expect(reply.headers['content-type']).toContain('text/html');
  expect(reply.headers['content-security-policy']).toMatch(/^default-src 'self'; .*frame-ancestors 'none'/);
  expect(reply.headers['content-security-policy']).not.toContain('unsafe');
  expect(reply.headers['cache-control']).toBe('no-cache');
});

test('paths of the page’s own routes are the page; missing files and API paths are not', async () => {
  expect((await get('/cgroups/system')).text).toBe(page);
  expect((await get('/assets/missing.js')).status).toBe(404);
  expect((await get('/v1/missing')).status).toBe(404);
  expect((await ask({ port: server.port, method: 'POST', path: '/cgroups' })).status).toBe(404);
});

test('the best encoding that the client takes is sent', async () => {
  const of = async (accept: string) => {
    const reply = await get('/assets/a-1.js', { 'accept-encoding': accept });
    expect(reply.headers.vary).toBe('accept-encoding');
    expect(reply.headers['cache-control']).toContain('immutable');
    return reply;
  };
  expect(brotliDecompressSync((await of('gzip, deflate, br')).bytes).toString()).toBe(script);
  expect(gunzipSync((await of('gzip;q=0.5, br;q=0')).bytes).toString()).toBe(script);
  expect((await of('br;q=0, identity')).text).toBe(script);
  expect((await of('')).headers['content-encoding']).toBeUndefined();
});

test('what the client has is not sent again', async () => {
  const first = await get('/assets/a-1.js', { 'accept-encoding': 'br' });
  const etag = first.headers.etag ?? '';
  const again = await get('/assets/a-1.js', { 'accept-encoding': 'br', 'if-none-match': `"x", W/${etag}` });
  expect(again.status).toBe(304);
  expect(again.bytes).toHaveLength(0);
  const plain = await get('/assets/a-1.js', { 'if-none-match': etag });
  expect(plain.status).toBe(200);
});

test('HEAD of a file tells its length', async () => {
  const reply = await ask({ port: server.port, method: 'HEAD', path: '/assets/a-1.js' });
  expect(reply.headers['content-length']).toBe(String(script.length));
});

test('a part is sent where one is asked for, as long as the file is the one it was', async () => {
  const ranged = (range: string, headers = {}) => get('/assets/a-1.js', { range, ...headers });
  const part = await ranged('bytes=8-11');
  expect([part.status, part.text, part.headers['content-range']]).toEqual([206, 'log(', `bytes 8-11/${script.length}`]);
  expect((await ranged('bytes=-15')).text).toBe('console.log(1);');
  expect((await ranged(`bytes=${script.length - 2}-`)).text).toBe(');');
  expect((await ranged('bytes=0-0', { 'if-range': part.headers.etag ?? '' })).text).toBe('c');
  expect((await ranged('bytes=0-0', { 'if-range': '"another"' })).text).toBe(script);
  const outside = await ranged(`bytes=${script.length}-`);
  expect([outside.status, outside.headers['content-range']]).toEqual([416, `bytes */${script.length}`]);
  // RFC 9110, 14.2: what is no range that we know is ignored.
  for (const strange of ['bytes=5-2', 'bytes=0-1,4-5', 'lines=1-2', 'bytes=-', 'x']) {
    expect((await ranged(strange)).text).toBe(script);
  }
});

test('a range never reaches outside of the file', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.stringMatching(/^bytes=\d{0,12}-\d{0,12}$/), fc.string()),
      fc.nat(1000),
      (range, length) => {
        const part = byteRange(range, length);
        if (part === null || part === 'outside') return;
        expect(part.first).toBeGreaterThanOrEqual(0);
        expect(part.last).toBeGreaterThanOrEqual(part.first);
        expect(part.last).toBeLessThan(length);
      },
    ),
  );
});

test('no path leaves the folder', async () => {
  expect((await get('/../secret.txt')).status).toBe(404);
  expect((await get('/assets/%2e%2e/%2e%2e/secret.txt')).status).toBe(404);
  expect((await get('/link.txt')).status).toBe(404);
  const files = staticFiles(join(folder, 'web'));
  fc.assert(
    fc.property(fc.array(fc.constantFrom('..', '%2e%2e', '.', '', 'secret.txt', 'assets', '\0', '%00')), (parts) => {
      const reply = files.serve(`/${parts.join('/')}`, plainly);
      expect(reply?.body.toString() ?? page).toBe(page);
    }),
  );
});

test('a folder that is not there serves nothing and hinders nothing', () => {
  expect(staticFiles(join(folder, 'none')).serve('/', plainly)).toBeNull();
});
