// npm start: builds what is not built yet, then the quickstart cluster. Arguments pass through: npm start -- --check
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buildAll } from './build.mjs';
import { root } from './run.mjs';

await buildAll();
const quickstart = spawn(process.execPath, [join(root, 'dist', 'quickstart.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// Ctrl-C reaches the quickstart through the terminal's process group; this process only waits for its clean-up.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => quickstart.kill('SIGTERM'));
process.on('SIGHUP', () => quickstart.kill('SIGTERM'));
quickstart.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
