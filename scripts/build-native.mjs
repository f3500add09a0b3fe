// Builds the addons (node-gyp), knot and the fast path of vagga (CMake). Runs as npm's install script and before start and test.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { checkPrerequisites, cmake, nodeHeaders } from './prerequisites.mjs';
import { root, run } from './run.mjs';
import { makeIfStale } from './stale.mjs';

const jobs = String(availableParallelism());

export function buildNative() {
  checkPrerequisites();
  const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  makeIfStale('addons', {
    inputs: ['native', 'binding.gyp', 'bindings.gyp'],
    outputs: ['container', 'hash', 'scanner'].map((name) => `build/Release/${name}.node`),
    make() {
      process.stdout.write('stellwerk: building the addons (container, hash, scanner)\n');
      // `configure build`, not `rebuild`: knot's build folder and the stamps stay.
      run(process.execPath, [gyp, 'configure', 'build', `--jobs=${jobs}`, '--loglevel=error', ...nodeHeaders()], {
        quiet: true,
      });
    },
  });
  buildFfi(gyp);
  makePrograms('knot', { targets: ['knot', 'vagga-network'], programs: ['knot', 'network/vagga'], what: 'knot' });
  makePrograms('vagga', { targets: ['vagga'], programs: ['vagga'], what: 'the fast path of vagga' });
}

/** Static programs of CMakeLists.txt in `build/FOLDER`. */
function makePrograms(folder, { targets, programs, what }) {
  makeIfStale(folder, {
    inputs: ['native', 'CMakeLists.txt'],
    outputs: programs.map((program) => `build/${folder}/${program}`),
    make() {
      process.stdout.write(`stellwerk: building ${what}\n`);
      const program = cmake();
      run(program, ['-S', '.', '-B', `build/${folder}`, '-DCMAKE_BUILD_TYPE=Release'], { quiet: true });
      run(program, ['--build', `build/${folder}`, '--target', ...targets, '--parallel', jobs], { quiet: true });
    },
  });
}

/** Calls into libsystemd, where the optional package was installed. Without it systemd is not told that the agent is up. */
function buildFfi(gyp) {
  for (const name of ['@2060.io/ref-napi', 'ffi-napi']) {
    const folder = join(root, 'node_modules', name);
    if (!existsSync(folder)) return;
    makeIfStale(name.replace('/', '-'), {
      inputs: [`node_modules/${name}/package.json`],
      outputs: [`node_modules/${name}/build/Release`],
      make() {
        process.stdout.write(`stellwerk: building ${name}\n`);
        const args = [gyp, 'rebuild', '-C', folder, `--jobs=${jobs}`, '--loglevel=error', ...nodeHeaders()];
        const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
        if (status !== 0)
          process.stderr.write(`stellwerk: ${name} does not build; sd_notify will be missing\n${stderr}`);
      },
    });
  }
}

if (process.argv[1] === import.meta.filename) buildNative();
