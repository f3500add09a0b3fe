import './cantal.css';
import type { ComponentChildren } from 'preact';
import type { Connection } from '../connection.ts';
import { Mark } from '../mark.tsx';
import { useStatus } from './status.ts';

interface Props {
  readonly title: string;
  /** Beside the title; default: the host. */
  readonly of?: ComponentChildren;
  /** Of the page's stream; a page that only polls has none. */
  readonly connection?: Connection | undefined;
  readonly problem?: string | null;
  readonly children: ComponentChildren;
}

/** What stands on every page of cantal: what it is, whose figures these are, and whether they are fresh. */
export function Frame({ title, of, connection, problem, children }: Props) {
  const { value: status, problem: away } = useStatus();
  const said = problem ?? away;
  const live = connection === undefined || connection.kind === 'live';
  return (
    <>
      <header class="top host">
        <div class="brand">
          <h1>{title}</h1>
          <p class="muted">{of ?? status?.hostname ?? location.host}</p>
        </div>
        <div class="connection">
          <p role="status">
            <Mark tone={said ? 'bad' : live ? 'good' : 'warn'} />
            <b>{said ? 'trouble' : live ? 'live' : 'connecting'}</b>
          </p>
          {said && <p class="trouble">{said}</p>}
        </div>
      </header>
      <main class={said ? 'stale' : undefined}>{children}</main>
    </>
  );
}
