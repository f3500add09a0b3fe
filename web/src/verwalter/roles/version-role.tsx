import { useState } from 'preact/hooks';
import { Mark } from '../../mark.tsx';
import { SchedulerButtons } from './press-button.tsx';
import { filterVersions, type VersionFacts } from './version-kind.ts';

/** The newest are what somebody looks for. */
const shownAtFirst = 20;

export function VersionRole({ name, facts }: { name: string; facts: VersionFacts }) {
  const [filter, setFilter] = useState('');
  const [all, setAll] = useState(false);
  const { versions, current, running, buttons } = facts;
  const found = filterVersions(versions, filter);
  const shown = all ? found : found.slice(0, shownAtFirst);
  return (
    <section aria-labelledby="versions-title">
      <div class="bar">
        <h2 id="versions-title">Versions</h2>
        <p class="muted">
          {current === null ? 'no version is chosen' : `chosen: ${current}`}
          {running !== null && `; running: ${running}`}
        </p>
        {versions.length > 0 && (
          <input
            type="search"
            placeholder={`Filter ${versions.length} versions`}
            aria-label="Filter versions"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        )}
      </div>
      {versions.length === 0 && <p class="muted">The schedule names no versions of this role.</p>}
      {versions.length > 0 && found.length === 0 && <p class="muted">No version has these words.</p>}
      <ul class="versions">
        {shown.map((version) => (
          <li key={version} class={version === current ? 'current' : undefined}>
            <b>{version}</b>
            {version === current ? (
              <span class="muted">
                <Mark tone="good" />
                chosen
              </span>
            ) : (
              <SchedulerButtons role={name} buttons={buttons} names={{ version }} what={`${name} ${version}`} />
            )}
          </li>
        ))}
      </ul>
      {found.length > shownAtFirst && (
        <button type="button" class="plain more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? `Only the newest ${shownAtFirst}` : `Show all ${found.length}`}
        </button>
      )}
    </section>
  );
}
