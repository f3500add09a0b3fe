import type { Liveness, NodeOverview, Overview } from './api.ts';
import { formatAge, formatBytes, formatCpu, formatMs, shortHash, unknown } from './format.ts';
import { Mark, type Tone } from './mark.tsx';
import { Meter } from './meter.tsx';

const tones: Readonly<Record<Liveness, Tone>> = { alive: 'good', suspect: 'warn', dead: 'bad' };

export function Nodes({ overview, now }: { overview: Overview; now: number }) {
  return (
    <section aria-labelledby="nodes-title">
      <h2 id="nodes-title">Nodes</h2>
      <table class="nodes">
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">State</th>
            <th scope="col">Address</th>
            <th scope="col">CPU</th>
            <th scope="col">Memory</th>
            <th scope="col" class="number">
              Containers
            </th>
            <th scope="col" class="number">
              Scan
            </th>
            <th scope="col">Schedule held</th>
            <th scope="col">Rendered</th>
            <th scope="col">Version</th>
          </tr>
        </thead>
        {overview.nodes.map((node) => (
          <NodeRows key={node.id} node={node} overview={overview} now={now} />
        ))}
      </table>
    </section>
  );
}

function NodeRows({ node, overview, now }: { node: NodeOverview; overview: Overview; now: number }) {
  const running = node.containers.filter((container) => container.phase === 'running').length;
  const faults = faultsOf(node);
  const current = overview.schedule?.hash ?? null;
  return (
    <tbody class={node.reachable ? undefined : 'unreachable'}>
      <tr>
        <th scope="row">
          {node.hostname}
          {node.leader && <span class="badge leader">leader, epoch {overview.epoch}</span>}
          {node.id === overview.self && <span class="badge">this page</span>}
        </th>
        <td data-label="State">
          <Mark tone={tones[node.liveness]} />
          {node.liveness}
        </td>
        <td data-label="Address" class="mono">
          {node.addr}
        </td>
        <td data-label="CPU">
          <Meter share={node.cpuShare} text={formatCpu(node.cpuShare)} label={`CPU of ${node.hostname}`} />
        </td>
        <td data-label="Memory">
          <Meter
            share={share(node.memoryUsedBytes, node.memoryTotalBytes)}
            text={`${formatBytes(node.memoryUsedBytes)} of ${formatBytes(node.memoryTotalBytes)}`}
            label={`Memory of ${node.hostname}`}
          />
        </td>
        <td data-label="Containers" class="number">
          {running} of {node.containers.length}
        </td>
        <td data-label="Scan" class="number">
          {formatMs(node.scanMs)}
        </td>
        <td data-label="Schedule held">
          <HashCell hash={node.scheduleHash} current={current} />{' '}
          <span class="muted">{formatAge(node.scheduleTimestamp, now)} old</span>
        </td>
        <td data-label="Rendered">
          <HashCell hash={node.renderedHash} current={current} />
        </td>
        <td data-label="Version" class="muted">
          {node.version ?? unknown}
        </td>
      </tr>
      {faults.length > 0 && (
        <tr class="faults">
          <td colSpan={10}>
            {faults.map((fault) => (
              <p key={fault}>
                <Mark tone="bad" />
                {fault}
              </p>
            ))}
          </td>
        </tr>
      )}
    </tbody>
  );
}

function HashCell({ hash, current }: { hash: string | null; current: string | null }) {
  if (hash === null) return <span class="muted">none yet</span>;
  const behind = current !== null && hash !== current;
  return (
    <span title={hash}>
      {behind && <Mark tone="warn" />}
      <code>{shortHash(hash)}</code>
      {behind && ' behind'}
    </span>
  );
}

function faultsOf(node: NodeOverview): string[] {
  const faults = [...node.errors];
  if (node.failedRoles.length > 0) faults.push(`rendering failed: ${node.failedRoles.join(', ')}`);
  if (node.treeRunning === false) faults.push('tree does not run: containers go on, none is started or restarted');
  if (!node.reachable) faults.push('the agent is not reachable: figures are the last known ones');
  return faults;
}

function share(used: number | null, total: number | null): number | null {
  return used === null || total === null || total === 0 ? null : used / total;
}
