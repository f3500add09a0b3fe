// A program as the agent finds them: numbers and states in a file that CANTAL_PATH names. Runs until it is killed.
import { Counter, exportMetrics, Float, Integer, State } from '../../clients/node/index.js';

const requests = new Counter({ metric: 'requests', group: 'http' });
const waiting = new Integer({ metric: 'waiting', group: 'http' });
const heat = new Float({ metric: 'heat', group: 'room', unit: '°C' });
// Of this process alone: another program of the host may have states too.
const job = `job${process.pid}`;
const worker = new State({ state: job });
const states = ['idle', 'reading'].map((name) => ({
  name,
  duration: new Counter({ metric: 'duration', state: `${job}.${name}` }),
  count: new Counter({ metric: 'count', state: `${job}.${name}` }),
}));
exportMetrics([requests, waiting, heat, worker, ...states.flatMap(({ duration, count }) => [duration, count])]);

let turn = 0;
setInterval(() => {
  turn += 1;
  requests.add(7);
  waiting.set(turn % 9);
  heat.set(21.5);
  const { name, duration, count } = states[turn % 4 === 0 ? 1 : 0];
  duration.add(50);
  count.add();
  worker.enter(name);
}, 50);
