// The Node program of vagga as one file, dist/vagga.cjs, with what V8 compiles of it, dist/vagga.cjs.cache: a person
// waits for it at a prompt.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './run.mjs';

const require = createRequire(import.meta.url);

/** Parts of Node that take long to load and that a command whose container is built hardly ever needs. */
const rarelyNeeded = [
  'child_process',
  'crypto',
  'http',
  'https',
  'net',
  'readline',
  'stream',
  'tls',
  'tty',
  'v8',
  'zlib',
];

/** Loads a part of Node when something of it is first used, not when the program starts. */
const lazyParts = {
  name: 'lazy-parts-of-node',
  setup(build) {
    build.onResolve({ filter: new RegExp(`^(node:)?(${rarelyNeeded.join('|')})$`) }, ({ path, namespace }) =>
      namespace === 'lazy-part'
        ? { path, external: true }
        : { path: path.replace(/^node:/, ''), namespace: 'lazy-part' },
    );
    build.onLoad({ filter: /.*/, namespace: 'lazy-part' }, ({ path }) => ({
      contents: getters(Object.keys(require(`node:${path}`)), `node:${path}`),
      loader: 'js',
    }));
  },
};

/** Packages that a command hardly ever needs; the names that they export stand where esbuild cannot see them. */
const rarePackages = ['commander', 'docopt', 'diff', 'yaml'];

const lazyPackages = {
  name: 'lazy-packages',
  setup(build) {
    build.onResolve({ filter: new RegExp(`^(${rarePackages.join('|')})$`) }, ({ path, namespace }) =>
      namespace === 'lazy-package' ? undefined : { path, namespace: 'lazy-package' },
    );
    build.onLoad({ filter: /.*/, namespace: 'lazy-package' }, ({ path }) => ({
      contents: getters(Object.keys(require(path)), path),
      loader: 'js',
      resolveDir: root,
    }));
  },
};

/** A CommonJS module that loads another when something of it is first used. */
const getters = (names, path) =>
  names
    .map(
      (name) =>
        `Object.defineProperty(exports, '${name}', { enumerable: true, get: () => require('${path}').${name} });`,
    )
    .join('\n');

/** As esbuild takes it, over what the other bundles have. */
export const vaggaProgram = {
  entryPoints: { vagga: 'src/vagga/main.ts' },
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  splitting: false,
  minifyWhitespace: true,
  plugins: [lazyParts, lazyPackages],
  // What bin/vagga-node.cjs calls.
  banner: {
    js: "(function (require, __filename) {const __moduleUrl = require('node:url').pathToFileURL(__filename).href;",
  },
  footer: { js: '})' },
};

/** What the program keeps of a project it takes once its files are so old (src/vagga/plan/conditions.ts). */
const untilKeptMs = 2_100;

const yaml = `
containers:
  base: { setup: [!Tar { url: ./root.tar }, !Sh "true"], environ: { A: b } }
  c: { setup: [!Container base, !Depends file, !Text { /etc/x: "y" }], volumes: { /data: !Tmpfs { size: 1Mi } } }
commands:
  run: !Command { container: c, run: "true", description: nothing, environ: { C: d } }
  list: !Command { container: c, run: [ls, -l], aliases: [l] }
`;

/** Runs what a command needs of the program, and keeps what was compiled on the way. */
export async function compileVagga() {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-build-'));
  const project = join(folder, 'project');
  try {
    mkdirSync(join(project, '.vagga'), { recursive: true });
    writeFileSync(join(project, 'vagga.yaml'), yaml);
    writeFileSync(join(project, 'file'), '');
    // Its containers can never be built: the command ends where that would begin, and all before was compiled.
    writeFileSync(join(project, '.vagga', '.roots'), '');
    const run = (word, env) =>
      spawnSync(process.execPath, [join(root, 'bin', 'vagga-node.cjs'), word], {
        cwd: project,
        env: { PATH: process.env.PATH, HOME: folder, ...env },
        stdio: 'ignore',
      });
    await sleep(untilKeptMs);
    run('_list', {});
    run('run', { STELLWERK_COMPILE_VAGGA: '1' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
