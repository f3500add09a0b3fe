import { carbonSink } from './carbon/sink.ts';
import { loadSinks, type SinkConfig } from './config.ts';
import type { Moment } from './moment.ts';
import { otlp } from './otlp/encode.ts';
import { pushSink } from './push/sink.ts';
import { remoteWrite } from './remote-write/encode.ts';
import { type Backlog, type Sink, total } from './sink.ts';

export interface SinksOptions {
  /** Of the receivers' files: config.ts. */
  readonly folder: string;
  /** What is sent is read at each period of each receiver. */
  readonly moment: () => Moment;
  readonly version: string;
  /** Since when the machine's counters count; default: not known. */
  readonly bootTimeMs?: number;
  readonly log: (line: string) => void;
}

/** What more there is depends on the kind: carbon/sender.ts, push/pusher.ts. */
export interface SinkStatus {
  /** File name without `.KIND.yaml`. */
  readonly name: string;
  readonly kind: SinkConfig['kind'];
  /** Seconds. */
  readonly interval: number;
}

export interface Sinks {
  status(): readonly SinkStatus[];
  backlog(): { readonly carbon: Backlog; readonly others: Backlog };
  /** Reads the folder again; receivers that did not change keep their connections and queues. */
  reload(): void;
  stop(): Promise<void>;
}

interface Running {
  readonly config: SinkConfig;
  readonly sink: Sink;
  stop(graceMs: number): Promise<void>;
}

/** What is queued may leave when the agent stops. */
const graceMs = 1_000;

/** Pushes to whoever has a file in the folder. */
export function startSinks({ folder, moment, version, bootTimeMs = 0, log }: SinksOptions): Sinks {
  const all = new Map<string, Running>();

  const make = (config: SinkConfig): Sink => {
    const { cluster, hostname } = moment();
    switch (config.kind) {
      case 'carbon':
        return carbonSink(config, moment);
      case 'remote-write': {
        const labels = [['instance', hostname] as const, ['job', config.job] as const];
        const protocol = remoteWrite(cluster === null ? labels : [...labels, ['cluster', cluster]]);
        return pushSink(config, protocol, moment, version);
      }
      case 'otlp': {
        const resource = {
          ...{ 'service.name': 'cantal', 'service.version': version, 'service.instance.id': hostname },
          'host.name': hostname,
          ...(cluster === null ? {} : { 'cantal.cluster': cluster }),
        };
        return pushSink(config, otlp({ resource, version, bootTimeMs }), moment, version);
      }
      default:
        return config satisfies never;
    }
  };

  const start = (name: string, config: SinkConfig): Running => {
    const sink = make(config);
    const periodMs = config.interval * 1000;
    let period: NodeJS.Timeout | undefined;
    const push = (): void => {
      try {
        sink.push();
      } catch (error) {
        log(`${name}: ${(error as Error).message}`);
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
      sink,
      async stop(grace) {
        clearTimeout(phase);
        clearInterval(period);
        await sink.stop(grace);
      },
    };
  };

  const reload = (): void => {
    const { sinks: wanted, warnings } = loadSinks(folder);
    for (const warning of warnings) log(warning);
    for (const [name, running] of all) {
      const config = wanted.get(name);
      if (config !== undefined && JSON.stringify(config) === JSON.stringify(running.config)) continue;
      all.delete(name);
      void running.stop(graceMs);
    }
    for (const [name, config] of wanted) {
      if (all.has(name)) continue;
      const running = start(name, config);
      all.set(name, running);
      if (running.sink.idle) log(`${name}: nothing is enabled, so nothing is sent (enable-cgroup-stats: true)`);
    }
  };

  reload();
  return {
    status: () =>
      [...all].map(([name, { config, sink }]) => ({
        name: name.slice(0, -`.${config.kind}`.length),
        kind: config.kind,
        interval: config.interval,
        ...sink.status(),
      })),
    backlog() {
      const of = (carbon: boolean) =>
        total(
          [...all.values()]
            .filter(({ config }) => (config.kind === 'carbon') === carbon)
            .map(({ sink }) => sink.backlog()),
        );
      return { carbon: of(true), others: of(false) };
    },
    reload,
    async stop() {
      await Promise.all([...all.values()].map((running) => running.stop(graceMs)));
      all.clear();
    },
  };
}
