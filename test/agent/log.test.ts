import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineOf, logWish } from '../../src/log.ts';

describe('CANTAL_LOG', () => {
  it.each([
    [undefined, 'info'],
    ['warn', 'warn'],
    ['OFF', 'silent'],
    ['hyper=trace,cantal=debug', 'debug'],
    ['error,tokio=debug', 'error'],
  ])('%s is the level %s', (word, level) => {
    expect(logWish({ CANTAL_LOG: word }, false)).toMatchObject({ level, problem: null });
  });

  it('that is not understood is said, and info is taken', () => {
    const { level, problem } = logWish({ CANTAL_LOG: 'loud', CANTAL_LOG_STYLE: 'pretty' }, false);
    expect(level).toBe('info');
    expect(problem).toMatch(/CANTAL_LOG=loud: not one of error, .*CANTAL_LOG_STYLE=pretty: not one of auto/);
  });
});

describe('CANTAL_LOG_STYLE', () => {
  it('is colours on a terminal, priorities under journald, plain text elsewhere, or what is asked for', () => {
    expect(logWish({}, true).style).toEqual({ kind: 'text', colours: true });
    expect(logWish({}, false).style).toEqual({ kind: 'text', colours: false });
    expect(logWish({ JOURNAL_STREAM: '8:1' }, false).style).toEqual({ kind: 'journal' });
    expect(logWish({ CANTAL_LOG_STYLE: 'never' }, true).style).toEqual({ kind: 'text', colours: false });
    expect(logWish({ CANTAL_LOG_STYLE: 'always' }, false).style).toEqual({ kind: 'text', colours: true });
    expect(logWish({ CANTAL_LOG_STYLE: 'json' }, true).style).toEqual({ kind: 'json' });
  });

  it('keeps control characters of a stranger out of the terminal, and each line of the journal with its priority', () => {
    const line = (msg: string) => JSON.stringify({ level: 40, time: '2026-01-01T00:00:00.000Z', msg });
    expect(lineOf({ kind: 'text', colours: false }, line('a\x1b[2J'))).toBe('2026-01-01T00:00:00.000Z WARN  a?[2J\n');
    expect(lineOf({ kind: 'journal' }, line('a\nb'))).toBe('<4>a\n<4>  b\n');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = lineOf({ kind: 'text', colours: false }, line(text));
        expect(shown.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
        expect(shown.endsWith('\n')).toBe(true);
      }),
    );
  });
});
