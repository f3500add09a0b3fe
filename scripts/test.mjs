// npm test: builds what is not built yet, then native, unit and system tests. Arguments go to vitest.
import { join } from 'node:path';
import { buildAll } from './build.mjs';
import { root, run } from './run.mjs';
import { testNative } from './test-native.mjs';

await buildAll();
const args = process.argv.slice(2);
if (args.length === 0) testNative();
run(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...args]);
