import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterEvent, type BuildEvent, begun, type RunningBuild, statusLine } from '../../src/vagga/build/progress.ts';
import { stepTitle } from '../../src/vagga/build/step-title.ts';

const step = (number: number): BuildEvent => ({ kind: 'step', number, of: 3, title: '!Sh make' });
const bytes = (count: number, total: number | null = 4e6): BuildEvent => ({
  ...{ kind: 'download', url: 'http://h/f', bytes: count, total },
});
const later = (...events: readonly (readonly [number, BuildEvent])[]): RunningBuild =>
  events.reduce((build, [at, event]) => afterEvent(build, event, at).build, begun('app', 0));

describe('the progress of a build', () => {
  it('is one line a step where there is no terminal', () => {
    expect(afterEvent(begun('app', 0), step(2), 10).line).toBe('[app 2/3] !Sh make');
  });

  it('tells of a download every five seconds', () => {
    const early = afterEvent(begun('app', 0), bytes(1e6), 4_999);
    expect(early.line).toBeNull();
    expect(afterEvent(early.build, bytes(2e6), 5_000).line).toBe('[app] http://h/f: 50 % of 4.0 MB');
    expect(afterEvent(early.build, bytes(2e6, null), 5_000).line).toBe('[app] http://h/f: 2.0 MB');
  });

  it('is one line of a terminal, with the seconds of the step', () => {
    expect(statusLine(later([0, step(1)], [2_000, step(2)]), 5_000, 80)).toBe('app 2/3 !Sh make  3 s');
    expect(statusLine(later([0, step(1)], [1, bytes(1e6)]), 7_000, 80)).toBe('app 1/3 !Sh make  25 % of 4.0 MB, 7 s');
    expect(statusLine(begun('app', 0), 1_000, 80)).toBe('app begins  1 s');
  });

  it('forgets the download of the step before', () => {
    expect(statusLine(later([0, bytes(1e6)], [1, step(2)]), 1, 80)).toBe('app 2/3 !Sh make  0 s');
  });

  it('never is wider than the terminal', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 40, max: 200 }), (title, columns) => {
        const build = later([0, { kind: 'step', number: 1, of: 1, title }]);
        expect(statusLine(build, 0, columns).length).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

describe('the title of a step', () => {
  it.each([
    [{ tag: 'Sh', value: 'make\n  install' }, '!Sh make install'],
    [{ tag: 'Install', value: ['gcc', 'make'] }, '!Install gcc make'],
    [{ tag: 'Text', value: new Map([['/etc/a', 'text']]) }, '!Text /etc/a'],
    [{ tag: 'Build', value: { container: 'base', source: '/', path: '/x' } }, '!Build base'],
    [{ tag: 'UbuntuUniverse', value: null }, '!UbuntuUniverse'],
    [{ tag: 'Sh', value: 'x'.repeat(100) }, `!Sh ${'x'.repeat(65)}…`],
  ])('of %j is %s', (given, title) => {
    expect(stepTitle(given as Parameters<typeof stepTitle>[0])).toBe(title);
  });
});
