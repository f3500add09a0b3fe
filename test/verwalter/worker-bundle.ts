import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');

/** Bundles an entry as the build does; within node_modules, so that it finds wasmoon. */
export const bundleEntry = async (entry: string): Promise<{ readonly path: string; remove(): void }> => {
  const folder = mkdtempSync(join(root, 'node_modules/.verwalter-test-'));
  const outfile = join(folder, 'entry.mjs');
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['wasmoon'],
    loader: { '.lua': 'text' },
    logLevel: 'silent',
  });
  return { path: outfile, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

/** The scheduler's worker. */
export const bundleWorker = async (): Promise<{ readonly url: URL; remove(): void }> => {
  const { path, remove } = await bundleEntry('src/verwalter/scheduler/worker.ts');
  return { url: pathToFileURL(path), remove };
};
