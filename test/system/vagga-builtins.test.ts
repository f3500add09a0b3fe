import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';
import { type FileServer, fileServer } from './vagga/file-server.ts';
import { missingForRootless, mode, type Project, vaggaHost } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'built-in commands of vagga', missing ?? '');

const longName = `${'folder-of-a-long-name/'.repeat(8)}wörld`;

/** `url`: image-cache-url of all containers. */
const yaml = (url: string): string => `
containers:
  app:
    image-cache-url: ${url}
    setup:
    - !Tar { url: ./root.tar.gz }
    - !Sh |
        echo secret > /data/secret && chmod 600 /data/secret && chown 7:8 /data/secret
        echo x > /data/setuid && chown 3:4 /data/setuid && chmod 4755 /data/setuid
        ln /data/secret /data/hard && ln -s secret /data/soft
        mkdir -p "/data/${longName.slice(0, -6)}" && echo long > "/data/${longName}"
        head -c 3000000 /dev/zero > /data/large
        mkdir -m 1777 /data/sticky
  base: { setup: [!Tar { url: ./root.tar.gz }] }
commands:
  greet: !Command
    description: |
      Say hello
      to everybody
    symlink-name: say-hello
    container: base
    run: [echo, hello]
  flags: !Command
    container: base
    symlink-name: with-flags
    options: |
      Usage: vagga flags [options] [--loud]
      Options:
        --loud  Louder
    run: 'echo "loud=$VAGGAOPT_LOUD"'
`;

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const sh = (script: string, ...args: readonly string[]): Buffer =>
  spawnSync('sh', ['-ec', script, 'sh', ...args], { maxBuffer: 2 ** 28 }).stdout;

