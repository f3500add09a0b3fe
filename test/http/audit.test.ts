import { describe, expect, it } from 'vitest';
import { accessControl } from '../../src/http/access.ts';
import { answerer, type Incoming } from '../../src/http/answer.ts';
import type { AuditEntry } from '../../src/http/audit.ts';
import { json, type Route } from '../../src/http/route.ts';
import { router } from '../../src/http/router.ts';

const route = (method: Route['method'], path: string, access: Route['access']): Route => ({
  ...{ method, path, access, summary: '' },
  handle: () => json('done'),
});

/** An agent that others reach at 10.0.0.1, and a request to it from 10.0.0.9. */
const ask = async (more: Partial<Incoming>) => {
  const audited: AuditEntry[] = [];
  const answer = answerer({
    access: accessControl({
      ...{ host: '10.0.0.1', ownAuthority: () => '10.0.0.1:8379', tokens: ['secret'], hostNames: [] },
      ...{ clusterKeys: [Buffer.alloc(32, 1)], allowRemoteRead: false },
    }),
    router: router([
      route('POST', '/v1/action', 'act'),
      route('POST', '/v1/query', 'read'),
      route('GET', '/v1/status', 'read'),
      route('POST', '/v1/peer/action', 'cluster'),
    ]),
    files: null,
    audit: (entry) => audited.push(entry),
  });
  const nothing = { queryText: '', origin: '', authorization: '', contentLength: '', accept: '', acceptEncoding: '' };
  const incoming: Incoming = {
    ...{
      ...nothing,
      ifNoneMatch: '',
      ifRange: '',
      range: '',
      ifModifiedSince: '',
      idempotencyKey: '',
      deadline: '',
      proof: null,
    },
    ...{ method: 'POST', path: '/v1/action', host: '10.0.0.1:8379', contentType: 'application/json' },
    ...{ remoteAddress: '10.0.0.9', ...more },
  };
  const reply = await answer(incoming, Promise.resolve({ kind: 'whole', bytes: Buffer.from('{}') }));
  return { status: reply?.status, audited };
};

describe('a request from another host', () => {
  it('without a token changes nothing: 401, with a line in the audit log', async () => {
    const { status, audited } = await ask({});
    expect(status).toBe(401);
    expect(audited).toMatchObject([
      { principal: null, address: '10.0.0.9', method: 'POST', path: '/v1/action', status: 401 },
    ]);
  });

  it('with a token does, with its line', async () => {
    const { status, audited } = await ask({ authorization: 'Bearer secret' });
    expect([status, audited]).toMatchObject([200, [{ principal: 'token', status: 200, error: null }]]);
  });

  it('that pretends to be a peer is refused, with its line', async () => {
    const { status, audited } = await ask({ path: '/v1/peer/action', authorization: 'Bearer secret' });
    expect([status, audited]).toMatchObject([401, [{ principal: null, path: '/v1/peer/action', status: 401 }]]);
  });

  it('that only reads leaves no line, whether it may or not', async () => {
    const reads = [
      await ask({ method: 'GET', path: '/v1/status' }),
      await ask({ method: 'GET', path: '/v1/status', authorization: 'Bearer secret' }),
      await ask({ path: '/v1/query', authorization: 'Bearer secret' }),
      await ask({ path: '/v1/nothing', authorization: 'Bearer secret' }),
    ];
    expect(reads.map(({ status, audited }) => [status, audited.length])).toEqual([
      [401, 0],
      [200, 0],
      [200, 0],
      [404, 0],
    ]);
  });
});
