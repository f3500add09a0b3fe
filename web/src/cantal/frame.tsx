import type { ComponentChildren } from 'preact';
import type { Connection } from '../connection.ts';
import { formatBytes, formatDuration, formatMs, unknown } from '../format.ts';
import { Mark } from '../mark.tsx';
import { usePoll } from './poll.ts';
import { formatNumber } from './units.ts';

/** GET /status, as far as it is shown. */
interface Status {
  readonly version: string;
  readonly hostname?: string;
  readonly cluster_name?: string;
  readonly id?: string;
  readonly startup_time: number;
  readonly current_time: number;
  readonly boot_time: number;
  readonly scan_duration: number;
  readonly processes: number;
  readonly num_peers: number;
  readonly self_report: { readonly gross_cpu_usage: number | null; readonly memory_rss: number };
  readonly threads_report?: Readonly<Record<string, { readonly cpu_usage: number | null }>>;
  readonly health: { readonly series: number; readonly historyBytes: number; readonly historySamples: number };
}

interface Props {
  readonly title: string;
  readonly connection?: Connection | undefined;
  readonly problem?: string | null;
  readonly children: ComponentChildren;
}

const statusEveryMs = 5_000;

/** What stands on every page of cantal: whose figures these are, and what it costs to have them. */
export function Frame({ title, connection, problem, children }: Props) {
  const { value: status, problem: away, latencyMs } = usePoll<Status>('/status', statusEveryMs);
  const said = problem ?? away;
  return (
    <>
      <header class="top host">
        <div class="brand">
          <h1>{title}</h1>
          <p class="muted">
            {status?.hostname ?? location.host}
            {status?.cluster_name !== undefined && ` in ${status.cluster_name}`}
          </p>
        </div>
        <div class="connection">
          <p role="status">
            <Mark tone={said ? 'bad' : isLive(connection) ? 'good' : 'warn'} />
            <b>{said ? 'away' : isLive(connection) ? 'live' : 'connecting'}</b>
          </p>
          {said && <p class="muted">{said}</p>}
        </div>
        {status && <Self status={status} latencyMs={latencyMs} />}
      </header>
      <main id="content" class={said ? 'stale' : undefined}>
        {children}
      </main>
    </>
  );
}

const isLive = (connection: Connection | undefined) => connection === undefined || connection.kind === 'live';

function Self({ status, latencyMs }: { status: Status; latencyMs: number | null }) {
  const { health, self_report: own } = status;
  const figures: readonly (readonly [string, string])[] = [
    ['machine up', formatDuration(status.current_time - status.boot_time)],
    ['agent up', formatDuration(status.current_time - status.startup_time)],
    ['scan', formatMs(status.scan_duration)],
    ['latency', formatMs(latencyMs)],
    ['metrics', formatNumber(health.series)],
    ['history', formatBytes(health.historyBytes)],
    ['own CPU', own.gross_cpu_usage === null ? unknown : `${formatNumber(own.gross_cpu_usage)} %`],
    ['own memory', formatBytes(own.memory_rss)],
  ];
  return (
    <dl class="self" title={`Stellwerk ${status.version}, ${status.id ?? ''}`}>
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
      {Object.entries(status.threads_report ?? {}).map(([name, { cpu_usage }]) => (
        <div key={`thread ${name}`} class="wide">
          <dt>{name} thread</dt>
          <dd>{cpu_usage === null ? unknown : `${formatNumber(cpu_usage)} %`}</dd>
        </div>
      ))}
    </dl>
  );
}
