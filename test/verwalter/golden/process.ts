import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { runScheduler } from '../../../src/verwalter/scheduler/engine.ts';

// Runs one request so many times and prints every distinct result with the times it came.

const [requestFile = '', times = '1'] = process.argv.slice(2);
const request = JSON.parse(readFileSync(requestFile, 'utf8'));
const results = new Map<string, number>();
for (let i = 0; i < Number(times); i++) {
  const run = await runScheduler(request);
  if (!run.ok) throw new Error(`${run.message}\n${run.traceback}`);
  const result = JSON.stringify([run.text, run.log, run.warnings, run.answers]);
  const digest = createHash('sha256').update(result).digest('hex');
  results.set(digest, (results.get(digest) ?? 0) + 1);
}
process.stdout.write(JSON.stringify([...results]));
