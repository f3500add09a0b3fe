import { useMemo, useState } from 'preact/hooks';
import { formatAge, formatBytes, formatCount } from '../format.ts';
import { Link } from '../link.tsx';
import { type Place, setParams } from '../place.ts';
import { Frame } from './frame.tsx';
import { LongList } from './long-list.tsx';
import { usePoll } from './poll.ts';
import {
  commandOf,
  cpuBetween,
  type Order,
  type Process,
  type ProcessTable,
  processRows,
  type Row,
} from './process-tree.ts';
import { percent } from './units.ts';

const everyMs = 5_000;
const orders: readonly { readonly order: Order; readonly title: string }[] = [
  { order: 'tree', title: 'Tree' },
  { order: 'cpu', title: 'CPU' },
  { order: 'memory', title: 'Memory' },
  { order: 'age', title: 'Youngest' },
];

export function ProcessesPage({ place }: { place: Place }) {
  const { value: table, before, problem } = usePoll<ProcessTable & { timestamp?: number }>('/all_processes', everyMs);
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const words = (place.params.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const order = orders.find(({ order }) => order === place.params.get('by'))?.order ?? 'tree';
  const elapsed = (table?.timestamp ?? 0) - (before?.timestamp ?? 0);
  const shares = useMemo(() => (table === null ? new Map() : cpuBetween(before, table, elapsed)), [table, before]);
  const passes = (process: Process) => {
    const text = `${process.pid} ${process.name} ${commandOf(process)} ${process.cgroup ?? ''}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const rows = processRows([...(table?.all ?? [])], order, passes, folded, ({ pid }) => shares.get(pid) ?? null);
  const toggle = (pid: number) => {
    const next = new Set(folded);
    if (!next.delete(pid)) next.add(pid);
    setFolded(next);
  };
  return (
    <Frame title="Processes" problem={problem}>
      <section aria-labelledby="processes-title">
        <div class="bar">
          <h2 id="processes-title">Processes</h2>
          <p class="muted" role="status">
            {rows.length === table?.all.length ? rows.length : `${rows.length} of ${table?.all.length ?? 0}`}
          </p>
          <fieldset class="choice" aria-label="Order">
            {orders.map(({ order: each, title }) => (
              <button key={each} type="button" aria-pressed={each === order} onClick={() => setParams({ by: each })}>
                {title}
              </button>
            ))}
          </fieldset>
          <input
            type="search"
            placeholder="Filter: name, command, cgroup, pid"
            aria-label="Filter processes by name, command, cgroup or pid"
            value={place.params.get('q') ?? ''}
            onInput={(event) => setParams({ q: event.currentTarget.value })}
          />
        </div>
        <LongList
          label="Processes"
          columns={8}
          count={rows.length}
          head={
            <tr>
              <th scope="col">Process</th>
              <th scope="col" class="number">
                PID
              </th>
              <th scope="col" class="number">
                CPU
              </th>
              <th scope="col" class="number">
                Memory
              </th>
              <th scope="col" class="number">
                Threads
              </th>
              <th scope="col" class="number">
                Up
              </th>
              <th scope="col">Cgroup</th>
              <th scope="col">Command</th>
            </tr>
          }
          row={(index) => {
            const row = rows[index];
            return (
              row && (
                <ProcessRow key={row.process.pid} row={row} share={shares.get(row.process.pid)} onToggle={toggle} />
              )
            );
          }}
        />
      </section>
    </Frame>
  );
}

interface RowProps {
  readonly row: Row;
  readonly share: number | undefined;
  readonly onToggle: (pid: number) => void;
}

function ProcessRow({ row: { process, depth, children, folded }, share, onToggle }: RowProps) {
  const indent = { paddingLeft: `${Math.min(depth, 24) * 14}px` };
  return (
    <tr>
      <th scope="row" style={indent}>
        {children > 0 ? (
          <button type="button" class="fold" aria-expanded={!folded} onClick={() => onToggle(process.pid)}>
            {process.name}
          </button>
        ) : (
          <span class="leaf">{process.name}</span>
        )}
        {folded && <span class="muted"> + {children}</span>}
      </th>
      <td class="number mono">{process.pid}</td>
      <td class="number">{percent.format(share ?? null)}</td>
      <td class="number">{formatBytes(process.rss)}</td>
      <td class="number">{formatCount(process.num_threads)}</td>
      <td class="number">{formatAge(process.start_timestamp, Date.now())}</td>
      <td>
        {process.cgroup !== null && (
          <Link href={`/local/cgroups?name=${encodeURIComponent(process.cgroup)}`}>{process.cgroup}</Link>
        )}
      </td>
      <td class="mono cut" title={commandOf(process)}>
        {commandOf(process)}
      </td>
    </tr>
  );
}
