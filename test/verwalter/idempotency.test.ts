import { describe, expect, it } from 'vitest';
import { type Attempt, idempotency, keptMs, mostAnswerBytes, mostKeys } from '../../src/verwalter/idempotency.ts';

interface Reply {
  readonly status: number;
  readonly bytes: number;
}

const bench = () => {
  let now = 0;
  let begun = 0;
  const keys = idempotency<Reply>({
    nowMs: () => now,
    isVain: ({ status }) => status >= 500,
    bytesOf: ({ bytes }) => bytes,
  });
  const attempt = (reply: Reply): Attempt<Reply> => ({
    registered: Promise.resolve({ status: 200, bytes: 0 }),
    final: Promise.resolve(reply),
  });
  return {
    pass: (ms: number) => {
      now += ms;
    },
    /** How many were begun, after asking for a key. */
    async ask(key: string, reply: Reply = { status: 200, bytes: 1 }, fingerprint = 'same') {
      const got = keys.once(key, fingerprint, () => {
        begun += 1;
        return attempt(reply);
      });
      if (got === 'other') return got;
      await got.final;
      await Promise.resolve();
      return begun;
    },
  };
};

describe('keys of actions', () => {
  it('are known for a day', async () => {
    const { ask, pass } = bench();
    expect([await ask('a'), await ask('a')]).toEqual([1, 1]);
    expect(await ask('a', undefined, 'something else')).toBe('other');
    pass(keptMs - 1);
    expect(await ask('a')).toBe(1);
    pass(1);
    expect(await ask('a')).toBe(2);
  });

  it('of what was not done are free again', async () => {
    const { ask } = bench();
    expect([await ask('a', { status: 503, bytes: 0 }), await ask('a'), await ask('a')]).toEqual([1, 2, 2]);
  });

  it('have the answer that came after the time was up, or are free where that says that nothing was done', async () => {
    const keys = idempotency<number>({ nowMs: () => 0, isVain: (status) => status === 503, bytesOf: () => 1 });
    const underWay = { registered: Promise.resolve(200), final: Promise.resolve(504) };
    let begun = 0;
    const ask = async (key: string) => {
      const got = keys.once(key, 'same', () => {
        begun += 1;
        return underWay;
      });
      return got === 'other' ? got : got.final;
    };
    expect([await ask('a'), await ask('b')]).toEqual([504, 504]);
    keys.amend('a', 204);
    keys.amend('b', 503);
    expect([await ask('a'), begun]).toEqual([204, 2]);
    expect([await ask('b'), begun]).toEqual([504, 3]);
  });

  it('are forgotten, the oldest first, where there are too many or their answers are too large', async () => {
    const many = bench();
    for (let key = 0; key <= mostKeys; key++) await many.ask(String(key));
    const before = (await many.ask('1')) as number;
    expect(before).toBe(mostKeys + 1);
    expect(await many.ask('0')).toBe(before + 1);
    const large = bench();
    const third = { status: 200, bytes: Math.ceil(mostAnswerBytes / 3) };
    for (const key of ['a', 'b', 'c', 'd']) await large.ask(key, third);
    expect(await large.ask('d', third)).toBe(4);
    expect(await large.ask('a', third)).toBe(5);
  });
});
