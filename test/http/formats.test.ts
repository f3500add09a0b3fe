import { decode, encode } from 'cborg';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromCbor } from '../../src/http/body.ts';
import { formatAccepted, toCbor } from '../../src/http/format.ts';
import { gron } from '../../src/http/gron.ts';
import { json, type Route } from '../../src/http/route.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { asJson, ask } from './ask.ts';

const state = { name: 'n1', 'odd key': [1, 2.5, null, true], empty: {} };
let acted = 0;
const route = (method: 'GET' | 'POST', path: string, handle: Route['handle']): Route => ({
  ...{ method, path, access: 'read', summary: path, handle },
});
let server: HttpServer;
beforeAll(async () => {
  server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    software: 'cantal/1.2.3',
    routes: [
      route('GET', '/status', () => json(state)),
      route('GET', '/gone', () => json({ error: 'gone', at: undefined }, 410)),
      route('GET', '/v1/of/:name', ({ params }) => json(params)),
      route('GET', '/v1/metrics.json', () => json('exactly this')),
      route('GET', '/text', () => ({ status: 200, text: 'text', contentType: 'text/plain' })),
      route('GET', '/exact', () => ({ status: 200, json: '18446744073709551615', cbor: () => 2n ** 64n - 1n })),
      route('POST', '/echo', ({ body }) => {
        acted += 1;
        return json(body ?? 'nothing');
      }),
    ],
  });
});
afterAll(() => server.stop());
const get = (path: string, headers = {}) => ask({ port: server.port, path, headers });
const asCbor = { 'content-type': 'application/cbor' };

describe('the suffix', () => {
  test('chooses the format of whatever answers JSON', async () => {
    expect(JSON.parse((await get('/status')).text)).toEqual(state);
    expect(JSON.parse((await get('/status.json')).text)).toEqual(state);
    const indented = await get('/status.pretty');
    expect(indented.headers['content-type']).toBe('application/json');
    expect(indented.text).toBe(`${JSON.stringify(state, null, 2)}\n`);
    const cbor = await get('/status.cbor');
    expect(cbor.headers['content-type']).toBe('application/cbor');
    expect(decode(cbor.bytes)).toEqual(state);
    const lines = await get('/status.gron');
    expect(lines.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(lines.text).toContain('json["odd key"][1] = 2.5;\n');
    expect(decode((await get('/v1.cbor')).bytes)).toHaveProperty('routes');
  });

  test('is taken from the last segment, and not from a route that is called so', async () => {
    expect(decode((await get('/v1/of/a.b.cbor')).bytes)).toEqual({ name: 'a.b' });
    expect(JSON.parse((await get('/v1/of/a.b')).text)).toEqual({ name: 'a.b' });
    expect(JSON.parse((await get('/v1/metrics.json')).text)).toBe('exactly this');
    expect(decode((await get('/v1/metrics.json.cbor')).bytes)).toBe('exactly this');
  });

  test('that names no format is 406 where the path is known, 404 elsewhere', async () => {
    expect((await get('/status.xml')).status).toBe(406);
    expect((await get('/text.cbor')).status).toBe(406);
    expect((await get('/nothing.xml')).status).toBe(404);
  });

  test('goes for errors and for answers to POST too', async () => {
    const gone = await get('/gone.cbor');
    expect([gone.status, decode(gone.bytes)]).toEqual([410, { error: 'gone' }]);
    const body = { port: server.port, method: 'POST', path: '/echo.gron', headers: asJson, body: '[1]' };
    expect((await ask(body)).text).toBe('json = [];\njson[0] = 1;\n');
  });

  test('a value that JSON cannot say exactly is exact in CBOR', async () => {
    expect(JSON.parse((await get('/exact')).text)).toBe('18446744073709551615');
    expect(decode((await get('/exact.cbor')).bytes)).toBe(18446744073709551615n);
  });
});

describe('Accept', () => {
  test('chooses between JSON and CBOR where there is no suffix', async () => {
    expect(decode((await get('/status', { accept: 'application/cbor' })).bytes)).toEqual(state);
    expect(formatAccepted('text/html,application/xhtml+xml,*/*;q=0.8')).toBe('json');
    expect(formatAccepted('application/json;q=0.1, application/cbor;q=0.2')).toBe('cbor');
    expect(formatAccepted('application/*, application/cbor;q=0')).toBe('json');
    expect(formatAccepted('*/*, application/json;q=0')).toBe('cbor');
    expect(formatAccepted('')).toBe('json');
  });

  test('that cannot be had is 406, before anything is done', async () => {
    expect((await get('/status', { accept: 'text/html' })).status).toBe(406);
    expect((await get('/text', { accept: 'text/plain' })).status).toBe(200);
    const before = acted;
    const headers = { ...asJson, accept: 'image/png' };
    expect((await ask({ port: server.port, method: 'POST', path: '/echo', headers, body: '1' })).status).toBe(406);
    expect(acted).toBe(before);
  });

  test('may be anything', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z*/;=q.,0-9 -]*$/)), (accept) => {
        expect(['json', 'cbor', null]).toContain(formatAccepted(accept));
      }),
    );
  });
});

describe('a body in CBOR', () => {
  const post = (body: Buffer) => ask({ port: server.port, method: 'POST', path: '/echo', headers: asCbor, body });

  test('is the same as one in JSON', async () => {
    const body = { rules: { r: ['Eq', 'metric', 'ä'] }, n: [1, 2.5, null, false] };
    expect(JSON.parse((await post(Buffer.from(encode(body)))).text)).toEqual(body);
  });

  test('that is none is 400 with the reason', async () => {
    const cut = await post(Buffer.from([0x82, 0x01]));
    expect(cut.status).toBe(400);
    expect(JSON.parse(cut.text).error).toMatch(/^the body is not CBOR: /);
    expect(JSON.parse((await post(Buffer.from([0xa1, 0x01, 0x02]))).text).error).toMatch(/a key of a map is no text/);
    expect(JSON.parse((await post(Buffer.from([0x41, 0x02]))).text).error).toMatch(/bytes are not expected/);
    expect((await post(Buffer.alloc(60_000, 0x81))).status).toBe(400);
  });

  test('of any bytes is a value or a reason', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        let value: unknown;
        try {
          value = fromCbor(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          return;
        }
        expect(() => JSON.stringify(value)).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  test('a key called __proto__ is a key', () => {
    const value = fromCbor(encode(new Map([['__proto__', 1]]))) as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});

test('floats stay floats in CBOR, a missing one is null', () => {
  expect(toCbor(Float64Array.of(1, Number.NaN, -0)).toString('hex')).toBe('83f93c00f6f98000');
});

test('gron is a program that makes the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = gron(value);
      if (text.includes('__proto__')) return;
      // JSON has no -0.
      expect(new Function(`let json;\n${text}return json;`)()).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { examples: [[{ a: -0 }]] },
  );
  expect(gron({ a: [{ b: 'x' }] })).toBe('json = {};\njson.a = [];\njson.a[0] = {};\njson.a[0].b = "x";\n');
});

test('each answer says who made it', async () => {
  expect((await get('/status')).headers.server).toBe('cantal/1.2.3');
  expect((await get('/nothing')).headers.server).toBe('cantal/1.2.3');
});
