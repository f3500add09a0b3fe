// Everything that a clone needs before it runs: dependencies, native parts, the bundle, the UI.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildNative } from './build-native.mjs';
import { checkPrerequisites } from './prerequisites.mjs';
import { root, run } from './run.mjs';
import { makeIfStale } from './stale.mjs';
import { compileVagga, vaggaProgram } from './vagga-program.mjs';

/** For what needs neither addons nor the UI. */
export async function buildBundle() {
  installPackages();
  await bundle();
}

export async function buildAll() {
  checkPrerequisites();
  installPackages();
  buildNative();
  await bundle();
  makeIfStale('web', {
    inputs: ['web', 'package-lock.json'],
    outputs: ['dist/web/index.html'],
    make() {
      process.stdout.write('stellwerk: building the web UI\n');
      run(process.execPath, [join(root, 'node_modules/vite/bin/vite.js'), 'build', 'web', '--logLevel', 'warn']);
    },
  });
}

function installPackages() {
  makeIfStale('dependencies', {
    inputs: ['package-lock.json'],
    outputs: ['node_modules/.package-lock.json'],
    make() {
      process.stdout.write('stellwerk: installing the npm packages (about 350 MB, most of it uWebSockets.js)\n');
      run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
    },
  });
}

async function bundle() {
  let build;
  const stale = makeIfStale('bundle', {
    inputs: ['src', 'examples', 'bench', 'scripts/vagga-program.mjs', 'bin', 'package-lock.json', 'package.json'],
    outputs: [
      'dist/main.js',
      'dist/quickstart.js',
      'dist/scheduler-worker.js',
      'dist/replay-process.js',
      'dist/sim.js',
      'dist/vagga-builder.js',
      'dist/vagga-network-keeper.js',
      'dist/vagga-image.js',
      'dist/vagga-store-worker.js',
      'dist/vagga.cjs',
    ],
    make() {
      build = true;
    },
  });
  if (!stale || !build) return;
  const { build: esbuild } = await import('esbuild');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const common = {
    absWorkingDir: root,
    outdir: 'dist',
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    loader: { '.lua': 'text' },
    sourcemap: true,
    legalComments: 'none',
    logLevel: 'warning',
  };
  await esbuild({
    ...common,
    entryPoints: {
      main: 'src/cli/main.ts',
      quickstart: 'examples/quickstart/launch/main.ts',
      'scheduler-worker': 'src/verwalter/scheduler/worker.ts',
      'vagga-builder': 'src/vagga/build/builder.ts',
      'vagga-network-keeper': 'src/vagga/test-network/keeper.ts',
      'vagga-image': 'src/vagga/image/worker.ts',
      'vagga-store-worker': 'src/vagga/store/worker.ts',
      'replay-process': 'src/verwalter/replay/replay-process.ts',
      bench: 'bench/main.ts',
      sim: 'src/sim/main.ts',
    },
    splitting: true,
    format: 'esm',
    // These find their binaries and WebAssembly beside themselves, so they stay in node_modules.
    external: ['uWebSockets.js', 'wasmoon', 'pino', 'esbuild', 'vite', 'playwright-core', 'ffi-napi'],
    // Bundled CommonJS packages call require().
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
    },
    define: { STELLWERK_VERSION: JSON.stringify(version) },
  });
  await esbuild({
    ...common,
    ...vaggaProgram,
    define: { STELLWERK_VERSION: JSON.stringify(version), 'import.meta.url': '__moduleUrl' },
  });
  await compileVagga();
}

if (process.argv[1] === import.meta.filename) await buildAll();
