import { useEffect, useRef } from 'preact/hooks';
import { useAnomalies } from './cantal/anomalies.ts';
import { useStatus } from './cantal/status.ts';
import { formatCount } from './format.ts';
import { Link } from './link.tsx';
import { useScheduler } from './served.ts';

interface Entry {
  readonly path: string;
  readonly title: string;
  /** What stands beside it. */
  readonly count?: 'processes' | 'metrics' | 'peers';
  readonly hint?: string;
}

/** Of an agent that schedules. */
const cluster: readonly Entry[] = [
  { path: '/', title: 'Cluster' },
  { path: '/roles', title: 'Roles' },
  { path: '/services', title: 'Services' },
  { path: '/servers', title: 'Servers' },
  { path: '/logs', title: 'Logs' },
  { path: '/why', title: 'Why' },
  { path: '/convergence', title: 'Convergence' },
  { path: '/diff', title: 'Schedule diff' },
  { path: '/verwalter/time-travel', title: 'Time travel' },
  { path: '/verwalter/dry-run', title: 'Dry run' },
  { path: '/election', title: 'Election' },
  { path: '/backups', title: 'Backups' },
  { path: '/api-links', title: 'API' },
];

const local: readonly Entry[] = [
  { path: '/local/status', title: 'Status' },
  { path: '/local/processes', title: 'Processes', count: 'processes' },
  { path: '/local/cgroups', title: 'Cgroups' },
  { path: '/local/states', title: 'States' },
  { path: '/local/pressure', title: 'Pressure' },
  { path: '/local/network', title: 'Network' },
  { path: '/local/metrics', title: 'Metrics', count: 'metrics', hint: 'series with a sample in the hour' },
  { path: '/local/peers', title: 'Peers', count: 'peers' },
];

const remote: readonly Entry[] = [
  { path: '/remote/grid', title: 'Hosts' },
  { path: '/remote/containers', title: 'Containers' },
  { path: '/remote/list', title: 'Connections' },
  { path: '/remote/enable', title: 'Enable' },
];

/** Null: of no page. */
export function titleOf(path: string): string | null {
  if (path === '/') return null;
  if (path === '/local/process_metrics') return 'Process';
  if (path === '/role') return 'Role';
  if (path === '/logs/tail') return 'Log';
  return [...cluster, ...local, ...remote].find((entry) => entry.path === path)?.title ?? null;
}

export const isScheduling = (path: string): boolean => cluster.some((entry) => entry.path === parentOf(path));

const parents: Readonly<Record<string, string>> = {
  '/local/process_metrics': '/local/processes',
  '/role': '/roles',
  '/logs/tail': '/logs',
};
const parentOf = (path: string): string => parents[path] ?? path;

/** The cluster, and below it either this host's pages or those that ask all hosts. */
export function Menu({ path }: { path: string }) {
  const { value: status } = useStatus();
  const isRemote = path.startsWith('/remote/');
  const scheduler = useScheduler();
  const unusual = useAnomalies().value?.anomalies.length ?? 0;
  const counts = { processes: status?.processes, metrics: status?.health.series, peers: status?.num_peers };
  const nav = useRef<HTMLElement>(null);
  // On a phone the menu is wider than the screen.
  useEffect(() => {
    nav.current?.querySelector('[aria-current="page"]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [path]);
  return (
    <nav class="menu" aria-label="Pages" ref={nav}>
      {scheduler !== false && (
        <ul>
          {cluster.map(({ path: href, title }) => (
            <li key={href}>
              <Link href={href} current={href === parentOf(path)}>
                {title}
              </Link>
            </li>
          ))}
        </ul>
      )}
      <ul class="switch" aria-label="Whose figures">
        <li>
          <Link href="/local/status" chosen={!isRemote}>
            This host
          </Link>
        </li>
        <li>
          <Link href="/remote/grid" chosen={isRemote}>
            All hosts
          </Link>
        </li>
      </ul>
      <ul>
        {(isRemote ? remote : local).map(({ path: href, title, count, hint }) => (
          <li key={href}>
            <Link href={href} current={href === parentOf(path)}>
              {title}
              {href === '/local/status' && unusual > 0 && (
                <span class="count unusual" title="series that are unusual now">
                  {' '}
                  {formatCount(unusual)}
                </span>
              )}
              {count !== undefined && counts[count] !== undefined && (
                <span class="count" title={hint}>
                  {' '}
                  {formatCount(counts[count])}
                </span>
              )}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
