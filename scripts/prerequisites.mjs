// What a build needs of the system; all that is missing is told in one go, with the way to get it.
import { existsSync } from 'node:fs';
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
  const program = join(folder, 'node_modules', '.bin', 'cmake');
  if (!existsSync(program)) {
    process.stdout.write('stellwerk: no cmake on this host, installing one into tools/cmake\n');
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder });
  }
  return program;
}
