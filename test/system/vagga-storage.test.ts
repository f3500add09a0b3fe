import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { type FileServer, fileServer } from './vagga/file-server.ts';
import { missingForRootless, type Project, until, vaggaHost } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'places of vagga’s builds', missing ?? '');

const yaml = `
containers:
  app: { setup: [!Depends dep, !Text { /etc/hello: "Hello\\n" }] }
  tidy: { auto-clean: true, setup: [!Depends dep, !Text { /etc/hello: "Hello\\n" }] }
commands: {}
`;

/** Status and stderr of what was started. */
async function ended(child: ReturnType<Project['start']>): Promise<{ status: number | null; stderr: string }> {
  let stderr = '';
  child.stdout?.resume();
  child.stderr?.on('data', (bytes: Buffer) => {
    stderr += String(bytes);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stderr };
}

let host: Awaited<ReturnType<typeof vaggaHost>>;
let outside: string;
beforeAll(async () => {
  if (noRootless) return;
  host = await vaggaHost();
  outside = mkdtempSync(join(tmpdir(), 'vagga-storage-'));
  chmodSync(outside, 0o755);
});
afterAll(() => {
  host?.remove();
  if (outside !== undefined) rmSync(outside, { recursive: true, force: true });
});

describe.skipIf(noRootless).each(['user', 'root'] as const)('storage-dir, of %s', (who) => {
  let project: Project;
  let store: string;
  const mine = (path: string): string => {
    mkdirSync(path, { recursive: true });
    if (who === 'user') chownSync(path, host.uid, host.gid);
    return path;
  };
  /** vagga in one of the projects `a/app`, `b/app` and `c`. */
  const vagga = (sub: string, args: readonly string[], settings = `storage-dir: ${store}`, env = {}) =>
    project.vagga(args, { cwd: project.file(sub), env: { VAGGA_SETTINGS: settings, ...env } });
  const touch = (path: string, text = ''): void => {
    writeFileSync(path, text);
    if (who === 'user') chownSync(path, host.uid, host.gid);
  };

  beforeAll(() => {
    store = mine(join(outside, `store-${who}`));
    project = host.project(who, '', {
      ...Object.fromEntries(['a/app', 'b/app', 'c'].map((sub) => [`${sub}/vagga.yaml`, yaml])),
      ...Object.fromEntries(['a/app', 'b/app', 'c'].map((sub) => [`${sub}/dep`, '1'])),
    });
  });

  it('has a folder for each project, of its name and a number where two have one, and links both ways', () => {
    expect(vagga('a/app', ['_list']).status).toBe(0);
    expect(existsSync(project.file('a/app/.vagga'))).toBe(false);
    expect(vagga('a/app', ['_build', 'app'])).toMatchObject({ status: 0, stderr: expect.stringContaining('built in') });
    expect(readlinkSync(project.file('a/app/.vagga/.lnk'))).toBe(join(store, 'app'));
    expect(readlinkSync(join(store, 'app/.lnk'))).toBe(project.file('a/app'));
    expect(readlinkSync(project.file('a/app/.vagga/app'))).toMatch(/^\.lnk\/\.roots\/app\.[0-9a-f]{8}\/root$/);
    expect(readFileSync(project.file('a/app/.vagga/app/etc/hello'), 'utf8')).toBe('Hello\n');
    expect(readdirSync(project.file('a/app/.vagga')).sort()).toEqual(['.lnk', 'app']);

    expect(vagga('b/app', ['_build', 'app']).status).toBe(0);
    expect(readlinkSync(project.file('b/app/.vagga/.lnk'))).toBe(join(store, 'app-1'));
    expect(vagga('a/app', ['_build', 'app'])).toMatchObject({ status: 0, stderr: '' });
  });

  it('gives a project its folder again when its .vagga was removed', () => {
    rmSync(project.file('b/app/.vagga'), { recursive: true });
    expect(vagga('b/app', ['_build', 'app'])).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(store).sort()).toEqual(['app', 'app-1']);
  });

  it('is refused with a hint where .lnk leads to nothing or elsewhere, or is not there itself', () => {
    renameSync(join(store, 'app'), join(store, 'gone'));
    expect(vagga('a/app', ['_build', 'app'])).toMatchObject({
      status: 126,
      stderr: expect.stringMatching(/\.lnk leads to .*app, which is not there\nhint: /),
    });
    renameSync(join(store, 'gone'), join(store, 'app'));
    const other = mine(join(outside, `other-${who}`));
    expect(vagga('a/app', ['_build', 'app'], `storage-dir: ${other}`)).toMatchObject({
      status: 126,
      stderr: expect.stringMatching(/outside of the setting storage-dir.*\nhint: .*mv /),
    });
    // What the hint says helps.
    renameSync(join(store, 'app'), join(other, 'app'));
    spawnSync('ln', ['-sfn', join(other, 'app'), project.file('a/app/.vagga/.lnk')]);
    expect(vagga('a/app', ['_build', 'app'], `storage-dir: ${other}`)).toMatchObject({ status: 0, stderr: '' });
    expect(vagga('a/app', ['_build', 'app'], 'storage-dir: relative')).toMatchObject({ status: 126 });
    expect(vagga('a/app', ['_build', 'app'], 'storage-dir: /no/such/folder')).toMatchObject({
      status: 126,
      stderr: expect.stringContaining('hint: mkdir -p /no/such/folder'),
    });
  });

  it('has a folder that a variable names, without a link back; a .lnk that is there wins', () => {
    const settings = `{ storage-dir: ${store}, storage-subdir-from-env-var: CI_JOB }`;
    for (const env of [{}, { CI_JOB: '' }]) {
      expect(vagga('c', ['_build', 'app'], settings, env)).toMatchObject({
        status: 126,
        stderr: expect.stringContaining('CI_JOB'),
      });
    }
    expect(vagga('c', ['_build', 'app'], settings, { CI_JOB: 'x/../y  z' })).toMatchObject({ status: 0 });
    expect(readdirSync(join(store, 'x-y-z')).sort()).toEqual(['.cache', '.roots']);
    expect(vagga('c', ['_build', 'app'], settings, { CI_JOB: 'else' })).toMatchObject({ status: 0, stderr: '' });
    expect(existsSync(join(store, 'else'))).toBe(false);
  });

  it('has a folder that _init_storage_dir names, shared where that is asked for', () => {
    const fresh = (): void => rmSync(project.file('c/.vagga'), { recursive: true, force: true });
    fresh();
    expect(vagga('c', ['_init_storage_dir', 'named'], '{}')).toMatchObject({ status: 1 });
    expect(vagga('c', ['_init_storage_dir', 'a/b'])).toMatchObject({ status: 1, stderr: expect.stringContaining('/') });
    expect(vagga('c', ['_init_storage_dir', 'named'])).toMatchObject({ status: 0, stderr: '' });
    expect(vagga('c', ['_init_storage_dir', 'named'])).toMatchObject({ status: 0, stderr: '' });
    expect(vagga('c', ['_init_storage_dir', 'another'])).toMatchObject({ status: 1 });
    expect(readlinkSync(project.file('c/.vagga/.lnk'))).toBe(join(store, 'named'));
    rmSync(project.file('b/app/.vagga'), { recursive: true });
    expect(vagga('b/app', ['_init_storage_dir', 'named'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('--allow-multiple'),
    });
    expect(vagga('b/app', ['_init_storage_dir', '--allow-multiple', 'named'])).toMatchObject({ status: 0 });
    expect(vagga('c', ['_build', 'app'])).toMatchObject({ status: 0, stderr: expect.stringContaining('built') });
    expect(vagga('b/app', ['_build', 'app'])).toMatchObject({ status: 0, stderr: '' });
    fresh();
  });

  it('is cleaned as a whole, of what was not used for long or of everything', () => {
    const clean = (...flags: string[]) => vagga('b/app', ['_clean', '--global', ...flags]);
    expect(vagga('b/app', ['_clean', '--global', '--everything'], '{}').status).toBe(2);
    expect(clean('--old').status).toBe(1);
    expect(clean('--unused').status).toBe(1);
    expect(clean('--unused', '--at-least', '10 days', '-n').stdout).toBe('');
    const [build = ''] = readdirSync(join(store, 'x-y-z/.roots')).filter((name) => !name.startsWith('.'));
    utimesSync(join(store, 'x-y-z/.roots', build, 'last_use'), new Date(0), new Date(0));
    expect(clean('--unused', '--at-least', '10 days', '-n').stdout).toBe(
      `Would remove ${JSON.stringify(join(store, 'x-y-z/.roots', build))}\n`,
    );
    expect(clean('--unused', '--at-least', '10 days').status).toBe(0);
    expect(existsSync(join(store, 'x-y-z/.roots', build))).toBe(false);
    const cache = mine(join(outside, `cache-clean-${who}`));
    touch(join(cache, 'x'));
    const settings = `{ storage-dir: ${store}, cache-dir: ${cache} }`;
    expect(vagga('b/app', ['_clean', '--global', '--everything'], settings).status).toBe(0);
    expect([readdirSync(store), readdirSync(cache)]).toEqual([[], []]);
  });

  it('is not needed: everything of one project is removed but what the user wrote', () => {
    rmSync(project.file('a/app/.vagga'), { recursive: true });
    mine(project.file('a/app/.vagga'));
    renameSync(project.file('a/app/vagga.yaml'), project.file('a/app/.vagga/vagga.yaml'));
    touch(project.file('a/app/.vagga/settings.yaml'), 'build-lock-wait: true\n');
    expect(vagga('a/app', ['_build', 'app'])).toMatchObject({ status: 0 });
    expect(vagga('a/app', ['_clean', '--everything'])).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(project.file('a/app/.vagga')).sort()).toEqual(['settings.yaml', 'vagga.yaml']);
    expect(existsSync(join(store, 'app'))).toBe(false);
  });

  it('keeps only the newest build of a container with auto-clean, unless settings say otherwise', () => {
    const builds = (): readonly string[] =>
      readdirSync(join(store, 'app/.roots')).filter((name) => name.startsWith('tidy.'));
    const rebuild = (dep: string, settings: string): void => {
      touch(project.file('a/app/dep'), dep);
      expect(vagga('a/app', ['_build', 'tidy'], `{ storage-dir: ${store}, ${settings} }`).status).toBe(0);
    };
    rebuild('1', 'disable-auto-clean: false');
    rebuild('2', 'disable-auto-clean: false');
    expect(builds()).toHaveLength(1);
    rebuild('3', 'disable-auto-clean: true');
    expect(builds()).toHaveLength(2);
  });

  it('is not compared with vagga.yaml where version-check is off, once something is built', () => {
    touch(project.file('a/app/dep'), 'changed');
    const off = `{ storage-dir: ${store}, version-check: false }`;
    expect(vagga('a/app', ['_build', 'tidy'], off)).toMatchObject({ status: 0, stderr: '' });
    expect(vagga('a/app', ['_build', 'app'], off)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('built in'),
    });
  });

  it('has a line of timings for each step, and unfinished builds by version where that is set', () => {
    const [build = ''] = readdirSync(join(store, 'app/.roots')).filter((name) => name.startsWith('app.'));
    expect(readFileSync(join(store, 'app/.roots', build, 'timings.log'), 'utf8')).toMatch(
      /^( +\d+\.\d{3}){2} Step 1: !Depends\n( +\d+\.\d{3}){2} Step 2: !Text\n( +\d+\.\d{3}){2} Finish\n$/,
    );
    const broken = `${yaml.replace('commands: {}', '')}  broken: { setup: [!Tar { url: ./none.tar }] }\n`;
    touch(project.file('a/app/.vagga/vagga.yaml'), broken);
    const unfinished = (settings: string): readonly string[] => {
      expect(vagga('a/app', ['_build', 'broken'], `{ storage-dir: ${store}, ${settings} }`).status).toBe(121);
      return readdirSync(join(store, 'app/.roots')).filter((name) => /^\.tmp\.broken[^/]*(?<!lock)$/.test(name));
    };
    expect(unfinished('versioned-build-dir: false')).toEqual(['.tmp.broken']);
    expect(unfinished('versioned-build-dir: true')).toEqual([
      '.tmp.broken',
      expect.stringMatching(/^\.tmp\.broken\.[0-9a-f]{8}$/),
    ]);
  });
});

