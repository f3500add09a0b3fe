import { describe, expect, it } from 'vitest';
import { json, type Route } from '../../src/http/route.ts';
import { router } from '../../src/http/router.ts';

const route = (path: string): Route => ({ method: 'GET', path, access: 'read', summary: '', handle: () => json(path) });
const found = (paths: readonly string[], asked: string) => {
  const match = router(paths.map(route)).match('GET', asked);
  return match.kind === 'route' ? [match.route.path, match.params] : match.kind;
};

describe('a last segment *name', () => {
  const paths = ['/v1/query/*path', '/v1/query/known', '/v1/query/:one/parts'];

  it('takes all that is left, decoded, at least one segment', () => {
    expect(found(paths, '/v1/query/a')).toEqual(['/v1/query/*path', { path: 'a' }]);
    expect(found(paths, '/v1/query/a/b%20c/d')).toEqual(['/v1/query/*path', { path: 'a/b c/d' }]);
    for (const path of ['/v1/query', '/v1/query/', '/v1/query/a/', '/v1/query/a//b'])
      expect(found(paths, path)).toBe('none');
  });

  it('comes after paths that say more', () => {
    expect(found(paths, '/v1/query/known')).toEqual(['/v1/query/known', {}]);
    expect(found(paths, '/v1/query/x/parts')).toEqual(['/v1/query/:one/parts', { one: 'x' }]);
  });

  it('gives no way out of what it is put below', () => {
    for (const path of ['..', 'a/../b', '%2e%2e', 'a/%2E', 'a%2Fb', '..%2f..', '%zz']) {
      expect(found(paths, `/v1/query/${path}`)).toBe('none');
    }
  });
});
