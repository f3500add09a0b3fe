import { Link } from '../link.tsx';
import { type Place, setParams } from '../place.ts';
import { type Answers, tableIn, tipsIn } from './answer.ts';
import { shownName } from './cgroup-name.ts';
import { ContainerWords, type Containment } from './cgroup-words.tsx';
import { Chart, type ChartLine } from './chart.tsx';
import { asPercent, byMetric } from './lines.ts';
import { ProcessList } from './process-list.tsx';
import { isSupervisor, type Process } from './process-tree.ts';
import { rangeOf, spanOf } from './range.ts';
import { TipTable } from './tip-table.tsx';
import { bytes, bytesPerSecond, percent, plain } from './units.ts';
import { Zoom } from './zoom.tsx';

interface Props {
  readonly name: string;
  readonly place: Place;
  readonly answers: Answers;
  readonly timestamp: number;
  readonly processes: readonly Process[];
  readonly containment: Containment;
}

/** The whole first. */
const cpuOrder = ['usage', 'user', 'system', 'throttled_time'];

const asShares = (lines: readonly ChartLine[]): ChartLine[] =>
  lines.map(({ label, column }) => ({ label, column: asPercent(column) }));

/** One control group: what its controllers say, its processes, what they export. */
export function CgroupDetail({ name, place, answers, timestamp, processes, containment }: Props) {
  const all = place.params.get('supervisors') === 'yes';
  const span = spanOf(answers, timestamp);
  const range = rangeOf(place.params, span);
  const shown = processes.filter((process) => all || !isSupervisor(process));
  const hidden = processes.length - shown.length;
  const table = (id: string) => tableIn(answers, id);
  // A host without the controllers knows what the processes used.
  const controlled = table('cpu').lines.length > 0;
  return (
    <>
      <section aria-labelledby="one-title">
        <div class="bar">
          <h2 id="one-title" title={name}>
            {shownName(name)}
          </h2>
          <ContainerWords {...containment} />
          <Link href="/local/cgroups">all cgroups</Link>
          <Link href={`/local/metrics?q=${encodeURIComponent(`cgroup=${name}`)}`}>its metrics</Link>
          <Zoom params={place.params} span={span} />
        </div>
        <div class="plots">
          {controlled ? (
            <Chart
              title="CPU, of one core"
              times={table('cpu').times}
              lines={asShares(
                byMetric(table('cpu'), /^cgroup\.cpu\./).sort(
                  (a, b) => cpuOrder.indexOf(a.label) - cpuOrder.indexOf(b.label),
                ),
              )}
              range={range}
              unit={percent}
            />
          ) : (
            <Chart
              title="CPU of its processes, of one core"
              times={table('processCpu').times}
              lines={byMetric(table('processCpu'), /^processes\.|_time$/g)}
              range={range}
              unit={percent}
            />
          )}
          {table('used').lines.length > 0 ? (
            <Chart
              title="Memory"
              times={table('used').times}
              lines={byMetric(table('used'), /^cgroup\.memory\./)}
              range={range}
              unit={bytes}
            />
          ) : (
            <Chart
              title="Memory of its processes"
              times={table('processMemory').times}
              lines={byMetric(table('processMemory'), /^processes\./)}
              range={range}
              unit={bytes}
            />
          )}
          {table('io').lines.length > 0 && (
            <Chart
              title="Disk"
              times={table('io').times}
              lines={byMetric(table('io'), /^cgroup\.io\./)}
              range={range}
              unit={bytesPerSecond}
            />
          )}
          {table('pids').lines.length > 0 && (
            <Chart
              title="Processes and threads"
              times={table('pids').times}
              lines={byMetric(table('pids'), /^cgroup\.pids\./)}
              range={range}
              unit={plain}
            />
          )}
          {table('pressure').lines.length > 0 && (
            <Chart
              title="Waiting (PSI), share of the time"
              times={table('pressure').times}
              lines={asShares(byMetric(table('pressure'), /^psi\.|\.total$/g))}
              range={range}
              unit={percent}
            />
          )}
        </div>
      </section>
      <section aria-labelledby="members-title">
        <div class="bar">
          <h2 id="members-title">Processes</h2>
          <p class="muted">{shown.length}</p>
          {(hidden > 0 || all) && (
            <button
              type="button"
              class="plain"
              aria-pressed={all}
              onClick={() => setParams({ supervisors: all ? null : 'yes' })}
            >
              {all ? 'hide supervisors' : `show ${hidden} supervisors`}
            </button>
          )}
        </div>
        {shown.length > 0 && <ProcessList label="Processes" processes={shown} />}
        {shown.length === 0 && <p class="muted">No process is in it now.</p>}
      </section>
      <section aria-labelledby="own-title">
        <h2 id="own-title">What its programs export</h2>
        <TipTable
          tips={[...tipsIn(answers, 'own'), ...tipsIn(answers, 'states')]}
          without={['cgroup']}
          now={timestamp}
          empty="None of its processes exports a metric with a group or a state."
        />
      </section>
    </>
  );
}
