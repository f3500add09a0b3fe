import type { Overview } from './api.ts';
import type { Decision } from './decision.ts';
import { Foldable } from './foldable.tsx';
import { formatAge, formatCount, shortHash } from './format.ts';
import { Mark } from './mark.tsx';
import type { MatrixRow } from './matrix.ts';
import { Matrix } from './matrix-table.tsx';

interface Props {
  readonly overview: Overview;
  readonly decision: Decision;
  readonly matrix: readonly MatrixRow[];
  readonly now: number;
}

export function Schedule({ overview, decision, matrix, now }: Props) {
  const { schedule, nodes } = overview;
  const origin = nodes.find((node) => node.id === schedule?.origin)?.hostname ?? schedule?.origin;
  const rendered = nodes.filter((node) => schedule !== null && node.renderedHash === schedule.hash).length;
  return (
    <section aria-labelledby="schedule-title">
      <div class="bar">
        <h2 id="schedule-title">Schedule</h2>
        {schedule === null ? (
          <p class="muted">none yet: a leader makes one as soon as it is elected</p>
        ) : (
          <p class="muted">
            <code title={schedule.hash}>{shortHash(schedule.hash)}</code> confirmed {formatAge(schedule.timestamp, now)}{' '}
            ago by {origin}; rendered by {rendered} of {nodes.length} nodes
          </p>
        )}
      </div>
      <div class="schedule">
        <Matrix nodes={nodes} rows={matrix} />
        <Reasons decision={decision} />
      </div>
      {schedule !== null && (
        <Foldable summary="Whole schedule as JSON">{() => <pre>{JSON.stringify(schedule, null, 2)}</pre>}</Foldable>
      )}
    </section>
  );
}

function Reasons({ decision }: { decision: Decision }) {
  const { requestsPerMinute: rate, thresholdPerMinute: threshold } = decision;
  return (
    <div class="reasons">
      <h3>Why</h3>
      <ul>
        {decision.notes.map((note) => (
          <li key={`${note.where} ${note.text}`}>
            <Mark tone={note.level === 'error' ? 'bad' : 'warn'} />
            {note.where && <b>{note.where}: </b>}
            {note.text}
          </li>
        ))}
        {decision.changes.length + decision.notes.length === 0 && (
          <li class="muted">The scheduler reports no change.</li>
        )}
        {decision.changes.map((change) => (
          <li key={change}>{change}</li>
        ))}
        {rate !== null && threshold !== null && (
          <li class="muted">
            The scheduler saw {formatCount(rate)} requests per minute; its threshold is {formatCount(threshold)}.
          </li>
        )}
      </ul>
      {decision.reasons.length > 0 && (
        <Foldable summary="Placement, node by node">
          {() => (
            <ul>
              {decision.reasons.map(({ role, node, reasons }) => (
                <li key={`${role} ${node}`}>
                  <b>
                    {role} on {node}:
                  </b>{' '}
                  {reasons.join('; ')}
                </li>
              ))}
            </ul>
          )}
        </Foldable>
      )}
    </div>
  );
}
