import type { Moment } from '../moment.ts';
import { type Sink, total } from '../sink.ts';
import type { CarbonConfig } from './config.ts';
import { carbonLines } from './lines.ts';
import { replayed } from './replay.ts';
import { startSender } from './sender.ts';

/** One connection per address of a receiver, each with its own queue, or its own place in the history. */
export function carbonSink(config: CarbonConfig, moment: () => Moment): Sink {
  const { host, port, replay } = config;
  const sender = startSender(host, port, replay ? () => replayed(moment, config) : undefined);
  return {
    idle: !config.enableCgroupStats && !config.enableApplicationMetrics && !config.enableControllerMetrics,
    push: () => sender.send(replay ? [] : carbonLines(moment(), config)),
    status: () => ({ host, port, ...sender.status() }),
    backlog() {
      const { receivers, early } = sender.status();
      return total([...receivers, early]);
    },
    stop: (graceMs) => sender.stop(graceMs),
  };
}
