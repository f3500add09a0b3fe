// npm run bench -- [NAME …] [--json]
import { join } from 'node:path';
import { buildAll } from './build.mjs';
import { root, run } from './run.mjs';

await buildAll();
run(process.execPath, [join(root, 'dist', 'bench.js'), ...process.argv.slice(2)]);
