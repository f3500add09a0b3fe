import { formatAge } from '../../format.ts';
import type { MigrationFacts } from './migration-kind.ts';
import { Moment } from './moment.tsx';
import { SchedulerButtons } from './press-button.tsx';

const modeWords = { forward: 'going forward', backward: 'going back', paused: 'paused' } as const;

export function MigrationRole({
  name,
  migration,
  now,
}: {
  name: string;
  migration: MigrationFacts | null;
  now: number;
}) {
  if (migration === null) {
    return (
      <section aria-labelledby="migration-title">
        <h2 id="migration-title">Migration</h2>
        <p class="muted">None is under way.</p>
      </section>
    );
  }
  const { original, target, progress, mode, statusTitle, startTime, timestamp, buttons } = migration;
  const percent = progress === null ? null : `${Math.round(progress * 100)} %`;
  return (
    <section aria-labelledby="migration-title">
      <div class="bar">
        <h2 id="migration-title">Migration</h2>
        <p class="muted">
          {mode === null ? 'mode unknown' : modeWords[mode]}
          {statusTitle !== null && `: ${statusTitle}`}
        </p>
      </div>
      <div class={`migration ${mode ?? ''}`}>
        <b>{original ?? 'unknown'}</b>
        <progress max={1} value={progress ?? undefined} aria-label={`From ${original ?? '?'} to ${target ?? '?'}`}>
          {percent}
        </progress>
        <b>{target ?? 'unknown'}</b>
        <span class="share">{percent ?? 'progress unknown'}</span>
      </div>
      <dl class="figures">
        <div>
          <dt>started</dt>
          <dd>
            <Moment ms={startTime} now={now} />
          </dd>
        </div>
        <div>
          <dt>changed</dt>
          <dd>
            <Moment ms={timestamp} now={now} />
          </dd>
        </div>
        {startTime !== null && timestamp !== null && (
          <div>
            <dt>took so far</dt>
            <dd>{formatAge(startTime, timestamp)}</dd>
          </div>
        )}
      </dl>
      <SchedulerButtons
        role={name}
        buttons={buttons}
        names={{ ...(original === null ? {} : { original }), ...(target === null ? {} : { target }) }}
        fields={({ id }) => ({ migration_action: id, original_version: original, target_version: target })}
      />
    </section>
  );
}
