import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/config/problem.ts';
import { defaultSettings, readSettings } from '../../src/vagga/settings.ts';

const read = (files: Readonly<Record<string, string>>, variable: string | null = null) =>
  readSettings({
    root: '/home/me/p',
    home: '/home/me',
    variable,
    read: (file) => (Object.hasOwn(files, file) ? Buffer.from(files[file] ?? '') : null),
  });

const settingsIn = (files: Readonly<Record<string, string>>, variable: string | null = null) => {
  const result = read(files, variable);
  if (result.kind !== 'settings') throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.settings;
};

describe('settings', () => {
  it('are the defaults where there are none', () => {
    expect(settingsIn({})).toEqual(defaultSettings);
  });

  it('of a later file win; variables are joined; ~ is the home folder', () => {
    const settings = settingsIn(
      {
        '/home/me/.config/vagga/settings.yaml':
          'storage-dir: ~/.vagga-store\nenviron: { A: 1, B: 1 }\nversion-check: false\n',
        '/home/me/.vagga.yaml': 'cache-dir: /cache\nenviron: { B: 2 }\n',
        '/home/me/p/.vagga/settings.yaml': 'version-check: true\nenviron: { C: 3 }\nshared-cache: true\n',
      },
      'external-volumes: { music: ~/music }\n',
    );
    expect(settings).toMatchObject({
      storageDir: '/home/me/.vagga-store',
      cacheDir: '/cache',
      versionCheck: true,
      sharedCache: true,
    });
    expect(settings.environ).toEqual(
      new Map([
        ['A', '1'],
        ['B', '2'],
        ['C', '3'],
      ]),
    );
    expect(settings.externalVolumes).toEqual(new Map([['music', '/home/me/music']]));
  });

  it('of a site hold for that project only', () => {
    const file = '/home/me/.vagga.yaml';
    expect(settingsIn({ [file]: 'site-settings: { ~/p: { build-lock-wait: false } }\n' }).buildLockWait).toBe(false);
    expect(settingsIn({ [file]: 'site-settings: { /other: { build-lock-wait: false } }\n' }).buildLockWait).toBe(true);
  });

  it('of a project may not reach out of it', () => {
    const result = read({
      '/home/me/p/.vagga.settings.yaml': 'external-volumes: { root: / }\npush-image-script: "rm"\n',
    });
    expect(result.kind === 'refused' && result.problems.map(formatProblem)).toEqual([
      '/home/me/p/.vagga.settings.yaml:1:1: external-volumes: unknown key in settings of a project',
      '/home/me/p/.vagga.settings.yaml:2:1: push-image-script: unknown key in settings of a project',
    ]);
  });

  it('that are wrong are all told, with file and line', () => {
    const result = read({ '/home/me/.vagga.yaml': 'storage-dri: x\n' }, 'proxy-env-vars: maybe\n');
    expect(result.kind === 'refused' && result.problems.map(formatProblem)).toEqual([
      '$VAGGA_SETTINGS:1:17: proxy-env-vars: "maybe"; expected true or false',
      '/home/me/.vagga.yaml:1:1: storage-dri: unknown key in settings; did you mean storage-dir?',
    ]);
  });
});
