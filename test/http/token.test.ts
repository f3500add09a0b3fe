import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTokens, tokenRing } from '../../src/http/token.ts';

const file = '/etc/stellwerk/tokens';

describe('a token file', () => {
  it('has a secret a line, as it always had, and each may do everything', () => {
    expect(readTokens('# ours\n\n abcdef \n12345\n', file)).toEqual([
      { name: 'token', role: 'admin', schedulerRoles: null, secret: 'abcdef' },
      { name: 'token', role: 'admin', schedulerRoles: null, secret: '12345' },
    ]);
  });

  it('may name who holds a secret and what for', () => {
    expect(readTokens('grafana view aaa\nci act:web,celery-2 bbb\nops act ccc\nalice admin ddd\n', file)).toEqual([
      { name: 'grafana', role: 'view', schedulerRoles: null, secret: 'aaa' },
      { name: 'ci', role: 'act', schedulerRoles: ['web', 'celery-2'], secret: 'bbb' },
      { name: 'ops', role: 'act', schedulerRoles: null, secret: 'ccc' },
      { name: 'alice', role: 'admin', schedulerRoles: null, secret: 'ddd' },
    ]);
  });

  it.each([
    ['a\nalice admin\n', `${file}:2: a line is a SECRET alone`],
    ['a b c d\n', `${file}:1: a line is a SECRET alone`],
    ['alice root s3cret\n', `${file}:1: no such ROLE for "alice"`],
    ['alice act:a:b s3cret\n', `${file}:1: no such ROLE for "alice"`],
    ['alice admin:web s3cret\n', `${file}:1: only act can be limited`],
    ['alice act: s3cret\n', `${file}:1: "" cannot be a role of the scheduler`],
    ['alice act:../x s3cret\n', `${file}:1: "../x" cannot be a role`],
    ['cluster admin s3cret\n', `${file}:1: the name "cluster" means something else`],
    ['-x admin s3cret\n', `${file}:1: a NAME has letters`],
    ['s3cret\nalice admin s3cret\n', `${file}:2: this secret stands in the file already`],
    ['# nothing\n', `${file}: no token in it`],
  ])('says where a mistake is and tells no secret: %j', (text, message) => {
    expect(() => readTokens(text, file)).toThrow(message);
    expect(() => readTokens(text, file)).not.toThrow('s3cret');
  });

  it('is read or refused with its name, whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'ab :,\n#act.view-') })), (text) => {
        try {
          for (const { secret } of readTokens(text, file)) expect(secret).toMatch(/^\S+$/);
        } catch (error) {
          expect((error as Error).message.startsWith(file)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a ring of tokens', () => {
  it('finds who holds a secret, and does not hand the secret out', () => {
    const ring = tokenRing(readTokens('alice admin one\nbob view two\n', file));
    expect(ring.find('two')).toEqual({ name: 'bob', role: 'view', schedulerRoles: null });
    expect(ring.find('three')).toBeNull();
    expect(ring.empty).toBe(false);
    expect(tokenRing([]).empty).toBe(true);
  });
});
