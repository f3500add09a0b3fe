import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ExportedImage, imageBlobs, indexJson, layerType } from '../../src/vagga/export/image-json.ts';
import { folderProblem, writeLayoutArchive, writeLayoutFolder } from '../../src/vagga/export/write-layout.ts';

const layer = { mediaType: layerType, digest: `sha256:${'a'.repeat(64)}`, size: 5, diffId: `sha256:${'b'.repeat(64)}` };
const image: ExportedImage = {
  architecture: 'amd64',
  createdSeconds: 0,
  environ: new Map([['A', 'b=c']]),
  setup: [
    { tag: 'Sh', value: 'make\n' },
    { tag: 'Env', value: new Map([['TOKEN', 'secret']]) },
  ],
  name: 'web (12345678)',
  layer,
};
const content = (tag: string) => ({
  layer: { file: join(dir, 'layer'), descriptor: layer },
  ...imageBlobs(image),
  ...{ architecture: 'amd64', tag },
});

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'vagga-export-'));
  writeFileSync(join(dir, 'layer'), 'layer');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('an exported image', () => {
  it('has environment, one layer and its steps as history, and no command', () => {
    const config = JSON.parse(imageBlobs(image).config.bytes.toString());
    expect(config).toEqual({
      created: '1970-01-01T00:00:00Z',
      architecture: 'amd64',
      os: 'linux',
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=b=c'] },
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
      history: [
        { created: '1970-01-01T00:00:00Z', created_by: '!Sh make', empty_layer: true },
        { created: '1970-01-01T00:00:00Z', created_by: '!Env', empty_layer: true },
        { created: '1970-01-01T00:00:00Z', created_by: 'vagga _export web (12345678)' },
      ],
    });
  });

  it('keeps a PATH that the container sets', () => {
    const { config } = JSON.parse(
      imageBlobs({ ...image, environ: new Map([['PATH', '/opt/bin']]) }).config.bytes.toString(),
    );
    expect(config.Env).toEqual(['PATH=/opt/bin']);
  });

  it('takes the place of its tag in an index, whatever else is in it', () => {
    const { manifest } = imageBlobs(image);
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('latest', 'v1'), (before, tag) => {
        const once = JSON.parse(indexJson(before, manifest, 'amd64', tag));
        const twice = JSON.parse(indexJson(once, manifest, 'amd64', tag));
        expect(twice).toEqual(once);
        expect(once.manifests.at(-1).digest).toBe(manifest.digest);
      }),
    );
  });

  it('goes into a layout beside its other tags', () => {
    const folder = join(dir, 'layout');
    expect(folderProblem(folder)).toBeNull();
    writeLayoutFolder(folder, content('one'));
    writeFileSync(join(dir, 'layer'), 'layer');
    expect(folderProblem(folder)).toBeNull();
    writeLayoutFolder(folder, content('two'));
    const { manifests } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'));
    expect(manifests.map((each: { annotations: object }) => Object.values(each.annotations)[0])).toEqual([
      'one',
      'two',
    ]);
    expect(readdirSync(folder).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  });

  it('goes into no folder that holds other things', () => {
    mkdirSync(join(dir, 'full'));
    writeFileSync(join(dir, 'full/thesis'), '');
    expect(folderProblem(join(dir, 'full'))).toContain('holds other things than an OCI layout');
    expect(folderProblem(join(dir, 'full/thesis'))).toContain('expected the name of a folder');
  });

  it('is an archive of the same bytes each time', async () => {
    const [one, two] = [join(dir, 'one.tar'), join(dir, 'two.tar')];
    await writeLayoutArchive(one, content('latest'));
    await writeLayoutArchive(two, content('latest'));
    expect(readFileSync(one).equals(readFileSync(two))).toBe(true);
    const listed = spawnSync('tar', ['-tf', one], { encoding: 'utf8' });
    expect(listed.stdout.split('\n')).toContain(`blobs/sha256/${'a'.repeat(64)}`);
    expect(listed.stdout.split('\n').slice(-3)).toEqual(['index.json', 'oci-layout', '']);
  });

  it('leaves nothing where it cannot be written', async () => {
    rmSync(join(dir, 'layer'));
    await expect(writeLayoutArchive(join(dir, 'x.tar'), content('latest'))).rejects.toThrow('ENOENT');
    expect(readdirSync(dir)).toEqual([]);
  });
});
