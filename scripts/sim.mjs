// npm run sim -- [--seeds N] [--from SEED] [--nodes A-B] [--minutes M] [--jobs J] [--with-schedules] [--replay SEED]
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildBundle } from './build.mjs';
import { fail, root } from './run.mjs';

await buildBundle();
// States are replaced, not changed: with V8's usual nursery most of the time goes into copying them.
const words = ['--max-semi-space-size=64', join(root, 'dist', 'sim.js'), ...process.argv.slice(2)];
const { status, signal, error } = spawnSync(process.execPath, words, { stdio: 'inherit' });
if (error) fail(`cannot run the simulator: ${error.message}`);
process.exitCode = status ?? (signal === 'SIGINT' ? 130 : 1);
