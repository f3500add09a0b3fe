import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../src/native/load.ts';
import { type BenchRow, benchRow, median } from './row.ts';

const rounds = 25;

/** Commands that need not load a part do not load it: help within 1.5 × of an empty Node. */
export async function measure(): Promise<readonly BenchRow[]> {
  const program = join(packageRoot(), 'bin', 'stellwerk.js');
  const commands = {
    'node -e 0': ['-e', '0'],
    'stellwerk --help': [program, '--help'],
    'vagga --help': [program, 'vagga', '--help'],
  };
  const times = new Map<string, number[]>(Object.keys(commands).map((name) => [name, []]));
  // Interleaved, so that a noisy minute hits all of them alike.
  for (let round = 0; round < rounds; round++) {
    for (const [name, args] of Object.entries(commands)) {
      const start = process.hrtime.bigint();
      const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
      if (status !== 0) throw new Error(`${name} ended with ${status}`);
      times.get(name)?.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
  }
  const empty = median(times.get('node -e 0') ?? []);
  return ['stellwerk --help', 'vagga --help'].map((name) =>
    benchRow(
      {
        bench: 'cli',
        figure: name,
        value: median(times.get(name) ?? []),
        unit: 'ms',
        peer: 'node -e 0',
        peerValue: empty,
      },
      { maxRatio: 1.5 },
    ),
  );
}
