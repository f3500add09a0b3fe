import { formatAge, formatBytes, formatCount, formatDuration } from '../format.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Link } from '../link.tsx';
import { tableIn, tipsIn } from './answer.ts';
import { CgroupName } from './cgroup-words.tsx';
import { Chart } from './chart.tsx';
import { Frame } from './frame.tsx';
import { byMetric } from './lines.ts';
import { usePoll } from './poll.ts';
import { commandOf, type Process, type ProcessTable } from './process-tree.ts';
import { rangeOf, spanOf } from './range.ts';
import { all, any, equal, has, hourOf, like, perSecondFold, tipOf } from './rules.ts';
import { useStream } from './stream.ts';
import { TipTable } from './tip-table.tsx';
import { bytes, bytesPerSecond, percent } from './units.ts';
import { Zoom } from './zoom.tsx';

const everyMs = 5_000;

const rulesOf = (pid: string) => {
  const of = (regex: string) => all(like('metric', regex), equal('pid', pid));
  const exported = all(equal('pid', pid), any(has('group'), has('state')));
  return {
    cpu: hourOf(of('^(user|system)_time$'), perSecondFold),
    memory: hourOf(of('^(rss|swap)$')),
    io: hourOf(of('^(read|write)_bytes$'), perSecondFold),
    numbers: tipOf(exported),
    states: { series: { source: 'Tip', condition: exported }, extract: ['Tip'], functions: [] },
  };
};

/** One process: what it uses and what it exports itself. */
export function ProcessPage({ place }: PageProps) {
  const pid = /^\d{1,10}$/.exec(place.params.get('pid') ?? '')?.[0] ?? '';
  const { answers, timestamp, connection, error } = useStream(pid === '' ? {} : rulesOf(pid));
  const { value: table, problem } = usePoll<ProcessTable>('/all_processes', everyMs);
  const process = table?.all.find((each) => String(each.pid) === pid);
  const span = spanOf(answers, timestamp);
  const range = rangeOf(place.params, span);
  const at = (id: string) => tableIn(answers, id);
  return (
    <Frame
      title={process === undefined ? `Process ${pid}` : process.name}
      of={process === undefined ? undefined : `pid ${pid}`}
      connection={connection}
      problem={error ?? problem}
    >
      {table !== null && process === undefined && (
        <section>
          <p class="muted">
            No process has the number {pid || '–'} now. What it used while it ran stands below for an hour.{' '}
            <Link href="/local/processes">All processes</Link>
          </p>
        </section>
      )}
      {process && <Facts process={process} />}
      <section aria-labelledby="use-title">
        <div class="bar">
          <h2 id="use-title">What it uses</h2>
          <Zoom params={place.params} span={span} />
        </div>
        <div class="plots">
          <Chart
            title="CPU, of one core"
            times={at('cpu').times}
            lines={byMetric(at('cpu'), /_time$/)}
            range={range}
            unit={percent}
          />
          <Chart
            title="Memory"
            times={at('memory').times}
            lines={byMetric(at('memory'), /^$/)}
            range={range}
            unit={bytes}
          />
          <Chart
            title="Disk"
            times={at('io').times}
            lines={byMetric(at('io'), /_bytes$/)}
            range={range}
            unit={bytesPerSecond}
          />
        </div>
      </section>
      <section aria-labelledby="exports-title">
        <div class="bar">
          <h2 id="exports-title">What it exports</h2>
          <Link href={`/local/metrics?q=${encodeURIComponent(`pid=${pid}`)}`}>all its metrics</Link>
        </div>
        <TipTable
          tips={[...tipsIn(answers, 'numbers'), ...tipsIn(answers, 'states')]}
          without={['pid', 'cgroup', 'appname']}
          now={timestamp}
          empty="It exports no metric with a group or a state (docs/cantal.md, Programs that export numbers)."
        />
      </section>
    </Frame>
  );
}

function Facts({ process }: { process: Process }) {
  const figures: readonly (readonly [string, string])[] = [
    ['up', formatAge(process.start_timestamp, Date.now())],
    ['memory', formatBytes(process.rss)],
    ['threads', formatCount(process.num_threads)],
    ['CPU since its start', formatDuration((process.user_time + process.system_time) * 10)],
    ['read', formatBytes(process.read_bytes)],
    ['written', formatBytes(process.write_bytes)],
    ['user/group', `${process.uid}/${process.gid}`],
  ];
  return (
    <section aria-label="The process">
      <pre class="command">{commandOf(process)}</pre>
      <dl class="figures">
        {figures.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <div>
          <dt>parent</dt>
          <dd>
            {process.ppid === 0 ? (
              'none'
            ) : (
              <Link href={`/local/process_metrics?pid=${process.ppid}`}>{process.ppid}</Link>
            )}
          </dd>
        </div>
        {process.cgroup !== null && (
          <div>
            <dt>cgroup</dt>
            <dd>
              <Link href={`/local/cgroups?name=${encodeURIComponent(process.cgroup)}`}>
                <CgroupName name={process.cgroup} />
              </Link>
            </dd>
          </div>
        )}
      </dl>
    </section>
  );
}
