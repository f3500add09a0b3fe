// Builds the addons (node-gyp) and knot (CMake). Runs as npm's install script and before start and test.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { checkPrerequisites, cmake, nodeHeaders } from './prerequisites.mjs';
import { root, run } from './run.mjs';
import { makeIfStale } from './stale.mjs';

const jobs = String(availableParallelism());

export function buildNative() {
  checkPrerequisites();
  makeIfStale('addons', {
    inputs: ['native', 'binding.gyp', 'bindings.gyp'],
    outputs: ['build/Release/container.node', 'build/Release/scanner.node'],
    make() {
      process.stdout.write('stellwerk: building the addons (container, scanner)\n');
      const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
      // `configure build`, not `rebuild`: knot's build folder and the stamps stay.
      run(process.execPath, [gyp, 'configure', 'build', `--jobs=${jobs}`, '--loglevel=error', ...nodeHeaders()], {
        quiet: true,
      });
    },
  });
  makeIfStale('knot', {
    inputs: ['native', 'CMakeLists.txt'],
    outputs: ['build/knot/knot'],
    make() {
      process.stdout.write('stellwerk: building knot\n');
      const program = cmake();
      run(program, ['-S', '.', '-B', 'build/knot', '-DCMAKE_BUILD_TYPE=Release'], { quiet: true });
      run(program, ['--build', 'build/knot', '--target', 'knot', '--parallel', jobs], { quiet: true });
    },
  });
}

if (process.argv[1] === import.meta.filename) buildNative();
