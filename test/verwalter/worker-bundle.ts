import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** Bundles the scheduler's worker as the build does; within node_modules, so that it finds wasmoon. */
export const bundleWorker = async (): Promise<{ readonly url: URL; remove(): void }> => {
  const folder = mkdtempSync(join(import.meta.dirname, '../../node_modules/.verwalter-test-'));
  const outfile = join(folder, 'worker.js');
  await build({
    entryPoints: [join(import.meta.dirname, '../../src/verwalter/scheduler/worker.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['wasmoon'],
    loader: { '.lua': 'text' },
    logLevel: 'silent',
  });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  return { url: pathToFileURL(outfile), remove: () => rmSync(folder, { recursive: true, force: true }) };
};
