// npm test: builds what is not built yet, then native, unit and system tests. Arguments go to vitest.
// The examples have a run of their own, `npm run test:examples`: they install distributions.
import { join } from 'node:path';
import { buildAll } from './build.mjs';
import { root, run } from './run.mjs';
import { testNative } from './test-native.mjs';

await buildAll();
const args = process.argv.slice(2);
if (args.length === 0) testNative();
const suites = args.some((arg) => arg.startsWith('--project')) ? [] : ['--project', 'unit', '--project', 'system'];
run(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...suites, ...args]);