describe.skipIf(noRootless)('cache-dir', () => {
  let server: FileServer;
  beforeAll(async () => {
    server = await fileServer(300);
    await server.put('/file', 'x'.repeat(100_000));
  });
  afterAll(() => server?.stop());

  const project = (who: 'user' | 'root', index: number): Project =>
    host.project(
      who,
      `containers: { app: { setup: [!Text { /etc/n: "${index}" }, !Download { url: "${server.url}/file", path: /file }] } }`,
    );

  it('must be there', () => {
    const at = project('user', 0);
    const result = at.vagga(['_build', 'app'], { env: { VAGGA_SETTINGS: 'cache-dir: /no/such/cache' } });
    expect(result).toMatchObject({
      status: 126,
      stderr: expect.stringContaining('cache-dir: /no/such/cache is not a folder'),
    });
  });

  it('is shared by projects and by users: what is wanted at once is downloaded once, and whole', async () => {
    const cache = join(outside, 'cache');
    mkdirSync(cache);
    chmodSync(cache, 0o777);
    const projects = (['user', 'root', 'user'] as const).map((who, index) => project(who, index));
    const ends = projects.map((each) =>
      ended(each.start(['_build', 'app'], { env: { VAGGA_SETTINGS: `cache-dir: ${cache}` } })),
    );
    for (const end of await Promise.all(ends)) expect(end).toMatchObject({ status: 0 });
    expect(await server.asked()).toEqual(['/file']);
    for (const each of projects) expect(readFileSync(each.file('.vagga/app/file'), 'utf8')).toBe('x'.repeat(100_000));
    expect(existsSync(projects[0]!.file('.vagga/.cache'))).toBe(false);
    expect(lstatSync(join(cache, 'downloads')).mode & 0o777).toBe(0o777);
    expect(
      readdirSync(join(cache, 'downloads'))
        .map((name) => name.replace(/^\w+-/, ''))
        .sort(),
    ).toEqual(['file', 'file.lock']);
  });

  it('gives nothing half of a build that was killed', async () => {
    const cache = join(outside, 'cache-killed');
    mkdirSync(cache);
    chmodSync(cache, 0o777);
    const env = { VAGGA_SETTINGS: `cache-dir: ${cache}` };
    const killed = project('user', 7).start(['_build', 'app'], { env });
    const end = ended(killed);
    const part = (): boolean =>
      existsSync(join(cache, 'downloads')) &&
      readdirSync(join(cache, 'downloads')).some((name) => name.endsWith('.part'));
    await until('a download', part);
    killed.kill('SIGKILL');
    await end;
    const next = project('root', 8);
    expect(await ended(next.start(['_build', 'app'], { env }))).toMatchObject({ status: 0 });
    expect(readFileSync(next.file('.vagga/app/file'), 'utf8')).toBe('x'.repeat(100_000));
  });
});

describe.skipIf(noRootless)('a link of a store', () => {
  it('to a project of the same name elsewhere is left alone', () => {
    const store = join(outside, 'foreign');
    mkdirSync(join(store, 'named'), { recursive: true });
    symlinkSync('/somebody/else/named', join(store, 'named/.lnk'));
    spawnSync('chown', ['-hR', `${host.uid}:${host.gid}`, store]);
    const project = host.project('user', '', { 'named/vagga.yaml': yaml, 'named/dep': '' });
    const at = { cwd: project.file('named'), env: { VAGGA_SETTINGS: `storage-dir: ${store}` } };
    expect(project.vagga(['_build', 'app'], at).status).toBe(0);
    expect(basename(readlinkSync(project.file('named/.vagga/.lnk')))).toBe('named-1');
  });
});
