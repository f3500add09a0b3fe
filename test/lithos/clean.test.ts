import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CleanHost, makeCleanHost } from './clean-host.ts';

let host: CleanHost;
let dir: string;
beforeEach(() => {
  host = makeCleanHost();
  dir = host.dir;
});
afterEach(() => host.remove());

/** What every reason to leave an image-dir alone has to come to. */
async function expectUntouched(message: RegExp): Promise<void> {
  const before = host.left();
  const result = await host.run();
  expect(result.err).toMatch(message);
  expect(result).toMatchObject({ code: 1, out: [] });
  expect(host.left()).toEqual(before);
}

describe('clean', () => {
  it('prints used and unused images and deletes only when told to', async () => {
    expect(await host.run({ mode: 'used' })).toEqual({ code: 0, out: ['/images/v2', '/images/v3'], err: '' });
    expect(await host.run({ mode: 'unused' })).toEqual({ code: 0, out: ['/images/v1'], err: '' });
    expect(host.left()).toEqual(['v1', 'v2', 'v3']);
    expect(await host.run()).toEqual({ code: 0, out: ['/images/v1'], err: '' });
    expect(host.left()).toEqual(['v2', 'v3']);
    expect(await host.run()).toEqual({ code: 0, out: [], err: '' });
  });

  it('tells its reasons with -v, on stderr', async () => {
    host.write('images/README', 'text');
    const { out, err } = await host.run({ mode: 'unused', verbose: true });
    expect(out).toEqual(['/images/v1']);
    expect(err).toMatch(/\/images\/v1: unused/);
    expect(err).toMatch(/\/images\/v2: kept, shop: \/log\/config\/shop\.log/);
    expect(err).toMatch(/\/images\/v3: kept, shop: process web/);
    expect(err).toMatch(/\/images\/README: no image, left alone/);
  });

  it('takes of the history what the days and versions ask for, and never a current image', async () => {
    expect((await host.run({ mode: 'unused', historyDays: 0.5 })).out).toEqual(['/images/v1', '/images/v2']);
    expect((await host.run({ mode: 'unused', versionsMax: 1 })).out).toEqual(['/images/v1', '/images/v2']);
    expect((await host.run({ mode: 'unused', historyDays: 0.5, versionsMin: 2 })).out).toEqual(['/images/v1']);
    expect((await host.run({ historyDays: 0, versionsMax: 0 })).out).toEqual(['/images/v1', '/images/v2']);
    expect(host.left()).toEqual(['v3']);
  });

  it('keeps images of commands, and of processes without instances', async () => {
    const more =
      'cron: {kind: Command, image: v1, config: /c.yaml}\nidle: {image: v4, config: /c.yaml, instances: 0}\n';
    host.processes('shop', { web: 'v3' }, more);
    host.image('v4');
    expect((await host.run({ versionsMax: 0 })).out).toEqual(['/images/v2']);
  });

  it('looks into the used-images-list instead of the log where there is one', async () => {
    host.sandbox('shop', 'used-images-list: used.txt\n');
    host.write('sandboxes/used.txt', 'v1\n');
    host.write('log/config/shop.log', 'broken');
    expect(await host.run()).toEqual({ code: 0, out: ['/images/v2'], err: '' });
  });

  it('keeps what containers run on, also those of a sandbox that is configured no more', async () => {
    host.write('run/state/gone/web.0/instance.json', '{"instances":1,"image":"v1","config":"/c.yaml"}');
    host.write('run/state/shop/old.0/plan', ['state-dir', '/x', 'root', `${dir}/images/v2`].join('\0'));
    expect(await host.run({ versionsMax: 0 })).toEqual({ code: 0, out: [], err: '' });
    expect(await host.run({ mode: 'used', versionsMax: 0 })).toMatchObject({ out: ['/images/v1', '/images/v3'] });
  });

  it('keeps recent images by their mtime', async () => {
    const hoursAgo = (name: string, hours: number): void =>
      utimesSync(join(dir, 'images', name), new Date(), new Date(Date.now() - hours * 3_600_000));
    hoursAgo('v1', 5);
    hoursAgo('v2', 7);
    expect((await host.run({ versionsMax: 0, keepRecentMs: 6 * 3_600_000 })).out).toEqual(['/images/v2']);
  });

  it('goes as deep as image-dir-levels says', async () => {
    rmSync(join(dir, 'images'), { recursive: true });
    host.sandbox('shop', 'image-dir-levels: 2\n');
    host.processes('shop', { web: 'shop/v2' });
    host.log('shop', [
      [3, { web: 'v0' }],
      [1, { web: 'shop/v2' }],
    ]);
    for (const name of ['shop/v1', 'shop/v2', 'jobs/v1', 'v0/x']) host.image(name);
    // v0 is a name of the time when there was one level: what it may have held stays.
    expect(await host.run()).toEqual({ code: 0, out: ['/images/jobs/v1', '/images/shop/v1'], err: '' });
    expect([host.left('images/shop'), host.left('images/jobs'), host.left('images/v0')]).toEqual([['v2'], [], ['x']]);
  });

  it('deletes nothing where auto-clean is false', async () => {
    host.sandbox('shop', 'auto-clean: false\n');
    rmSync(join(dir, 'log'), { recursive: true });
    expect(await host.run({ verbose: true })).toEqual({
      code: 0,
      out: [],
      err: 'lithos clean: /images is left alone: auto-clean is false\n',
    });
    expect(host.left()).toEqual(['v1', 'v2', 'v3']);
  });

  it('keeps what another sandbox uses of the same image-dir, by whatever way it gets there', async () => {
    symlinkSync('images', join(dir, 'also'));
    host.sandbox('blog', '', `${dir}/also`);
    host.processes('blog', { web: 'v1' });
    host.log('blog', [[1, { web: 'v1' }]]);
    expect(await host.run()).toEqual({ code: 0, out: [], err: '' });
  });

  it('keeps folders of volumes and its own, although they look like images', async () => {
    host.sandbox('shop', `writable-paths: {/data: ${dir}/images/data/deep}\n`);
    host.write('images/data/deep/file', 'precious');
    host.write(
      'master.yaml',
      `runtime-dir: ${dir}/images/run\ndefault-log-dir: ${dir}/log\nconfig-log-dir: ${dir}/log/config\n`,
    );
    host.write('images/run/some', '');
    expect((await host.run()).out).toEqual(['/images/v1']);
    expect(host.left()).toEqual(['data', 'run', 'v2', 'v3']);
  });
});

