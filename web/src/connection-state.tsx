import type { Connection } from './connection.ts';
import { formatAge } from './format.ts';
import type { Live } from './live.ts';
import { Mark, type Tone } from './mark.tsx';

export function ConnectionState({ live }: { live: Live }) {
  const { connection, overview, receivedAtMs } = live;
  const now = Date.now();
  const [tone, title] = heading(connection);
  return (
    <div class="connection">
      <p role="status">
        <Mark tone={tone} />
        <b>{title}</b>
      </p>
      {connection.kind !== 'live' && (
        <p class="muted">
          {explanation(connection, now)}
          {overview && `; figures are ${formatAge(receivedAtMs, now)} old`}
        </p>
      )}
    </div>
  );
}

function heading(connection: Connection): [Tone, string] {
  if (connection.kind === 'live') return ['good', 'live'];
  return connection.attempt === 0 && connection.kind === 'connecting'
    ? ['idle', 'connecting']
    : ['warn', 'reconnecting'];
}

function explanation(connection: Exclude<Connection, { kind: 'live' }>, now: number): string {
  if (connection.kind === 'connecting') return `asking ${location.host}, attempt ${connection.attempt + 1}`;
  const seconds = Math.max(0, Math.ceil((connection.retryAtMs - now) / 1000));
  return `${connection.reason}, next try in ${seconds} s`;
}
