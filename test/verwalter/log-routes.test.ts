import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBelow } from '../../src/http/open-file.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { openIndexedLog } from '../../src/verwalter/log/indexed-log.ts';
import { logRoutes } from '../../src/verwalter/log/log-routes.ts';
import { currentLogDirs } from '../../src/verwalter/render/sandbox.ts';
import { ask } from '../http/ask.ts';

const secret = 'nobody may read this';
const html = '<script>document.title = "owned"</script>';
let folder: string;
let server: HttpServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'verwalter-log-routes-'));
  const at = (...parts: string[]): string => join(folder, ...parts);
  const log = openIndexedLog({
    dir: at('log'),
    keep: { ms: 1e9, bytes: 1e9 },
    nowMs: () => Date.UTC(2026, 0, 2, 3, 4, 5),
  });
  const deployment = log.deployment('one', 'debug');
  deployment.changes('0123456789abcdef', ['web starts']);
  const role = deployment.role('web');
  role.line(html);
  role.finish();
  deployment.finish('DeploymentFinish');
  for (const dir of ['nginx/sub', 'elsewhere', 'sandbox']) mkdirSync(at(dir), { recursive: true });
  writeFileSync(at('nginx', 'sub', 'access.log'), 'a request\n');
  writeFileSync(at('nginx', 'page.html'), html);
  writeFileSync(at('elsewhere', 'secret'), secret);
  writeFileSync(at('secret'), secret);
  writeFileSync(at('log', 'secret'), secret);
  symlinkSync('../elsewhere/secret', at('nginx', 'link'));
  symlinkSync('../elsewhere', at('nginx', 'away'));
  symlinkSync('sub/access.log', at('nginx', 'current'));
  symlinkSync('../../secret', at('log', 'web', 'log.20260102030406.txt'));
  writeFileSync(at('sandbox', 'logs.yaml'), `log-dirs: { nginx: ${at('nginx')}, gone: ${at('gone')} }\n`);
  server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    routes: logRoutes({ logDir: at('log'), logDirs: currentLogDirs(at('sandbox')) }),
  });
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}) => ask({ port: server.port, path, headers });
const getJson = async (path: string): Promise<unknown> => JSON.parse((await get(path)).text);
const own = (path: string): string => readFileSync(join(folder, path), 'utf8');

