import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../src/native/load.ts';
import { type BenchRow, benchRow, median } from './row.ts';

/** As a root of a small distribution with a few packages has. */
const files = { folders: 200, each: 50, bytes: 8_000 };
const rounds = 3;

const withLayers = 'build-layers: true';
const without = 'build-layers: false';

/**
 * A container of a root, a step that reads all of it, and a last step that changes: built, changed, built again. Beside
 * it the same with every step run each time, as the original does; the disk has both versions then.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-layers-'));
  try {
    const archive = makeArchive(folder);
    const again: Record<string, number[]> = { [withLayers]: [], [without]: [] };
    const first: Record<string, number[]> = { [withLayers]: [], [without]: [] };
    const disk: Record<string, number[]> = { [withLayers]: [], [without]: [] };
    for (let round = 0; round < rounds; round += 1) {
      for (const settings of [withLayers, without]) {
        const project = mkdtempSync(join(folder, 'project-'));
        cpSync(archive, join(project, 'root.tar.gz'));
        first[settings]?.push(build(project, 'one', settings));
        again[settings]?.push(build(project, 'two', settings));
        disk[settings]?.push(kibibytes(join(project, '.vagga')) / 1024);
        rmSync(project, { recursive: true, force: true });
      }
    }
    const row = (figure: string, unit: string, measured: Record<string, number[]>, maxRatio: number): BenchRow =>
      benchRow(
        {
          ...{ bench: 'vagga-layers', figure, unit, peer: 'every step run' },
          value: median(measured[withLayers] ?? []),
          peerValue: median(measured[without] ?? []),
        },
        { maxRatio },
      );
    const what = `${files.folders * files.each} files`;
    return [
      row(`rebuild after a change of the last step, ${what}`, 'ms', again, 0.5),
      row(`first build, ${what}`, 'ms', first, 1.25),
      row(`disk of two versions, ${what}`, 'MiB', disk, 0.6),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Milliseconds. */
function build(project: string, last: string, settings: string): number {
  writeFileSync(
    join(project, 'vagga.yaml'),
    `containers:
  c:
    setup:
    - !Tar { url: ./root.tar.gz }
    - !Sh "find /data -type f -exec sha256sum {} + > /sums"
    - !Sh "echo ${last} > /last"
`,
  );
  const begun = performance.now();
  const words = [join(packageRoot(), 'bin/stellwerk.js'), 'vagga', '_build', 'c'];
  const env = { PATH: process.env.PATH ?? '', HOME: project, VAGGA_SETTINGS: settings };
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: project, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`vagga _build ended with ${status}: ${stderr}`);
  return performance.now() - begun;
}

function makeArchive(folder: string): string {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  cpSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sh', 'find', 'sha256sum', 'echo']) spawnSync('ln', ['-s', 'busybox', join(root, 'bin', name)]);
  for (let index = 0; index < files.folders; index += 1) {
    const inner = join(root, 'data', String(index));
    mkdirSync(inner, { recursive: true });
    for (let each = 0; each < files.each; each += 1) {
      writeFileSync(join(inner, String(each)), `${index} ${each}\n`.padEnd(files.bytes, `${index * each} `));
    }
  }
  const archive = join(folder, 'root.tar.gz');
  const packed = spawnSync('tar', ['-C', root, '-czf', archive, '.']);
  if (packed.status !== 0) throw new Error(`tar: ${packed.stderr}`);
  return archive;
}

function kibibytes(folder: string): number {
  return Number(spawnSync('du', ['-sk', folder], { encoding: 'utf8' }).stdout.split('\t')[0]);
}
