// GoogleTest unit tests of the C++ core under AddressSanitizer and UndefinedBehaviorSanitizer.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { cmake } from './prerequisites.mjs';
import { run } from './run.mjs';

export function testNative() {
  const installed = ['/usr/lib', '/usr/lib64', '/usr/local/lib'].some(
    (folder) => existsSync(`${folder}/cmake/GTest`) || existsSync(`${folder}/${tuple()}/cmake/GTest`),
  );
  if (!installed) {
    process.stdout.write('SKIPPED native unit tests: GoogleTest is missing (apt-get install libgtest-dev)\n');
    return;
  }
  const program = cmake();
  const jobs = String(availableParallelism());
  run(
    program,
    [
      '-S',
      '.',
      '-B',
      'build/asan',
      '-DCMAKE_BUILD_TYPE=Debug',
      '-DSTELLWERK_TESTS=ON',
      '-DSTELLWERK_SANITIZE=address,undefined',
    ],
    { quiet: true },
  );
  run(program, ['--build', 'build/asan', '--parallel', jobs], { quiet: true });
  // ctest stands beside the cmake that was found.
  run(program.replace(/cmake$/, 'ctest'), ['--test-dir', 'build/asan', '--output-on-failure', '--parallel', jobs]);
}

function tuple() {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
}

if (process.argv[1] === import.meta.filename) testNative();
