import './logs/logs.css';
import { Frame } from '../cantal/frame.tsx';
import { usePoll } from '../cantal/poll.ts';
import { asList } from '../json.ts';
import { Link } from '../link.tsx';
import { OtherNodes } from './logs/nodes-line.tsx';
import { periodWords } from './periods.ts';

const everyMs = 60_000;

const kinds = [
  { prefix: 'hourly-', title: 'Hours', kept: 36 },
  { prefix: 'daily-', title: 'Days', kept: 14 },
  { prefix: 'weekly-', title: 'Weeks', kept: 12 },
] as const;

/** Snapshots of the schedule on this node. */
export function BackupsPage() {
  const { value, problem } = usePoll<unknown>('/v1/backups', everyMs);
  const names = asList(value).map(String);
  return (
    <Frame title="Backups" problem={problem}>
      {value !== null && names.length === 0 && (
        <section>
          <p class="muted">There are none yet: one is made when this node has rendered a schedule.</p>
        </section>
      )}
      {kinds.map(({ prefix, title, kept }) => {
        const own = names.filter((name) => name.startsWith(prefix));
        if (own.length === 0) return null;
        return (
          <section key={prefix} aria-labelledby={`${prefix}title`}>
            <div class="bar">
              <h2 id={`${prefix}title`}>{title}</h2>
              <p class="muted">
                {own.length} of at most {kept}; UTC
              </p>
            </div>
            <Snapshots names={own} />
          </section>
        );
      })}
      <OtherNodes path="/backups" />
    </Frame>
  );
}

function Snapshots({ names }: { names: readonly string[] }) {
  return (
    <table class="cards snapshots">
      <thead>
        <tr>
          <th scope="col">First schedule rendered in</th>
          <th scope="col">Look at</th>
          <th scope="col">Compare</th>
          <th scope="col">File</th>
        </tr>
      </thead>
      <tbody>
        {names.map((name) => {
          const bare = name.replace(/\.json\.gz$/, '');
          const url = `/v1/backup/${encodeURIComponent(bare)}`;
          return (
            <tr key={name}>
              <th scope="row">{periodWords(bare)}</th>
              <td data-label="Look at">
                <span class="ways-line">
                  <a href={`${url}.pretty`}>JSON</a> <a href={`${url}.gron`}>gron</a>
                </span>
              </td>
              <td data-label="Compare">
                <Link href={`/diff?${new URLSearchParams({ from: bare, to: 'current' })}`}>with now</Link>
              </td>
              <td data-label="File">
                <a href={`/v1/backup/${encodeURIComponent(name)}`} download={name} class="mono">
                  {name}
                </a>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
