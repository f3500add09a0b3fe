import { Mark } from '../mark.tsx';
import { MovesTable } from './moves-table.tsx';
import { type Answer, type DryRun, timeText } from './recordings.ts';

/** What came of a dry run; nothing of it was applied. */
export function DryRunResult({ answer, movesAre }: { answer: Answer<DryRun>; movesAre: string }) {
  if ('problem' in answer) {
    return (
      <p class="trouble" role="alert">
        {answer.problem}
      </p>
    );
  }
  const { rounds, failed, changed_rounds: changed, moves, log } = answer.value;
  return (
    <div class="result" role="status">
      <p>
        <Mark tone={failed.length > 0 ? 'bad' : changed > 0 ? 'warn' : 'good'} />{' '}
        {rounds === 0 && 'No round is recorded that it could run over.'}
        {rounds > 0 &&
          `${rounds} ${rounds === 1 ? 'round' : 'rounds'}: ${failed.length} failed, ${changed} with another schedule.`}
      </p>
      {failed.length > 0 && (
        <ul class="failures">
          {failed.slice(0, 20).map(({ id, timestamp, error }) => (
            <li key={id}>
              <span class="muted">{timeText(timestamp)}</span> <code>{error}</code>
            </li>
          ))}
          {failed.length > 20 && <li class="muted">… and {failed.length - 20} more</li>}
        </ul>
      )}
      {moves.length > 0 && (
        <>
          <h3>{movesAre}</h3>
          <MovesTable moves={moves} caption={movesAre} />
        </>
      )}
      {log !== undefined && log !== '' && (
        <>
          <h3>Debug log</h3>
          <pre>{log}</pre>
        </>
      )}
    </div>
  );
}