describe('logs over HTTP', () => {
  it('gives each of the four kinds as it is in its file, by name and as latest', async () => {
    for (const [path, file] of [
      ['index/index.20260102.json', 'log/.index/index.20260102.json'],
      ['index/latest', 'log/.index/index.20260102.json'],
      ['global/log.20260102030405.txt', 'log/.global/log.20260102030405.txt'],
      ['changes/latest', 'log/.changes/log.20260102030405.txt'],
      ['role/web/log.20260102030405.txt', 'log/web/log.20260102030405.txt'],
      ['external/nginx/sub/access.log', 'nginx/sub/access.log'],
      ['external/nginx/current', 'nginx/sub/access.log'],
    ] as const) {
      const reply = await get(`/v1/log/${path}`);
      expect([path, reply.status, reply.text]).toEqual([path, 200, own(file)]);
    }
  });

  it('lists what there is', async () => {
    expect(await getJson('/v1/log')).toEqual({ roles: ['web'], external: ['gone', 'nginx'] });
    expect(await getJson('/v1/log/role/web')).toMatchObject({
      files: [{ name: 'log.20260102030406.txt' }, { name: 'log.20260102030405.txt', current: true }],
    });
    expect(await getJson('/v1/log/index')).toMatchObject({ files: [{ name: 'index.20260102.json', current: true }] });
    const external = (await getJson('/v1/log/external/nginx')) as { files: { name: string }[] };
    expect(external.files.map(({ name }) => name).sort()).toEqual(['page.html', 'sub/access.log']);
    expect((await get('/v1/log/role/nobody')).status).toBe(404);
    expect((await get('/v1/log/external/gone')).status).toBe(404);
  });

  it('refuses an alias that no sandbox file names, and tells which there are', async () => {
    for (const path of [
      '/v1/log/external/other/access.log',
      '/v1/log/external/other',
      '/v1/log/external/__proto__/x',
    ]) {
      const reply = await get(path);
      expect(reply.status).toBe(403);
      expect(reply.text).toContain('known: gone, nginx');
    }
  });

  it('sends nothing that a browser would run', async () => {
    for (const path of ['role/web/latest', 'external/nginx/page.html', 'index/index.20260102.json']) {
      const { headers } = await get(`/v1/log/${path}`);
      expect(headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("default-src 'none'");
    }
  });

  it('gives ranges of a file, and says where its end is to who asks beyond it', async () => {
    const text = own('log/web/log.20260102030405.txt');
    const path = '/v1/log/role/web/latest';
    const part = await get(path, { range: 'bytes=10-19' });
    expect([part.status, part.text]).toEqual([206, text.slice(10, 20)]);
    expect(part.headers['content-range']).toBe(`bytes 10-19/${text.length}`);
    expect((await get(path, { range: 'bytes=-7' })).text).toBe(text.slice(-7));
    const beyond = await get(path, { range: `bytes=${text.length}-` });
    expect([beyond.status, beyond.headers['content-range'], beyond.text]).toEqual([416, `bytes */${text.length}`, '']);
  });

  it('does not send again what has not changed, and does once it has', async () => {
    const path = '/v1/log/external/nginx/sub/access.log';
    const first = await get(path);
    const etag = first.headers.etag ?? '';
    const modified = first.headers['last-modified'] ?? '';
    const same = await get(path, { 'if-none-match': etag });
    expect([same.status, same.headers['content-length'] ?? 'none', same.text]).toEqual([304, 'none', '']);
    expect((await get(path, { 'if-modified-since': modified })).status).toBe(304);
    expect((await get(path, { 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).status).toBe(200);
    expect((await get(path, { range: 'bytes=0-0', 'if-range': etag })).text).toBe('a');
    appendFileSync(join(folder, 'nginx', 'sub', 'access.log'), 'another\n');
    expect((await get(path, { 'if-none-match': etag })).text).toBe('a request\nanother\n');
    expect((await get(path, { range: 'bytes=0-0', 'if-range': etag })).status).toBe(200);
  });

  it('streams a file of many MiB whole, at the pace of its reader', async () => {
    const bytes = Buffer.alloc(9 * 2 ** 20 + 17, 'stellwerk logs ');
    writeFileSync(join(folder, 'nginx', 'large.log'), bytes);
    const path = '/v1/log/external/nginx/large.log';
    const head = await ask({ port: server.port, method: 'HEAD', path });
    expect(head.headers['content-length']).toBe(String(bytes.length));
    const received = await new Promise<Buffer>((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: server.port, path, agent: false }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          reply.pause();
          setTimeout(() => reply.resume(), 1);
        });
        reply.on('error', reject);
        reply.on('end', () => resolve(Buffer.concat(chunks)));
      });
      sent.on('error', reject);
      sent.end();
    });
    expect(received.equals(bytes)).toBe(true);
    expect(
      (await get(path, { range: `bytes=5-${8 * 2 ** 20}` })).bytes.equals(bytes.subarray(5, 8 * 2 ** 20 + 1)),
    ).toBe(true);
  });

  it('a reader that goes in the middle of a large file harms nobody', async () => {
    writeFileSync(join(folder, 'nginx', 'large.log'), Buffer.alloc(30 * 2 ** 20));
    await new Promise<void>((resolve) => {
      const sent = request(
        { host: '127.0.0.1', port: server.port, path: '/v1/log/external/nginx/large.log' },
        (reply) =>
          reply.once('data', () => {
            reply.destroy();
            resolve();
          }),
      );
      sent.on('error', () => {});
      sent.end();
    });
    expect((await get('/v1/log/external/nginx/sub/access.log')).status).toBe(200);
  });

  it('answers 404 where a link leads out of the folder', async () => {
    for (const path of ['external/nginx/link', 'external/nginx/away/secret', 'role/web/log.20260102030406.txt']) {
      expect([path, (await get(`/v1/log/${path}`)).status]).toEqual([path, 404]);
    }
  });

  it('never serves a byte from outside, whatever the path', async () => {
    const piece = fc.constantFrom(
      ...['..', '.', '', '%2e%2e', '%2E.', '..%2f..', '%2f', '%00', '\\', 'secret', 'elsewhere', 'link', 'away', 'sub'],
      ...['nginx', 'web', 'latest', '.global', '.index', 'log', 'access.log', '~', 'etc', 'passwd', '*', '%25'],
    );
    const start = fc.constantFrom('external/nginx', 'external', 'role/web', 'role', 'index', 'global', 'changes', '');
    await fc.assert(
      fc.asyncProperty(start, fc.array(piece, { maxLength: 6 }), async (first, rest) => {
        const reply = await get(`/v1/log/${[first, ...rest].join('/')}`);
        expect(reply.text).not.toContain(secret);
        expect(reply.text).not.toContain('root:');
        expect([200, 403, 404]).toContain(reply.status);
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 150) },
    );
  });

  it('opens below a folder only what is really there, for any text as a path', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.array(fc.constantFrom('..', 'away', 'sub', '/', 'secret')).map((parts) => parts.join('/')),
        ),
        async (path) => {
          const file = await openBelow(join(folder, 'nginx'), path);
          if (file === null) return;
          const text = (await file.read(0, file.size)).toString();
          await file.close();
          expect(text).not.toContain(secret);
        },
      ),
      { numRuns: Number(process.env.FC_RUNS ?? 300) },
    );
    expect(await openBelow(join(folder, 'nginx'), '/etc/passwd')).toBeNull();
    expect(await openBelow(join(folder, 'nginx'), 'sub')).toBeNull();
  });
});
