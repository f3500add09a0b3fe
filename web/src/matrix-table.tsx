import type { NodeOverview } from './api.ts';
import { Mark } from './mark.tsx';
import { type Count, fitOf, type MatrixRow } from './matrix.ts';

/** Processes by nodes: what runs of what is wanted. */
export function Matrix({ nodes, rows }: { nodes: readonly NodeOverview[]; rows: readonly MatrixRow[] }) {
  return (
    <table class="matrix">
      <caption class="muted">running / wanted</caption>
      <thead>
        <tr>
          <th scope="col">Process</th>
          {nodes.map((node) => (
            <th key={node.id} scope="col" class="number">
              {node.hostname}
            </th>
          ))}
          <th scope="col" class="number">
            All
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.process}>
            <th scope="row">{row.process}</th>
            {row.cells.map((count, column) => (
              <CountCell key={nodes[column]?.id} count={count} />
            ))}
            <CountCell count={row.total} total />
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function CountCell({ count, total }: { count: Count; total?: boolean }) {
  const how = fitOf(count);
  return (
    <td class={`number count ${how}${total ? ' total' : ''}`}>
      {how === 'missing' && <Mark tone="warn" />}
      {how === 'surplus' && <Mark tone="idle" />}
      {how === 'none' ? <span class="muted">–</span> : `${count.running} / ${count.wanted ?? '?'}`}
      {how === 'missing' && <span class="hidden"> missing</span>}
      {how === 'surplus' && <span class="hidden"> more than wanted</span>}
    </td>
  );
}
