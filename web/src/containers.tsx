import { useState } from 'preact/hooks';
import type { NodeOverview } from './api.ts';
import { containerGroups, nextSort, type Sort, type SortKey } from './container-list.ts';
import { ContainerGroupRows } from './container-rows.tsx';
import type { MatrixRow } from './matrix.ts';

interface Props {
  readonly nodes: readonly NodeOverview[];
  readonly matrix: readonly MatrixRow[];
  readonly now: number;
}

const columns: readonly { readonly key: SortKey; readonly title: string; readonly number: boolean }[] = [
  { key: 'name', title: 'Container', number: false },
  { key: 'node', title: 'Node', number: false },
  { key: 'state', title: 'State', number: false },
  { key: 'pid', title: 'PID', number: true },
  { key: 'cpu', title: 'CPU', number: true },
  { key: 'memory', title: 'Memory', number: true },
  { key: 'restarts', title: 'Restarts', number: true },
  { key: 'uptime', title: 'Uptime', number: true },
];

export function Containers({ nodes, matrix, now }: Props) {
  const [filter, setFilter] = useState('');
  const [sort, setSort] = useState<Sort>({ key: 'name', descending: false });
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const groups = containerGroups(nodes, filter, sort);
  const shown = groups.reduce((total, group) => total + group.rows.length, 0);
  const all = nodes.reduce((total, node) => total + node.containers.length, 0);
  const toggle = (process: string) => {
    const next = new Set(folded);
    if (!next.delete(process)) next.add(process);
    setFolded(next);
  };
  return (
    <section aria-labelledby="containers-title">
      <div class="bar">
        <h2 id="containers-title">Containers</h2>
        <p class="muted" role="status">
          {shown === all ? `${all}` : `${shown} of ${all}`}
        </p>
        <input
          type="search"
          placeholder="Filter: web node2 stopping …"
          aria-label="Filter containers by name, node, state or pid"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
      </div>
      <table class="containers">
        <thead>
          <tr>
            {columns.map(({ key, title, number }) => (
              <th key={key} scope="col" class={number ? 'number' : undefined} aria-sort={direction(sort, key)}>
                <button type="button" onClick={() => setSort(nextSort(sort, key))}>
                  {title}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        {groups.map((group) => (
          <ContainerGroupRows
            key={group.process}
            group={group}
            wanted={matrix.find((row) => row.process === group.process)?.total.wanted ?? null}
            folded={folded.has(group.process)}
            onToggle={() => toggle(group.process)}
            now={now}
          />
        ))}
      </table>
      {shown === 0 && <p class="muted empty">{all === 0 ? 'No container yet.' : 'No container matches the filter.'}</p>}
    </section>
  );
}

function direction(sort: Sort, key: SortKey): 'ascending' | 'descending' | 'none' {
  if (sort.key !== key) return 'none';
  return sort.descending ? 'descending' : 'ascending';
}
