import { describe, expect, it } from 'vitest';
import { inotifyAction } from '../../src/vagga/inotify-limit.ts';

describe('the limit of inotify that a command expects', () => {
  const user = { autoApply: true, isRoot: false };
  it('is raised by sudo, or by root itself, where settings say so', () => {
    expect(inotifyAction(500_000, 8192, user)).toBe('sudo');
    expect(inotifyAction(500_000, 8192, { autoApply: true, isRoot: true })).toBe('write');
  });

  it('is asked for with a warning where they do not, or where it takes much memory', () => {
    expect(inotifyAction(500_000, 8192, { autoApply: false, isRoot: true })).toBe('warn');
    expect(inotifyAction(524_288, 8192, user)).toBe('sudo');
    expect(inotifyAction(524_289, 8192, user)).toBe('warn');
  });

  it('is left alone where it is high enough', () => {
    expect(inotifyAction(8192, 8192, user)).toBe('none');
  });
});
