import { useEffect, useState } from 'preact/hooks';
import { formatBytes, formatDuration, formatMs, unknown } from '../format.ts';
import { Link } from '../link.tsx';
import { Mark } from '../mark.tsx';
import { Menu } from '../menu.tsx';
import { lastKnown } from '../plot-data.ts';
import { hourMs, tableIn, tipsIn } from './answer.ts';
import { Donut } from './donut.tsx';
import { busyTicks, cpuEdges, hourOf, like, memoryUse, perSecondFold, sumOfAll, tipOf, whichCpus } from './rules.ts';
import { type Status, useStatus } from './status.ts';
import { useStream } from './stream.ts';
import { Strip } from './strip.tsx';
import { percent } from './units.ts';

const rules = {
  cpu: hourOf(busyTicks, perSecondFold, sumOfAll),
  cores: tipOf(whichCpus, ['Count', 'Ignore']),
  memory: tipOf(like('metric', '^memory\\.(MemTotal|MemFree|Buffers|Cached)$')),
};

/** Below it the side bar is a head (style.css). */
const narrow = '(max-width: 1000px)';
const uiVersion = import.meta.env.STELLWERK_VERSION as string;

/** What stands beside every page: where to go, whose figures these are, how this host is, what it costs to know it. */
export function SideBar({ path }: { path: string }) {
  const { value: status, problem, latencyMs } = useStatus();
  const { answers, timestamp } = useStream(rules);
  const [open, setOpen] = useState(() => !matchMedia(narrow).matches);
  useEffect(() => {
    const query = matchMedia(narrow);
    const follow = () => setOpen(!query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);

  const cpu = tableIn(answers, 'cpu');
  const busy = cpu.lines[0]?.values ?? [];
  const busyNow = lastKnown(busy);
  const cores = tipsIn(answers, 'cores')[0]?.value ?? null;
  const memory = memoryUse((metric) => tipsIn(answers, 'memory').find(({ labels }) => labels.metric === metric)?.value);
  return (
    <div class="side">
      <div class="inner">
        <Link href="/" class="name">
          Stellwerk
        </Link>
        <Menu path={path} />
        <details class="facts" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>
            <b>{status?.hostname ?? location.host}</b>
            <span class="short">
              {problem !== null && <Mark tone="bad" />} CPU {percent.format(busyNow)}, mem{' '}
              {memory === null ? unknown : percent.format(100 * memory.usedShare)}
            </span>
          </summary>
          {problem !== null && <p class="trouble">{problem}</p>}
          {status && <Identity status={status} />}
          <div class="gauge">
            <Donut
              title={memory === null ? 'memory' : `memory: ${memory.words}`}
              parts={
                memory === null
                  ? []
                  : [
                      { label: 'used', share: memory.usedShare },
                      { label: 'cached', share: memory.cachedShare },
                    ]
              }
            />
            <p>
              <b>{memory === null ? unknown : formatBytes(memory.used)}</b>
              <span class="muted"> of {memory === null ? unknown : formatBytes(memory.total)} memory</span>
            </p>
          </div>
          <p>
            <b>{percent.format(busyNow)}</b>{' '}
            <span class="muted">CPU{cores !== null && ` of ${percent.format(100 * cores)}`}, the hour</span>
          </p>
          <Strip
            label={`CPU of the last hour, now ${percent.format(busyNow)}`}
            times={cpu.times}
            values={busy}
            range={{ from: timestamp - hourMs, to: timestamp }}
            edges={cpuEdges}
          />
          {status && <Times status={status} latencyMs={latencyMs} />}
        </details>
      </div>
    </div>
  );
}

function Identity({ status }: { status: Status }) {
  const { version, hostname, name, cluster_name: cluster, id } = status;
  return (
    <dl class="pairs">
      {name !== undefined && name !== hostname && (
        <div>
          <dt>node</dt>
          <dd>{name}</dd>
        </div>
      )}
      <div>
        <dt>cluster</dt>
        <dd>{cluster ?? 'standalone'}</dd>
      </div>
      <div>
        <dt>version</dt>
        <dd>{version === uiVersion ? version : `${version}, UI ${uiVersion}`}</dd>
      </div>
      {id !== undefined && (
        <div>
          <dt>id</dt>
          <dd class="mono" title={id}>
            {id.slice(0, 4)}…{id.slice(-8)}
          </dd>
        </div>
      )}
    </dl>
  );
}

function Times({ status, latencyMs }: { status: Status; latencyMs: number | null }) {
  const own = status.self_report;
  const figures: readonly (readonly [string, string])[] = [
    ['machine up', formatDuration(status.current_time - status.boot_time)],
    ['agent up', formatDuration(status.current_time - status.startup_time)],
    ['scan', formatMs(status.scan_duration)],
    ['latency', formatMs(latencyMs)],
    ['history', formatBytes(status.health.historyBytes)],
    ['own memory', formatBytes(own.memory_rss)],
    ['own CPU', percent.format(own.gross_cpu_usage)],
  ];
  const threads = Object.entries(status.threads_report ?? {});
  return (
    <>
      <dl class="pairs">
        {figures.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {threads.length > 0 && (
        <details class="threads">
          <summary>{threads.length === 1 ? '1 thread' : `${threads.length} threads`}</summary>
          <table>
            <thead>
              <tr>
                <th scope="col">Thread</th>
                <th scope="col" class="number">
                  User
                </th>
                <th scope="col" class="number">
                  System
                </th>
              </tr>
            </thead>
            <tbody>
              {threads.map(([name, { user_cpu, system_cpu }]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td class="number">{percent.format(user_cpu)}</td>
                  <td class="number">{percent.format(system_cpu)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
    </>
  );
}
