import { useState } from 'preact/hooks';
import type { Overview } from '../../api.ts';
import { formatCount } from '../../format.ts';
import { AddProcess, CreateGroup } from './api-forms.tsx';
import type { ApiFacts, Group } from './api-kind.ts';
import { ApiSamples } from './api-samples.tsx';
import { ServiceTable } from './api-services.tsx';
import { StartUpdate, UpdateProgress } from './api-update.tsx';
import { useExpert } from './expert.ts';
import { actionOf, PressButton } from './press-button.tsx';

interface Props {
  readonly name: string;
  readonly api: ApiFacts;
  readonly overview: Overview;
  readonly now: number;
}

/** The kind `api`: groups of services, which servers they run on, and their updates. */
export function ApiRole({ name, api, overview, now }: Props) {
  const expert = useExpert();
  const servers = overview.nodes.map(({ hostname }) => hostname);
  return (
    <>
      {(expert || api.groups.length === 0) && (
        <section aria-labelledby="groups-title">
          <div class="bar">
            <h2 id="groups-title">Groups</h2>
            <p class="muted">
              {api.groups.length === 0 ? 'none yet' : formatCount(api.groups.length)}
              {!expert && '; the expert switch above shows how to make one'}
            </p>
          </div>
          {expert && <CreateGroup role={name} api={api} />}
        </section>
      )}
      {api.groups.map((group) => (
        <GroupSection key={group.name} role={name} group={group} api={api} servers={servers} now={now} />
      ))}
    </>
  );
}

interface GroupProps {
  readonly role: string;
  readonly group: Group;
  readonly api: ApiFacts;
  readonly servers: readonly string[];
  readonly now: number;
}

function GroupSection({ role, group, api, servers, now }: GroupProps) {
  const expert = useExpert();
  const [updating, setUpdating] = useState(false);
  const id = `group-${group.name}`;
  const newest = api.versions[0];
  const auto = group.autoUpdate ? 'disable_auto_update' : 'enable_auto_update';
  return (
    <section class="group-section" aria-labelledby={id}>
      <div class="bar">
        <h2 id={id}>{group.name}</h2>
        <p class="muted">
          version <b>{group.version ?? 'unknown'}</b>
          {newest !== undefined && newest !== group.version && group.update === null && `; newest is ${newest}`}
          {group.autoUpdate && '; updates by itself'}
        </p>
        <div class="presses aside">
          {group.update === null && (
            <button type="button" class="press" aria-expanded={updating} onClick={() => setUpdating(!updating)}>
              Update…
            </button>
          )}
          <PressButton
            title={group.autoUpdate ? 'Stop automatic updates' : 'Update automatically'}
            request={actionOf(
              { role, action: auto, group: group.name },
              `${group.autoUpdate ? 'Stop automatic updates' : 'Update automatically'} ${group.name}`,
            )}
          />
          <PressButton
            title="Delete"
            kind="danger"
            confirm={`Delete the group ${group.name}, and stop its ${formatCount(group.services.length)} processes on all servers?`}
            request={actionOf({ role, action: 'delete_group', group: group.name }, `Delete group ${group.name}`)}
          />
        </div>
      </div>
      {group.update !== null && <UpdateProgress role={role} group={group.name} update={group.update} now={now} />}
      {updating && group.update === null && (
        <StartUpdate role={role} group={group} api={api} onDone={() => setUpdating(false)} />
      )}
      {group.failed.length > 0 && (
        <p class="note">
          {group.failed.map(([version, reason]) => (
            <span key={version} class="failed-version">
              <span class="badge warn">{version}</span> {reason}
            </span>
          ))}
        </p>
      )}
      <ServiceTable role={role} group={group} servers={servers} />
      {expert && <AddProcess role={role} group={group} api={api} servers={servers} />}
      <ApiSamples role={role} group={group} newest={newest ?? null} />
    </section>
  );
}
