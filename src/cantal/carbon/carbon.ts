import { loadSinks, type SinkConfig } from './config.ts';
import { carbonLines, type Moment } from './lines.ts';
import { type Sender, type SenderStatus, startSender } from './sender.ts';

export interface CarbonOptions {
  /** Folder of `*.carbon.yaml`. */
  readonly folder: string;
  /** What is sent is read at each period of each sink. */
  readonly moment: () => Moment;
  readonly log: (line: string) => void;
}

export interface SinkStatus extends SenderStatus {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly interval: number;
}

export interface Carbon {
  status(): readonly SinkStatus[];
  /** Reads the folder again; sinks that did not change keep their connections and queues. */
  reload(): void;
  stop(): Promise<void>;
}

interface Sink {
  readonly config: SinkConfig;
  readonly sender: Sender;
  stop(graceMs: number): Promise<void>;
}

/** What is queued may leave when the agent stops. */
const graceMs = 1_000;

/** Pushes to Graphite: one connection per receiver, each with its own queue, none of which the scan ever waits for. */
export function startCarbon({ folder, moment, log }: CarbonOptions): Carbon {
  const sinks = new Map<string, Sink>();

  const start = (name: string, config: SinkConfig): Sink => {
    const sender = startSender(config.host, config.port);
    const periodMs = config.interval * 1000;
    let period: NodeJS.Timeout | undefined;
    const push = (): void => {
      try {
        sender.send(carbonLines(moment(), config));
      } catch (error) {
        log(`carbon ${name}: ${(error as Error).message}`);
      }
    };
    // Each host at its own moment of the period: a receiver must not get all of a cluster at once.
    const phase = setTimeout(() => {
      push();
      period = setInterval(push, periodMs);
      period.unref();
    }, Math.random() * periodMs);
    phase.unref();
    return {
      config,
      sender,
      async stop(grace) {
        clearTimeout(phase);
        clearInterval(period);
        await sender.stop(grace);
      },
    };
  };

  const reload = (): void => {
    const { sinks: wanted, warnings } = loadSinks(folder);
    for (const warning of warnings) log(`carbon: ${warning}`);
    for (const [name, sink] of sinks) {
      const config = wanted.get(name);
      if (config !== undefined && JSON.stringify(config) === JSON.stringify(sink.config)) continue;
      sinks.delete(name);
      void sink.stop(graceMs);
    }
    for (const [name, config] of wanted) {
      if (sinks.has(name)) continue;
      sinks.set(name, start(name, config));
      if (!config.enableCgroupStats && !config.enableApplicationMetrics && !config.enableControllerMetrics) {
        log(`carbon: ${name}: nothing is enabled, so nothing is sent (enable-cgroup-stats: true)`);
      }
    }
  };

  reload();
  return {
    status: () =>
      [...sinks].map(
        ([
          name,
          {
            config: { host, port, interval },
            sender,
          },
        ]) => {
          return { name, host, port, interval, ...sender.status() };
        },
      ),
    reload,
    async stop() {
      await Promise.all([...sinks.values()].map((sink) => sink.stop(graceMs)));
      sinks.clear();
    },
  };
}
