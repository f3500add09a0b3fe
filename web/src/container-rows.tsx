import type { Container } from './api.ts';
import type { ContainerGroup, ContainerRow } from './container-list.ts';
import { endedBadly, endedWords } from './ended.ts';
import { formatAge, formatBytes, formatCpu, formatDuration, unknown } from './format.ts';
import { Mark, type Tone } from './mark.tsx';

interface Props {
  readonly group: ContainerGroup;
  readonly wanted: number | null;
  readonly folded: boolean;
  readonly onToggle: () => void;
  readonly now: number;
}

export function ContainerGroupRows({ group, wanted, folded, onToggle, now }: Props) {
  return (
    <tbody>
      <tr class="group">
        <th scope="rowgroup" colSpan={4}>
          <button type="button" aria-expanded={!folded} onClick={onToggle}>
            {group.process}
          </button>{' '}
          <span class="muted">
            {group.running} running{wanted !== null && ` of ${wanted} wanted`}
          </span>
        </th>
        <td class="number" data-label="CPU">
          {formatCpu(group.cpuShare)}
        </td>
        <td class="number" data-label="Memory">
          {formatBytes(group.memoryBytes)}
        </td>
        <td class="number" data-label="Restarts">
          {group.restarts}
        </td>
        <td />
      </tr>
      {!folded && group.rows.map((row) => <Row key={`${row.hostname} ${row.container.name}`} row={row} now={now} />)}
    </tbody>
  );
}

function Row({ row, now }: { row: ContainerRow; now: number }) {
  const { container } = row;
  const up = container.phase === 'running' || container.phase === 'stopping';
  return (
    <tr class={row.reachable ? undefined : 'unreachable'}>
      <th scope="row" title={container.name}>
        {container.process}
        <span class="muted">.{container.instance}</span>
      </th>
      <td data-label="Node">{row.hostname}</td>
      <td data-label="State" class="state">
        <Mark tone={tone(container)} />
        {container.phase}
        {container.adopted && (
          <span class="badge" title="A tree that did not start it took it over">
            adopted
          </span>
        )}
        <State container={container} now={now} />
      </td>
      <td data-label="PID" class="number mono">
        {container.pid ?? unknown}
      </td>
      <td data-label="CPU" class="number">
        {formatCpu(container.cpuShare)}
      </td>
      <td data-label="Memory" class="number">
        {formatBytes(container.memoryBytes)}
      </td>
      <td data-label="Restarts" class={container.restarts > 0 ? 'number' : 'number muted'}>
        {container.restarts}
      </td>
      <td data-label="Uptime" class="number">
        {up ? formatAge(container.startedAtMs, now) : unknown}
      </td>
    </tr>
  );
}

/** Why it is as it is: how it last ended, when it starts again. */
function State({ container, now }: { container: Container; now: number }) {
  const { lastEnd, nextStartAtMs } = container;
  const again = container.phase === 'waiting' && nextStartAtMs !== null ? nextStartAtMs - now : null;
  if (lastEnd === null && again === null) return null;
  return (
    <span class="muted last-end">
      {lastEnd && `${container.phase === 'running' ? 'last ' : ''}${endedWords(lastEnd, now)}`}
      {lastEnd && again !== null && ', '}
      {again !== null && `starts in ${formatDuration(again)}`}
    </span>
  );
}

function tone({ phase, lastEnd }: Container): Tone {
  if (phase === 'running') return 'good';
  if (phase === 'starting' || phase === 'stopping') return 'warn';
  return lastEnd !== null && endedBadly(lastEnd) ? 'bad' : 'idle';
}
