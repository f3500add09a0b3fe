import { formatAge, formatBytes } from '../format.ts';
import { Link } from '../link.tsx';
import { type ListColumn, LongList } from './long-list.tsx';
import { commandOf, type Process } from './process-tree.ts';

const columns: readonly ListColumn[] = [
  { title: 'PID', width: '76px', phoneWidth: '62px', numeric: true },
  { title: 'User/group', width: '100px', roomy: true },
  { title: 'Memory', width: '90px', phoneWidth: '78px', numeric: true },
  { title: 'Up', width: '110px', roomy: true, numeric: true },
  { title: 'Command' },
];

/** Some processes with their command lines. */
export function ProcessList({ label, processes }: { label: string; processes: readonly Process[] }) {
  return (
    <LongList
      label={label}
      columns={columns}
      count={processes.length}
      row={(index) => {
        const process = processes[index];
        if (process === undefined) return null;
        return (
          <tr key={process.pid} aria-rowindex={index + 2}>
            <th scope="row" class="number mono">
              <Link href={`/local/process_metrics?pid=${process.pid}`}>{process.pid}</Link>
            </th>
            <td class="muted roomy">
              {process.uid}/{process.gid}
            </td>
            <td class="number">{formatBytes(process.rss)}</td>
            <td class="number roomy">{formatAge(process.start_timestamp, Date.now())}</td>
            <td class="mono cut" title={commandOf(process)}>
              {commandOf(process)}
            </td>
          </tr>
        );
      }}
    />
  );
}
