import type { Overview } from '../../api.ts';
import type { PageProps } from '../../lazy-page.tsx';
import { Link } from '../../link.tsx';
import { useLive } from '../../live.ts';
import { Mark } from '../../mark.tsx';
import { type ApiFacts, readApi } from './api-kind.ts';
import { ApiRole } from './api-role.tsx';
import { ForceRender, Frame } from './frame.tsx';
import { logsHref, whyHref } from './links.ts';
import { type MigrationFacts, readMigration } from './migration-kind.ts';
import { MigrationRole } from './migration-role.tsx';
import { SchedulerButtons } from './press-button.tsx';
import { ProcessTable } from './process-table.tsx';
import { readProcesses } from './processes.ts';
import { type RoleFacts, readRole, roleNames } from './role-facts.ts';
import { StateOfRole } from './state-of-role.tsx';
import { readVersions, type VersionFacts } from './version-kind.ts';
import { VersionRole } from './version-role.tsx';

type OfKind =
  | { readonly kind: 'version'; readonly facts: VersionFacts }
  | { readonly kind: 'migration'; readonly facts: MigrationFacts | null }
  | { readonly kind: 'api'; readonly facts: ApiFacts }
  /** What every role has. */
  | { readonly kind: 'example' };

function readKind(data: unknown, { kind, name }: RoleFacts, odd: string[]): OfKind {
  switch (kind) {
    case 'version':
      return { kind, facts: readVersions(data, name, odd) };
    case 'migration':
      return { kind, facts: readMigration(data, name, odd) };
    case 'api':
      return { kind, facts: readApi(data, name, odd) };
    case 'example':
    case null:
      return { kind: 'example' };
    default:
      return kind satisfies never;
  }
}

/** One role: what its kind says, and what all have. */
export function RolePage({ place, token }: PageProps) {
  const live = useLive();
  const name = place.params.get('name') ?? '';
  const data = live.overview?.schedule?.data;
  const odd: string[] = [];
  const facts = readRole(data, name, odd);
  const ofKind = readKind(data, facts, odd);
  const there = roleNames(data).includes(name);
  return (
    <Frame
      title={facts.title}
      of={
        <>
          {facts.title !== name && name}
          {facts.badge !== null && <span class="badge">{facts.badge}</span>}
          {facts.kind !== null && <span class="badge">{facts.kind}</span>}
        </>
      }
      live={live}
      token={token}
      odd={there ? odd : []}
    >
      {(overview, now) =>
        there ? (
          <Role key={name} facts={facts} ofKind={ofKind} overview={overview} now={now} />
        ) : (
          <section>
            <h2>{overview.schedule === null ? 'There is no schedule yet' : `The schedule has no role “${name}”`}</h2>
            <p>
              <Link href="/roles">All roles</Link>
            </p>
          </section>
        )
      }
    </Frame>
  );
}

interface RoleProps {
  readonly facts: RoleFacts;
  readonly ofKind: OfKind;
  readonly overview: Overview;
  readonly now: number;
}

function Role({ facts, ofKind, overview, now }: RoleProps) {
  const { name } = facts;
  const data = overview.schedule?.data;
  const rows = readProcesses(data, overview.nodes).filter(({ role }) => role === name);
  const failing = overview.nodes.filter(({ failedRoles }) => failedRoles.includes(name));
  const self = overview.nodes.find(({ id }) => id === overview.self);
  return (
    <>
      <section class="role-head" aria-label="Actions">
        <SchedulerButtons role={name} buttons={facts.actions} />
        <div class="presses aside">
          <Link href={logsHref(name)}>Logs</Link>
          <Link href={whyHref(name)}>Why here</Link>
          <ForceRender hostname={self?.hostname ?? 'this node'} />
        </div>
        {facts.actions.some(({ description }) => description !== null) && (
          <ul class="descriptions muted">
            {facts.actions.map(
              ({ title, description }) =>
                description !== null && (
                  <li key={title}>
                    <b>{title}</b>: {description}
                  </li>
                ),
            )}
          </ul>
        )}
        {(facts.notes.length > 0 || failing.length > 0) && (
          <ul class="notes">
            {failing.map((node) => (
              <li key={node.id}>
                <span class="badge bad">failed</span> rendering on {node.hostname}:{' '}
                <Link href={logsHref(name)}>its log</Link>
              </li>
            ))}
            {facts.notes.map(({ level, node, text }) => (
              <li key={`${level} ${node} ${text}`}>
                <span class={`badge ${level === 'error' ? 'bad' : 'warn'}`}>{level}</span>{' '}
                {node !== null && <b>{node}: </b>}
                {text}
              </li>
            ))}
          </ul>
        )}
        {facts.unknownKind !== null && (
          <p class="muted">
            <Mark tone="warn" />
            This page knows no kind “{facts.unknownKind}”; it shows what every role has.
          </p>
        )}
      </section>
      <KindOfRole name={name} ofKind={ofKind} overview={overview} now={now} />
      {facts.info.length > 0 && (
        <section aria-labelledby="info-title">
          <h2 id="info-title">Info</h2>
          <dl class="figures">
            {facts.info.map(([key, words]) => (
              <div key={key}>
                <dt>{key}</dt>
                <dd>{words}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      <ProcessTable role={name} rows={rows} actions={facts.daemonActions} nodes={overview.nodes} />
      {facts.bottomText !== null && <p class="bottom-text">{facts.bottomText}</p>}
    </>
  );
}

interface KindProps {
  readonly name: string;
  readonly ofKind: OfKind;
  readonly overview: Overview;
  readonly now: number;
}

function KindOfRole({ name, ofKind, overview, now }: KindProps) {
  switch (ofKind.kind) {
    case 'version':
      return <VersionRole name={name} facts={ofKind.facts} />;
    case 'migration':
      return <MigrationRole name={name} migration={ofKind.facts} now={now} />;
    case 'api':
      return <ApiRole name={name} api={ofKind.facts} overview={overview} now={now} />;
    case 'example':
      return <StateOfRole name={name} data={overview.schedule?.data} />;
    default:
      return ofKind satisfies never;
  }
}
