import { useState } from 'preact/hooks';
import type { NodeOverview } from '../../api.ts';
import { formatCount, unknown } from '../../format.ts';
import { Mark } from '../../mark.tsx';
import type { Button } from './button.ts';
import { SchedulerButtons } from './press-button.tsx';
import type { ProcessRow } from './processes.ts';

interface Props {
  readonly role: string;
  readonly rows: readonly ProcessRow[];
  readonly actions: readonly Button[];
  readonly nodes: readonly NodeOverview[];
}

/** More are shown when somebody asks for them. */
const shownAtFirst = 12;

export function ProcessTable({ role, rows, actions, nodes }: Props) {
  const [all, setAll] = useState(false);
  const shown = all ? rows : rows.slice(0, shownAtFirst);
  const addrs = new Map(nodes.map(({ hostname, addr }) => [hostname, addr] as const));
  return (
    <section aria-label="Processes">
      <div class="bar">
        <h2>Processes</h2>
        <p class="muted">
          {rows.length === 0 ? 'none: the schedule has no daemons of this role' : formatCount(rows.length)}
        </p>
      </div>
      {rows.length > 0 && (
        <table class="cards processes">
          <thead>
            <tr>
              <th scope="col">Process</th>
              <th scope="col">Host</th>
              <th scope="col">Image</th>
              <th scope="col">Config</th>
              <th scope="col" class="number">
                Running
              </th>
              {actions.length > 0 && <th scope="col">Actions</th>}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={`${row.host} ${row.name}`}>
                <th scope="row">{row.name}</th>
                <td data-label="Host">
                  {addrs.has(row.host) ? (
                    <a href={`http://${addrs.get(row.host)}/local/status`}>{row.host}</a>
                  ) : (
                    row.host
                  )}
                </td>
                <td data-label="Image" class="wrap">
                  {row.image ?? unknown}
                </td>
                <td data-label="Config" class="wrap">
                  {row.config ?? unknown}
                </td>
                <td data-label="Running" class="number">
                  <Count row={row} />
                </td>
                {actions.length > 0 && (
                  <td class="acts">
                    <SchedulerButtons
                      role={role}
                      buttons={actions}
                      names={{ host: row.host, daemon: row.name }}
                      what={`${row.name} on ${row.host}`}
                    />
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rows.length > shownAtFirst && (
        <button type="button" class="plain more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? `Only the first ${shownAtFirst}` : `Show all ${rows.length}`}
        </button>
      )}
    </section>
  );
}

/** A node whose containers are not known runs what was wanted, or not. */
function Count({ row: { wanted, running } }: { row: ProcessRow }) {
  const missing = wanted !== null && running !== null && running < wanted;
  return (
    <span class={missing ? 'count missing' : undefined}>
      {missing && <Mark tone="warn" />}
      {formatCount(running)} <span class="muted">/ {formatCount(wanted)}</span>
    </span>
  );
}