describe('symbolic links', () => {
  it('are named, neither followed nor removed', async () => {
    host.image('precious', 'elsewhere');
    symlinkSync('../elsewhere/precious', join(dir, 'images/linked'));
    symlinkSync('/', join(dir, 'images/v1/root'));
    symlinkSync('../elsewhere', join(dir, 'images/.deleting.x'));
    const { code, out, err } = await host.run();
    expect({ code, out }).toEqual({ code: 0, out: ['/images/v1'] });
    expect(err).toBe(
      'lithos clean: /images/.deleting.x: a symbolic link, left alone\nlithos clean: /images/linked: a symbolic link, left alone\n',
    );
    expect(existsSync(join(dir, 'elsewhere/precious/bin/program'))).toBe(true);
    expect(lstatSync(join(dir, 'images/linked')).isSymbolicLink()).toBe(true);
  });

  it('as the names of used images keep what they lead to', async () => {
    host.processes('shop', { web: 'current' });
    symlinkSync('v1', join(dir, 'images/current'));
    expect((await host.run({ versionsMax: 0 })).out).toEqual(['/images/v2', '/images/v3']);
    expect(host.left()).toEqual(['current', 'v1']);
  });
});

describe('an image-dir is left alone', () => {
  it('with a broken line in the config log', async () => {
    writeFileSync(join(dir, 'log/config/shop.log'), 'not a line\n', { flag: 'a' });
    await expectUntouched(
      /\/images is left alone: sandbox shop: \/log\/config\/shop\.log:3: expected an RFC 3339 time/,
    );
  });

  it('with neither a list nor a log', async () => {
    rmSync(join(dir, 'log/config/shop.log'));
    await expectUntouched(/is not known: \/log\/config\/shop\.log is not there, and there is no list/);
    host.write('master.yaml', `runtime-dir: ${dir}/run\nconfig-log-dir: null\n`);
    await expectUntouched(/config-log-dir is null/);
  });

  it('with a used-images-list that cannot be read or names no images', async () => {
    host.sandbox('shop', 'used-images-list: used.txt\n');
    await expectUntouched(/used-images-list \/sandboxes\/used\.txt: cannot be read \(ENOENT\)/);
    host.write('sandboxes/used.txt', 'v1\na/b\n');
    await expectUntouched(/used\.txt:2: .*image-dir-levels is 1/);
  });

  it('with a process config that is missing, broken or names no image', async () => {
    host.write('processes/shop.yaml', 'web: {image: v3');
    await expectUntouched(/\/images is left alone: sandbox shop: \/processes\/shop\.yaml/);
    host.processes('shop', { web: '../v3' });
    await expectUntouched(/\/images is left alone: sandbox shop: .*web\.image/);
    rmSync(join(dir, 'processes/shop.yaml'));
    await expectUntouched(/\/images is left alone: sandbox shop: \/processes\/shop\.yaml: cannot be read/);
  });

  it('when its sandboxes differ in auto-clean or image-dir-levels', async () => {
    host.processes('blog', {});
    host.log('blog', [[1, { web: 'v1' }]]);
    host.sandbox('blog', 'auto-clean: false\n');
    await expectUntouched(/sandboxes differ in auto-clean \(blog: false, shop: true\)/);
    host.sandbox('blog', 'image-dir-levels: 2\n');
    await expectUntouched(/sandboxes differ in image-dir-levels \(blog: 2, shop: 1\)/);
  });

  it('when another image-dir lies in it', async () => {
    host.sandbox('blog', '', `${dir}/images/v1`);
    host.processes('blog', {});
    host.log('blog', [[1, { web: 'x' }]]);
    await expectUntouched(/\/images is left alone: overlaps with image-dir \/images\/v1/);
  });

  it('with the state of a container that cannot be read', async () => {
    host.write('run/state/shop/web.0/instance.json', '{"image":');
    await expectUntouched(/\/images is left alone: \/run\/state\/shop\/web\.0\/instance\.json: not JSON/);
    rmSync(join(dir, 'run/state/shop/web.0/instance.json'));
    mkdirSync(join(dir, 'run/state/shop/web.0/plan'));
    await expectUntouched(/web\.0\/plan: cannot be read \(not a regular file\)/);
  });

  it('while others are cleaned', async () => {
    host.sandbox('blog', '', `${dir}/blog`);
    host.processes('blog', { web: 'b2' });
    host.log('blog', [[1, { web: 'b2' }]]);
    for (const name of ['b1', 'b2']) host.image(name, 'blog');
    host.write('log/config/shop.log', 'broken');
    expect(await host.run()).toMatchObject({ code: 1, out: ['/blog/b1'] });
    expect([host.left(), host.left('blog')]).toEqual([['v1', 'v2', 'v3'], ['b2']]);
  });
});

describe('all image-dirs are left alone', () => {
  it('with a sandbox config that is broken: its image-dir is not known', async () => {
    host.write('sandboxes/blog.yaml', 'image-dir: [');
    await expectUntouched(/no image-dir is touched/);
  });

  it('when the sandboxes or the state dir cannot be read', async () => {
    host.write('run/state', 'a file');
    await expectUntouched(/\/run\/state: cannot be read \(ENOTDIR\)/);
    rmSync(join(dir, 'run'), { recursive: true });
    rmSync(join(dir, 'sandboxes'), { recursive: true });
    await expectUntouched(/\/sandboxes: cannot be read \(ENOENT\)/);
    host.write('master.yaml', 'colour: red');
    await expectUntouched(/master\.yaml:1/);
  });

  it('where one is the root folder', async () => {
    host.sandbox('shop', '', '/');
    const result = await host.run({ mode: 'unused' });
    expect(result).toMatchObject({ code: 1, out: [] });
    expect(result.err).toMatch(/the root folder is no image-dir/);
  });
});
