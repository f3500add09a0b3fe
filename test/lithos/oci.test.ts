import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { importInto } from '../../src/lithos/oci/import.ts';
import { partsOf } from '../../src/oci/place.ts';
import { Refusal } from '../../src/oci/refusal.ts';
import { skipped } from '../skipped.ts';

type Entry = Partial<Header> & { readonly name: string; readonly text?: string };

const isRoot = process.getuid?.() === 0;
const hasUmoci = spawnSync('umoci', ['--version']).error === undefined;

let dir = '';
let imageDir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'oci-'));
  imageDir = join(dir, 'images');
  mkdirSync(imageDir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const stream = pack();
  for (const { text = '', ...header } of entries) stream.entry({ mode: 0o644, ...header } as Header, text);
  stream.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const file = (name: string, text: string, more: Partial<Header> = {}): Entry => ({ name, text, type: 'file', ...more });
const folder = (name: string, mode = 0o755): Entry => ({ name, type: 'directory', mode });
const link = (name: string, linkname: string, type: 'symlink' | 'link' = 'symlink'): Entry => ({
  name,
  linkname,
  type,
});

/** An OCI layout of these layers; `change` damages it. */
async function layout(
  layers: readonly (readonly Entry[])[],
  config: object = {},
  change: (blobs: Map<string, Buffer>) => void = () => {},
): Promise<string> {
  const blobs = new Map<string, Buffer>();
  const add = (bytes: Buffer, mediaType: string) => {
    blobs.set(sha(bytes), bytes);
    return { mediaType, digest: `sha256:${sha(bytes)}`, size: bytes.length };
  };
  const tars = await Promise.all(layers.map(tarOf));
  const descriptors = tars.map((tar, index) =>
    add(index % 2 === 0 ? gzipSync(tar) : tar, 'application/vnd.oci.image.layer.v1.tar+gzip'),
  );
  const rootfs = { type: 'layers', diff_ids: tars.map((tar) => `sha256:${sha(tar)}`) };
  const text = (value: object): Buffer => Buffer.from(JSON.stringify(value));
  const configBlob = add(
    text({ architecture: 'amd64', os: 'linux', config, rootfs }),
    'application/vnd.oci.image.config.v1+json',
  );
  const manifest = add(
    text({ schemaVersion: 2, config: configBlob, layers: descriptors }),
    'application/vnd.oci.image.manifest.v1+json',
  );
  const place = join(dir, `layout-${Math.random().toString(36).slice(2)}`);
  mkdirSync(join(place, 'blobs', 'sha256'), { recursive: true });
  change(blobs);
  for (const [name, bytes] of blobs) writeFileSync(join(place, 'blobs', 'sha256', name), bytes);
  writeFileSync(join(place, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(place, 'index.json'), text({ schemaVersion: 2, manifests: [manifest] }));
  return place;
}

const run = (source: string, mostBytes = 1e9) => importInto({ source, imageDir, mostBytes, progress: () => {} });

async function unpacked(...layers: readonly (readonly Entry[])[]): Promise<string> {
  return join(imageDir, (await run(await layout(layers))).name);
}

async function refusal(source: Promise<string> | string, mostBytes?: number): Promise<string> {
  try {
    await run(await source, mostBytes);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    expect(readdirSync(imageDir)).toEqual([]);
    return error.message;
  }
  return 'not refused';
}

describe('an image', () => {
  it('is unpacked under its digest, with modes, times, links and the folders that containers need', async () => {
    const mtime = new Date(1_000_000_000_000);
    const root = await unpacked([
      folder('usr/bin', 0o755),
      file('usr/bin/tool', 'x', { mode: 0o4755, mtime }),
      link('usr/bin/other', 'usr/bin/tool', 'link'),
      link('bin', 'usr/bin'),
      folder('private', 0o500),
      file('private/kept', 'deep'),
    ]);
    expect(root).toMatch(/sha256-[0-9a-f]{64}$/);
    const tool = statSync(join(root, 'usr/bin/tool'));
    expect(tool.mode & 0o7777).toBe(0o4755);
    expect(tool.mtimeMs).toBe(mtime.getTime());
    expect(statSync(join(root, 'usr/bin/other')).ino).toBe(tool.ino);
    expect(readlinkSync(join(root, 'bin'))).toBe('usr/bin');
    expect(statSync(join(root, 'private')).mode & 0o777).toBe(0o500);
    for (const name of ['dev', 'proc', 'sys', 'tmp']) expect(statSync(join(root, name)).isDirectory()).toBe(true);
    expect(readdirSync(imageDir)).toHaveLength(1);
  });

  it('has the upper layers’ files, and not those that they hide', async () => {
    const root = await unpacked(
      [
        file('a', 'old'),
        file('gone', '1'),
        file('dir/one', '1'),
        file('dir/two', '2'),
        folder('cleared/deep'),
        file('cleared/x', ''),
      ],
      [
        file('a', 'new'),
        file('.wh.gone', ''),
        file('dir/.wh.one', ''),
        file('cleared/y', ''),
        file('cleared/.wh..wh..opq', ''),
        file('cleared/z', ''),
      ],
    );
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('new');
    expect(existsSync(join(root, 'gone'))).toBe(false);
    expect(readdirSync(join(root, 'dir'))).toEqual(['two']);
    // What this layer itself brings stays, whatever the order.
    expect(readdirSync(join(root, 'cleared')).sort()).toEqual(['y', 'z']);
  });

  it('writes through links of a lower layer, inside of the root', async () => {
    const root = await unpacked(
      [folder('usr/lib'), link('lib', 'usr/lib'), link('abs', '/usr/lib')],
      [file('lib/a.so', 'a'), file('abs/b.so', 'b')],
    );
    expect(readdirSync(join(root, 'usr/lib')).sort()).toEqual(['a.so', 'b.so']);
  });

  it('may replace a folder by a file and a file by a folder', async () => {
    const root = await unpacked(
      [file('a/b', ''), file('c', '')],
      [file('a', 'now a file'), folder('c'), file('c/d', '')],
    );
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('now a file');
    expect(readdirSync(join(root, 'c'))).toEqual(['d']);
  });

  it('keeps user attributes, and counts what it leaves out', async () => {
    const pax = { 'SCHILY.xattr.user.note': 'kept', 'SCHILY.xattr.security.capability': '\u0001\u0000' };
    const source = await layout([
      [file('a', '', { pax } as Partial<Header>), { name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }],
    ]);
    const { name, losses } = await run(source);
    expect(losses).toMatchObject({ devices: 1, attributes: 1 });
    const read = spawnSync('getfattr', ['-n', 'user.note', '--only-values', join(imageDir, name, 'a')], {
      encoding: 'utf8',
    });
    if (read.error === undefined) expect(read.stdout).toBe('kept');
    expect(existsSync(join(imageDir, name, 'null'))).toBe(false);
  });

  it('that is there already is left as it is', async () => {
    const source = await layout([[file('a', '1')]]);
    const { name } = await run(source);
    writeFileSync(join(imageDir, name, 'mark'), '');
    expect(await run(source)).toMatchObject({ name, existed: true });
    expect(existsSync(join(imageDir, name, 'mark'))).toBe(true);
  });

  it('gets a container config from what it says of itself', async () => {
    const config = {
      Entrypoint: ['serve'],
      Cmd: ['--port', '80'],
      Env: ['PATH=/opt/bin:/bin', 'A=b=c'],
      WorkingDir: '/srv',
      User: 'web',
    };
    const source = await layout(
      [
        [
          file('opt/bin/serve', '', { mode: 0o755 }),
          file('etc/passwd', 'root:x:0:0::/:\nweb:x:33:44::/:\n'),
          folder('srv'),
        ],
      ],
      config,
    );
    const { name, withoutService } = await run(source);
    expect(withoutService).toBeNull();
    expect(readFileSync(join(imageDir, name, 'config/image.yaml'), 'utf8')).toContain(
      'kind: CommandOrDaemon\nexecutable: /opt/bin/serve\narguments:\n  - --port\n  - "80"\nenviron:\n  PATH: /opt/bin:/bin\n  A: b=c\nworkdir: /srv\nuser-id: 33\ngroup-id: 44\n',
    );
    expect((await run(await layout([[file('x', '2')]], { Cmd: ['gone'] }))).withoutService).toBe(
      'its program gone is not in it',
    );
  });

  it('of docker save is taken too, whole or gzipped', async () => {
    const tar = await tarOf([file('hello', 'world')]);
    const config = Buffer.from(JSON.stringify({ rootfs: { diff_ids: [`sha256:${sha(tar)}`] }, config: {} }));
    const entries = (layer: Buffer): Promise<Buffer> =>
      tarOf([
        { name: 'abc.json', type: 'file', text: config.toString() },
        { name: 'one/layer.tar', type: 'file', text: layer as unknown as string },
        { name: 'two/layer.tar', type: 'symlink', linkname: '../one/layer.tar' },
        {
          name: 'manifest.json',
          type: 'file',
          text: JSON.stringify([{ Config: 'abc.json', Layers: ['two/layer.tar'] }]),
        },
      ]);
    const archive = join(dir, 'image.tar');
    writeFileSync(archive, gzipSync(await entries(tar)));
    const { name } = await run(archive);
    expect(name).toBe(`sha256-${sha(config)}`);
    expect(readFileSync(join(imageDir, name, 'hello'), 'utf8')).toBe('world');
  });

  it.skipIf(skipped(hasUmoci, 'a layout of umoci', 'umoci is missing (apt-get install umoci)'))(
    'made by umoci is taken',
    async () => {
      const made = join(dir, 'made');
      const umoci = (...words: string[]): void => expect(spawnSync('umoci', words).status).toBe(0);
      umoci('init', '--layout', made);
      umoci('new', '--image', `${made}:v1`);
      writeFileSync(join(dir, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
      umoci('insert', '--image', `${made}:v1`, join(dir, 'tool'), '/usr/bin/tool');
      umoci('config', '--image', `${made}:v1`, '--config.entrypoint', '/usr/bin/tool');
      const { name, withoutService } = await run(made);
      expect(withoutService).toBeNull();
      expect(statSync(join(imageDir, name, 'usr/bin/tool')).mode & 0o777).toBe(0o755);
    },
  );
});

describe('an image that wants out', () => {
  const victim = (): string => {
    const path = join(dir, 'victim');
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'file'), 'untouched');
    return path;
  };
  const untouched = (): void => {
    expect(readdirSync(join(dir, 'victim'))).toEqual(['file']);
    expect(readFileSync(join(dir, 'victim', 'file'), 'utf8')).toBe('untouched');
  };

  it('by .. in a name is refused', async () => {
    victim();
    for (const name of ['../victim/new', 'a/../../victim/new', '/../victim/new']) {
      expect(await refusal(layout([[file(name, 'x')]]))).toContain('leads out of the image');
    }
    untouched();
  });

  it('by a link to the host stays inside', async () => {
    const path = victim();
    // Inside, the absolute path begins at the image's root: there is no such folder there.
    expect(await refusal(layout([[link('out', path), file('out/new', 'x')]]))).toContain('is not there');
    expect(await refusal(layout([[link('out', '../../../victim'), file('out/new', 'x')]]))).toMatch(
      /leads out|is not there/,
    );
    untouched();
  });

  it('by replacing what a link points to replaces the link', async () => {
    const path = victim();
    const root = await unpacked([link('file', join(path, 'file'))], [file('file', 'mine', { mode: 0o777 })]);
    expect(lstatSync(join(root, 'file')).isFile()).toBe(true);
    untouched();
  });

  it('by a hard link to the host is refused', async () => {
    const path = victim();
    expect(await refusal(layout([[link('a', `${path}/file`, 'link')]]))).toContain('finds no file');
    expect(await refusal(layout([[link('a', '../victim/file', 'link')]]))).toContain('leads out of the image');
    expect(await refusal(layout([[link('l', path), link('a', 'l/file', 'link')]]))).toContain('finds no file');
    untouched();
  });

  it('by a whiteout removes nothing of the host', async () => {
    const path = victim();
    const root = await unpacked(
      [link('out', path), file('out2', '')],
      [file('out/.wh.file', ''), file('out/.wh..wh..opq', '')],
    );
    rmSync(root, { recursive: true });
    expect(await refusal(layout([[file('.wh...', '')]]))).toContain('hides no file');
    untouched();
  });

  it('by replacing a folder above a recorded one changes no mode of the host', async () => {
    const host = join(dir, 'host');
    mkdirSync(join(host, 'deep'), { recursive: true, mode: 0o755 });
    const root = await unpacked([folder('a'), folder('a/deep', 0o777)], [link('a', host)]);
    expect(readlinkSync(join(root, 'a'))).toBe(host);
    expect(statSync(join(host, 'deep')).mode & 0o777).toBe(0o755);
    expect(statSync(join(host, 'deep')).mtimeMs).toBeGreaterThan(0);
  });

  it('by a folder that a whiteout hid changes no mode of what took its place', async () => {
    const root = await unpacked(
      [folder('a'), folder('a/deep', 0o700), folder('b'), folder('b/deep', 0o700)],
      [
        { name: '.wh.a', type: 'file' },
        { name: 'b/.wh..wh..opq', type: 'file' },
      ],
      [file('a/deep/x', ''), file('b/deep/x', '')],
    );
    const mode = (name: string) => statSync(join(root, name)).mode & 0o777;
    expect([mode('a/deep'), mode('b/deep')]).toEqual([0o755, 0o755]);
  });

  it('by a link in the place of the container config writes nothing through it', async () => {
    const target = join(dir, 'written-by-image');
    const layers = [[file('bin/run', '', { mode: 0o755 }), folder('config'), link('config/image.yaml', target)]];
    const { withoutService } = await run(await layout(layers, { Cmd: ['/bin/run'] }));
    expect(existsSync(target)).toBe(false);
    expect(withoutService).toBe('its /config/image.yaml is a link that leads nowhere');
  });

  it('by links in the place of mount points makes nothing of the host', async () => {
    const target = join(dir, 'made-by-image');
    const root = await unpacked([[link('tmp', target), link('dev', '/')]].flat());
    expect(existsSync(target)).toBe(false);
    expect(readlinkSync(join(root, 'tmp'))).toBe(target);
  });

  it('has no name that leads anywhere else', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '.', '/', '\0', '..') }), (name) => {
        const parts = partsOf(name);
        expect(
          parts === null || parts.every((part) => part !== '..' && part !== '.' && part !== '' && !part.includes('/')),
        ).toBe(true);
      }),
    );
  });
});

