// Exports the metrics of a vector and stays until its standard input ends. `--kill`: leaves without a word.
import { readFileSync } from 'node:fs';
import { Counter, exportMetrics, Float, Integer, State } from '../../../clients/node/index.js';

const { metrics } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const made = metrics.map(({ type, labels, size, value, since }) => {
  switch (type) {
    case 'counter': {
      const counter = new Counter(labels);
      counter.add(BigInt(value));
      return [counter, () => counter.add(1)];
    }
    case 'signed': {
      const level = new Integer(labels);
      level.set(BigInt(value));
      return [level, () => level.add(-1)];
    }
    case 'float': {
      const level = new Float(labels);
      level.set(Number(value));
      return [level, () => level.set(0.5)];
    }
    default: {
      const state = new State(labels, { size });
      state.enter(value, since);
      return [state, () => state.leave()];
    }
  }
});
exportMetrics(made.map(([metric]) => metric));
process.stdout.write('ready\n');
process.stdin.on('data', () => {
  for (const [, change] of made) change();
  process.stdout.write('changed\n');
});
process.stdin.on('end', () => process.exit(0));
