import { compileRegex } from '../../query/regex.ts';
import type { Moment } from '../moment.ts';
import type { Sink } from '../sink.ts';
import { type Protocol, startPusher } from './pusher.ts';

export interface PushConfig {
  readonly url: string;
  readonly interval: number;
  readonly pattern: string;
  readonly processes: boolean;
  readonly replay: boolean;
  readonly tokenFile: string | null;
}

/** A receiver that is not to get the past gets what a few lost periods left, and no less than a minute. */
const lagPeriods = 3;
const leastLagMs = 60_000;

export function pushSink(config: PushConfig, protocol: Protocol, moment: () => Moment, version: string): Sink {
  const regex = compileRegex(config.pattern);
  const pusher = startPusher({
    url: config.url,
    tokenFile: config.tokenFile,
    protocol,
    source: () => moment().source,
    // The file was refused where it is none.
    chosen: { passes: regex.kind === 'bad' ? () => false : regex.test, processes: config.processes },
    longestLagMs: config.replay ? null : Math.max(leastLagMs, lagPeriods * config.interval * 1000),
    userAgent: `cantal/${version}`,
  });
  return { idle: false, push: pusher.poke, status: pusher.status, backlog: pusher.status, stop: pusher.stop };
}
