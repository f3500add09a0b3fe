import { useMemo } from 'preact/hooks';
import { formatAge, formatBytes, formatCount } from '../format.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Link } from '../link.tsx';
import { setParams } from '../place.ts';
import { CgroupName } from './cgroup-words.tsx';
import { Frame } from './frame.tsx';
import { type ListColumn, LongList } from './long-list.tsx';
import { usePoll } from './poll.ts';
import {
  commandOf,
  cpuBetween,
  type Order,
  type Process,
  type ProcessTable,
  processRows,
  type Row,
  rootsOf,
} from './process-tree.ts';
import { percent } from './units.ts';

const everyMs = 5_000;
const orders: readonly { readonly order: Order; readonly title: string }[] = [
  { order: 'tree', title: 'Tree' },
  { order: 'cpu', title: 'CPU' },
  { order: 'memory', title: 'Memory' },
  { order: 'age', title: 'Youngest' },
];

const columns: readonly ListColumn[] = [
  { title: 'Process', width: '25%' },
  { title: 'PID', width: '72px', phoneWidth: '58px', numeric: true },
  { title: 'User', width: '60px', numeric: true, roomy: true },
  { title: 'CPU', width: '72px', phoneWidth: '60px', numeric: true },
  { title: 'Memory', width: '86px', phoneWidth: '76px', numeric: true },
  { title: 'Threads', width: '70px', numeric: true, roomy: true },
  { title: 'Up', width: '104px', numeric: true, roomy: true },
  { title: 'Cgroup', width: '14%', roomy: true },
  { title: 'Command', roomy: true },
];

export function ProcessesPage({ place }: PageProps) {
  const { value: table, before, problem } = usePoll<ProcessTable & { timestamp?: number }>('/all_processes', everyMs);
  const folded = new Set((place.params.get('folded') ?? '').split(',').filter(Boolean).map(Number));
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
    setParams({ folded: [...next].join(',') });
  };
  return (
    <Frame title="Processes" problem={problem}>
      <section aria-labelledby="processes-title">
        <div class="bar">
          <h2 id="processes-title">Processes</h2>
          <p class="muted" role="status">
            {rows.length === table?.all.length ? rows.length : `${rows.length} of ${table?.all.length ?? 0}`}
            {folded.size > 0 && `, ${folded.size} folded`}
          </p>
          {order === 'tree' && (
            <span class="choice">
              <button
                type="button"
                disabled={folded.size === 0}
                title="Open what was folded"
                onClick={() => setParams({ folded: null })}
              >
                unfold all
              </button>
              <button
                type="button"
                title="Keep only what hangs at the root"
                onClick={() => setParams({ folded: rootsOf(table?.all ?? []).join(',') })}
              >
                fold all
              </button>
            </span>
          )}
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
          columns={columns}
          count={rows.length}
          choice={`${order} ${words.join(' ')}`}
          row={(index) => {
            const row = rows[index];
            if (row === undefined) return null;
            const share = shares.get(row.process.pid);
            return <ProcessRow key={row.process.pid} row={row} index={index} share={share} onToggle={toggle} />;
          }}
        />
      </section>
    </Frame>
  );
}

interface RowProps {
  readonly index: number;
  readonly row: Row;
  readonly share: number | undefined;
  readonly onToggle: (pid: number) => void;
}

function ProcessRow({ row: { process, depth, children, folded }, index, share, onToggle }: RowProps) {
  return (
    <tr aria-rowindex={index + 2}>
      <th scope="row" style={{ '--depth': depth }} class="cut branch">
        {children > 0 ? (
          <button type="button" class="fold" aria-expanded={!folded} onClick={() => onToggle(process.pid)}>
            {process.name}
          </button>
        ) : (
          <span class="leaf">{process.name}</span>
        )}
        {folded && <span class="muted"> + {children}</span>}
      </th>
      <td class="number mono">
        <Link href={`/local/process_metrics?pid=${process.pid}`}>{process.pid}</Link>
      </td>
      <td class="number muted roomy">{process.uid}</td>
      <td class="number">{percent.format(share ?? null)}</td>
      <td class="number">{formatBytes(process.rss)}</td>
      <td class="number roomy">{formatCount(process.num_threads)}</td>
      <td class="number roomy">{formatAge(process.start_timestamp, Date.now())}</td>
      <td class="cut roomy">
        {process.cgroup !== null && (
          <Link href={`/local/cgroups?name=${encodeURIComponent(process.cgroup)}`}>
            <CgroupName name={process.cgroup} />
          </Link>
        )}
      </td>
      <td class="mono cut roomy" title={commandOf(process)}>
        {commandOf(process)}
      </td>
    </tr>
  );
}