describe.skipIf(noRootless).each(['user', 'root'] as const)('images, as %s', (who) => {
  let server: FileServer;
  let project: Project;
  let folder: string;
  beforeAll(async () => {
    server = await fileServer();
    folder = mkdtempSync(join(tmpdir(), 'vagga-images-'));
    chmodSync(folder, 0o777);
    project = host.project(who, yaml(`"${server.url}/\${container_name}.\${short_hash}"`));
    expect(project.vagga(['--no-image-download', '_build', 'app'])).toMatchObject({ status: 0 });
  });
  afterAll(() => {
    server?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  it('are packed with the owners that the container sees, always the same bytes, compressed or not', () => {
    const file = (name: string): string => join(folder, name);
    for (const [name, ...flags] of [['plain'], ['again'], ['gz', '-z'], ['bz2', '-j'], ['xz', '-J']] as const) {
      expect(project.vagga(['_pack_image', ...flags, '-f', file(name), 'app'])).toMatchObject({
        status: 0,
        stdout: '',
      });
    }
    const plain = readFileSync(file('plain'));
    const expected = sum(plain);
    for (const [name, program] of [
      ['again', 'cat'],
      ['gz', 'gzip'],
      ['bz2', 'bzip2'],
      ['xz', 'xz'],
    ] as const) {
      const bytes = program === 'cat' ? readFileSync(file(name)) : sh('"$1" -dc < "$2"', program, file(name));
      expect([name, sum(bytes)]).toEqual([name, expected]);
    }
    const listed = String(sh('tar --numeric-owner -tvf "$1"', file('plain')));
    expect(listed).toMatch(/^-rw------- 7\/8 +7 .* \.\/data\/hard$/m);
    expect(listed).toMatch(/^hrw------- 7\/8 +0 .* \.\/data\/secret link to \.\/data\/hard$/m);
    expect(listed).toMatch(/^lrwxrwxrwx 0\/0 .* \.\/data\/soft -> secret$/m);
    expect(listed).toMatch(/^-rwsr-xr-x 3\/4 .* \.\/data\/setuid$/m);
    expect(listed).toMatch(/^drwxrwxrwt 0\/0 .* \.\/data\/sticky\/$/m);
    expect(listed.split('\n')[0]).toMatch(/^drwxr-xr-x 0\/0 .* \.\/$/);
    expect(sh('tar -xOf "$1" "./data/$2"', file('plain'), longName).toString()).toBe('long\n');
    // stdout is the same archive.
    const words = project.words(['_pack_image', 'app']);
    const piped = spawnSync(words[0]!, words.slice(1), { cwd: project.folder, maxBuffer: 2 ** 28 });
    expect([piped.status, sum(piped.stdout)]).toEqual([0, expected]);
  });

  it('are not packed where nobody could use them', () => {
    expect(project.vagga(['_pack_image', '-z', '-J', 'app'])).toMatchObject({ status: 122 });
    expect(project.vagga(['_pack_image', 'none'])).toMatchObject({ status: 121 });
    expect(project.vagga(['_pack_image', '-f', 'no/such/folder/x', 'base'])).toMatchObject({
      status: 121,
      stderr: expect.stringContaining('no/such/folder'),
    });
    expect(readdirSync(project.folder).filter((name) => name.includes('.part'))).toEqual([]);
  });

  it('are pushed by a script, and taken instead of a build with all that they hold', async () => {
    expect(project.vagga(['_push_image', 'app'])).toMatchObject({
      status: 121,
      stderr: expect.stringContaining('push-image-script'),
    });
    const script = `curl -fsS -T "$image_path" "${server.url}/$container_name.$short_hash"`;
    const settings = (text: string) => ({ env: { VAGGA_SETTINGS: JSON.stringify({ 'push-image-script': text }) } });
    expect(project.vagga(['_push_image', 'app'], settings('exit 3'))).toMatchObject({
      status: 121,
      stderr: expect.stringContaining('exit code 3'),
    });
    expect(project.vagga(['_push_image', 'app'], settings(script))).toMatchObject({ status: 0, stdout: '' });
    const built = project.file(
      readlinkSync(project.file('.vagga/app'))
        .replace(/^/, '.vagga/')
        .replace(/\/root$/, ''),
    );
    expect(readdirSync(built)).not.toContain('image.tar.xz');

    const packed = (name: string): string => {
      expect(project.vagga(['_pack_image', '-f', join(folder, name), 'app']).status).toBe(0);
      return sum(readFileSync(join(folder, name)));
    };
    const before = packed('before');
    expect(project.vagga(['_clean', '--everything']).status).toBe(0);
    const taken = project.vagga(['_build', 'app']);
    expect([taken.status, taken.stderr]).toEqual([0, expect.not.stringContaining('WARNING')]);
    // No step has run.
    expect(readFileSync(join(built, 'timings.log'), 'utf8')).toMatch(/^ +[\d.]+ +[\d.]+ Image http:\S+\n$/);
    const inside = project.vagga(
      ['_run', 'app', 'stat', '-c', '%n %u %g %a %h', '/data/secret', '/data/setuid', '/data/sticky', '/data/soft'],
      {},
    );
    expect(inside.stdout).toBe(
      '/data/secret 7 8 600 2\n/data/setuid 3 4 4755 1\n/data/sticky 0 0 1777 2\n/data/soft 0 0 777 1\n',
    );
    expect(project.vagga(['_run', 'app', 'cat', `/data/${longName}`]).stdout).toBe('long\n');
    expect(packed('after')).toBe(before);
    expect(project.vagga(['_build', 'app'])).toMatchObject({ stderr: '' });
  });

  it('that cannot be had are built: none, a broken one, one that leads out, or when they are not wanted', async () => {
    const asked = (await server.asked()).length;
    const short = project.vagga(['_version_hash', '-s', 'app']).stdout.trim();
    const rebuilt = (...args: string[]): string => {
      const end = project.vagga([...args, '_build', '--force', 'app']);
      expect(end.status).toBe(0);
      expect(project.vagga(['_run', 'app', 'cat', '/data/one']).stdout).toBe('one\n');
      return end.stderr;
    };
    expect(rebuilt('--no-image-download')).not.toContain('image');
    expect(await server.asked()).toHaveLength(asked);

    const warning = /WARNING: Error when unpacking image http:.*Will clean and build it locally\n/;
    await server.put(`/app.${short}`, 'this is no archive');
    expect(rebuilt()).toMatch(warning);
    await server.put(
      `/app.${short}`,
      sh('tar -C "$1" -cJf - . | head -c 20000', join(folder, '..', folder.split('/').pop()!)),
    );
    expect(rebuilt()).toMatch(warning);
    const outside = join(folder, 'stolen');
    writeFileSync(join(folder, 'evil'), 'evil');
    await server.put(
      `/app.${short}`,
      sh(`cd "$1" && tar -cf - --transform 's,^evil,../../../stolen,' -P evil`, folder),
    );
    expect(rebuilt()).toMatch(warning);
    expect(existsSync(outside)).toBe(false);
  });

  it('are taken from a file of the project too', () => {
    const local = host.project(who, yaml('./$' + '{container_name}.tar.gz'));
    expect(local.vagga(['_build', 'app']).stderr).toContain('app.tar.gz: no such file. Will clean');
    expect(local.vagga(['_pack_image', '-z', '-f', 'app.tar.gz', 'app']).status).toBe(0);
    expect(mode(local.file('app.tar.gz')) & 0o111).toBe(0);
    const end = local.vagga(['_build', '--force', 'app']);
    expect([end.status, end.stderr]).toEqual([0, expect.not.stringContaining('WARNING')]);
    expect(local.vagga(['_run', 'app', 'stat', '-c', '%u', '/data/secret']).stdout).toBe('7\n');
  });
});

describe.skipIf(noRootless).each(['user', 'root'] as const)('built-in commands, as %s', (who) => {
  let project: Project;
  beforeAll(() => {
    project = host.project(who, yaml('null'));
    expect(project.vagga(['_build', 'base'])).toMatchObject({ status: 0 });
  });
  const setpriv = who === 'user' ? ['setpriv', '--clear-groups'] : [];
  const asWho = (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const ids = who === 'user' ? [`--reuid=${host.uid}`, `--regid=${host.gid}`] : [];
    const [program = '', ...rest] = [...setpriv, ...ids, ...words];
    const home = join(project.folder, '..');
    return spawnSync(program, rest, {
      cwd: project.folder,
      env: { PATH: process.env.PATH, HOME: home, ...env },
      encoding: 'utf8',
    });
  };

  it('make programs of commands with a symlink-name, in the project and at home', () => {
    const home = join(project.folder, '..');
    expect(project.vagga(['_update_symlinks', '--local-only'])).toMatchObject({ status: 0 });
    expect(existsSync(join(home, '.vagga/cmd'))).toBe(false);
    const link = project.file('.vagga/.cmd/say-hello');
    expect(readlinkSync(link)).toBe(join(packageRoot(), 'bin/stellwerk.js'));
    expect(project.vagga(['_update_symlinks'])).toMatchObject({ status: 0 });
    expect(readdirSync(join(home, '.vagga/cmd')).sort()).toEqual(['say-hello', 'with-flags']);

    expect(asWho([link, '--env', 'x'])).toMatchObject({ status: 0, stdout: 'hello --env x\n' });
    // All words are the command's: --help is not vagga's.
    expect(asWho([project.file('.vagga/.cmd/with-flags'), '--help'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Usage: vagga flags'),
    });
    expect(asWho([join(home, '.vagga/cmd/with-flags'), '--loud']).stdout).toBe('loud=true\n');
    const off = { VAGGA_SETTINGS: 'run-symlinks-as-commands: false' };
    expect(asWho([link, '_base_dir'], off).stdout).toBe(`${project.folder}\n`);
    rmSync(join(home, '.vagga'), { recursive: true });
  });

  it('say that a link of an unknown name has no command, leave files alone, and remove links of the past', () => {
    const cmd = project.file('.vagga/.cmd');
    symlinkSync(join(packageRoot(), 'bin/stellwerk.js'), join(cmd, 'of-yore'));
    expect(asWho([join(cmd, 'of-yore')])).toMatchObject({
      status: 127,
      stderr: expect.stringContaining('of-yore: no command'),
    });
    rmSync(join(cmd, 'say-hello'));
    writeFileSync(join(cmd, 'say-hello'), 'mine');
    expect(project.vagga(['_update_symlinks', '--local-only'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('left as it is'),
    });
    expect(readFileSync(join(cmd, 'say-hello'), 'utf8')).toBe('mine');
    expect(readdirSync(cmd).sort()).toEqual(['say-hello', 'with-flags']);
    rmSync(join(cmd, 'say-hello'));
  });

  it('tell of commands, of the configuration, and whether overlayfs is there', () => {
    expect(project.vagga(['_help', 'flags'])).toMatchObject({ status: 0, stdout: expect.stringContaining('--loud') });
    expect(project.vagga(['_help', 'greet']).stdout).toBe('Say hello\nto everybody\n\nUsage: vagga greet\n');
    expect(project.vagga(['_help', '_clean']).stdout).toContain('Usage: vagga _clean [options]');
    expect(project.vagga(['_help', 'gret'])).toMatchObject({
      status: 121,
      stderr: expect.stringContaining('did you mean greet?'),
    });
    expect(project.vagga(['_list', '-v']).stdout).toContain('(from vagga.yaml)');
    const dumped = JSON.parse(project.vagga(['_dump_config']).stdout);
    expect(dumped).toMatchObject({
      root: project.folder,
      containers: { base: { setup: [{ tag: 'Tar' }] } },
      commands: { greet: { tag: 'Command', value: { symlinkName: 'say-hello' } } },
      settings: { proxyEnvVars: true },
    });
    const overlay = project.vagga(['_check_overlayfs_support']);
    expect([
      [0, 'supported\n'],
      [1, 'unsupported\n'],
    ]).toContainEqual([overlay.status, overlay.stdout]);
    expect(readdirSync(project.file('.vagga/.roots')).filter((name) => name.includes('overlay'))).toEqual([]);
  });

  it('show more or less on stderr as variables ask', () => {
    const env = { VAGGA_DEBUG_CMDENV: '1', VAGGA_LOG: 'debug' };
    const debug = project.vagga(['-E', 'A=b c', 'greet'], { env });
    expect(debug).toMatchObject({ status: 0, stdout: 'hello\n' });
    expect(debug.stderr).toMatch(/^DEBUG: container base: version [0-9a-f]{128}, current$/m);
    expect(debug.stderr).toMatch(/^echo: A=b c$/m);
    expect(project.vagga(['greet'], { env: { VAGGA_LOG: 'loud' } }).stderr).toContain('VAGGA_LOG=loud: not one of');
  });

  it('note when a build was last used', () => {
    const lastUse = (): number => {
      const link = readlinkSync(project.file('.vagga/base'));
      return statSync(project.file(`.vagga/${link}/../last_use`)).mtimeMs;
    };
    const before = lastUse();
    expect(project.vagga(['--no-version-check', 'greet']).status).toBe(0);
    expect(lastUse()).toBeGreaterThan(before);
  });
});
