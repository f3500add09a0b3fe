import type { Overview } from '../../api.ts';
import { formatCount, unknown } from '../../format.ts';
import type { PageProps } from '../../lazy-page.tsx';
import { Link } from '../../link.tsx';
import { useLive } from '../../live.ts';
import { setParams } from '../../place.ts';
import { ForceRender, Frame } from './frame.tsx';
import { logsHref, roleHref } from './links.ts';
import { readProcesses, sumsByRole } from './processes.ts';
import { noteCounts, readRole, roleNames } from './role-facts.ts';

/** All roles; those without a page of their own behind a switch. */
export function RolesPage({ place, token }: PageProps) {
  const live = useLive();
  const filter = place.params.get('q') ?? '';
  const all = place.params.get('all') === '1';
  return (
    <Frame title="Roles" live={live} token={token}>
      {(overview) => <RoleList overview={overview} filter={filter} all={all} />}
    </Frame>
  );
}

function RoleList({ overview, filter, all }: { overview: Overview; filter: string; all: boolean }) {
  const data = overview.schedule?.data;
  const sums = sumsByRole(data, readProcesses(data, overview.nodes));
  const notes = noteCounts(data);
  const roles = roleNames(data).map((name) => readRole(data, name, []));
  const unlisted = roles.filter(({ listed }) => !listed).length;
  // A scheduler that gives no role a page wants its roles to be seen all the same.
  const withAll = all || unlisted === roles.length;
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = roles.filter(
    ({ name, title, badge, listed }) =>
      (listed || withAll) && words.every((word) => `${name} ${title} ${badge ?? ''}`.toLowerCase().includes(word)),
  );
  const self = overview.nodes.find(({ id }) => id === overview.self);
  return (
    <section aria-label="Roles">
      <div class="bar">
        <h2>
          {shown.length === roles.length ? formatCount(shown.length) : `${shown.length} of ${roles.length}`} roles
        </h2>
        {unlisted > 0 && unlisted < roles.length && (
          <label>
            <input
              type="checkbox"
              checked={all}
              onChange={(event) => setParams({ all: event.currentTarget.checked ? '1' : null })}
            />{' '}
            also {unlisted} without a page
          </label>
        )}
        <ForceRender hostname={self?.hostname ?? 'this node'} />
        <input
          type="search"
          placeholder="Filter: words of name, title, badge"
          aria-label="Filter roles"
          value={filter}
          onInput={(event) => setParams({ q: event.currentTarget.value })}
        />
      </div>
      {shown.length === 0 ? (
        <p class="muted">{noneWords(overview, roles.length)}</p>
      ) : (
        <table class="cards roles">
          <thead>
            <tr>
              <th scope="col">Role</th>
              <th scope="col">Kind</th>
              <th scope="col" class="number">
                Running
              </th>
              <th scope="col" class="number">
                Nodes
              </th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((role) => {
              const sum = sums.get(role.name);
              const count = notes.get(role.name);
              const failing = overview.nodes.filter(({ failedRoles }) => failedRoles.includes(role.name));
              return (
                <tr key={role.name}>
                  <th scope="row">
                    <Link href={roleHref(role.name)}>{role.title}</Link>
                    {role.title !== role.name && <span class="muted"> {role.name}</span>}
                    {role.badge !== null && <span class="badge">{role.badge}</span>}
                  </th>
                  <td data-label="Kind">{role.kind ?? role.unknownKind ?? <span class="muted">no page</span>}</td>
                  <td data-label="Running" class="number">
                    {sum?.running === null || sum === undefined ? unknown : formatCount(sum.running)}
                    <span class="muted"> / {formatCount(sum?.wanted ?? 0)}</span>
                  </td>
                  <td data-label="Nodes" class="number">
                    {formatCount(sum?.nodes ?? 0)}
                  </td>
                  <td data-label="State">
                    {failing.length > 0 && (
                      <Link href={logsHref(role.name)} class="badge bad">
                        failed on {failing.map(({ hostname }) => hostname).join(', ')}
                      </Link>
                    )}
                    {count !== undefined && count.errors > 0 && (
                      <span class="badge bad">{plural(count.errors, 'error')}</span>
                    )}
                    {count !== undefined && count.warnings > 0 && (
                      <span class="badge warn">{plural(count.warnings, 'warning')}</span>
                    )}
                    {failing.length === 0 && count === undefined && <span class="muted">fine</span>}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </section>
  );
}

const plural = (count: number, word: string): string => (count === 1 ? `1 ${word}` : `${count} ${word}s`);

function noneWords({ schedule, leaderId }: Overview, roles: number): string {
  if (schedule === null)
    return leaderId === null
      ? 'There is no schedule yet: a leader makes one as soon as it is elected.'
      : 'There is no schedule yet: the leader has not finished its first round.';
  if (roles === 0) return 'The schedule has no roles: the scheduler decides about none.';
  return 'No role has these words.';
}