describe('a damaged image', () => {
  it('is refused with what does not fit, and leaves nothing', async () => {
    expect(await refusal(join(dir, 'none'))).toContain('is not there');
    mkdirSync(join(dir, 'empty'));
    expect(await refusal(join(dir, 'empty'))).toContain('neither index.json (an OCI layout) nor manifest.json');
    writeFileSync(join(dir, 'text'), 'hello');
    expect(await refusal(join(dir, 'text'))).toMatch(/no archive|neither/);
    const flip = (index: number) => (blobs: Map<string, Buffer>) => {
      const [name = '', bytes = Buffer.alloc(0)] = [...blobs][index] ?? [];
      const changed = Buffer.from(bytes);
      changed[changed.length - 3] = (changed[changed.length - 3] ?? 0) ^ 1;
      blobs.set(name, changed);
    };
    expect(await refusal(layout([[file('a', '1')]], {}, flip(0)))).toMatch(/damaged|another digest/);
    expect(await refusal(layout([[file('a', '1')], [file('b', '2')]], {}, flip(1)))).toMatch(/damaged|another digest/);
    expect(await refusal(layout([[file('a', '1')]], {}, flip(1)))).toMatch(/another digest|no JSON/);
  });

  it('that unpacks to more than was allowed is refused', async () => {
    expect(await refusal(layout([[file('a', 'x'.repeat(5000))]]), 4000)).toContain('unpacks to more than 4000 bytes');
  });

  it('of any bytes gets a reason', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), fc.boolean(), async (bytes, gzipped) => {
        const archive = join(dir, 'fuzz');
        writeFileSync(archive, gzipped ? gzipSync(bytes) : bytes);
        expect((await refusal(archive)).length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
    const whole = await tarOf([file('index.json', '{"manifests":[{}]}'), file('manifest.json', '[]')]);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, byte) => {
        const bytes = Buffer.from(whole);
        bytes[at] = byte;
        writeFileSync(join(dir, 'fuzz'), bytes);
        expect((await refusal(join(dir, 'fuzz'))).length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe('lithos image import', () => {
  const program = join(process.cwd(), 'bin', 'stellwerk.js');

  it('leaves nothing that looks whole when it is killed at any moment, and cleans up the next time', async () => {
    const source = await layout([Array.from({ length: 3000 }, (_, index) => file(`f${index}`, 'x'.repeat(100)))]);
    for (let kill = 0; kill < 6; kill++) {
      const child = spawn(process.execPath, [program, 'lithos', 'image', 'import', '--image-dir', imageDir, source], {
        stdio: 'ignore',
      });
      await new Promise((resolve) => setTimeout(resolve, 150 + 60 * kill));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.on('close', resolve));
      for (const name of readdirSync(imageDir)) {
        if (name.startsWith('sha256-'))
          expect(readdirSync(join(imageDir, name)).filter((each) => each.startsWith('f'))).toHaveLength(3000);
      }
    }
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [program, 'lithos', 'image', 'import', '--image-dir', imageDir, source],
      { encoding: 'utf8' },
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^sha256-[0-9a-f]{64}\n$/) });
    expect(stderr).toMatch(/layer 1 of 1|there already/);
    expect(readdirSync(imageDir)).toHaveLength(1);
  });

  it('says which option is missing, and what is wrong with an image', () => {
    const run = (...words: string[]) =>
      spawnSync(process.execPath, [program, 'lithos', 'image', 'import', ...words], { encoding: 'utf8' });
    expect(run(dir)).toMatchObject({
      status: 2,
      stderr: 'lithos image import: expected --image-dir DIR or --sandbox NAME\n',
    });
    expect(run('--image-dir', imageDir, join(dir, 'none'))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is not there'),
    });
  });

  it.skipIf(skipped(isRoot, 'an import by another user', 'the tests run as an ordinary user already'))(
    'works without root',
    async () => {
      const source = await layout([[file('a', '1', { uid: 12, gid: 13, mode: 0o4755 })]]);
      spawnSync('chmod', ['-R', 'a+rX', dir]);
      const own = join(dir, 'own');
      mkdirSync(own);
      spawnSync('chown', ['65534:65534', own]);
      const { status, stderr, stdout } = spawnSync(
        process.execPath,
        [program, 'lithos', 'image', 'import', '--image-dir', own, source],
        { encoding: 'utf8', uid: 65_534, gid: 65_534 },
      );
      expect(status, stderr).toBe(0);
      expect(stderr).toContain('1 files belong to you instead of their owners');
      expect(statSync(join(own, stdout.trim(), 'a')).uid).toBe(65_534);
    },
  );
});
