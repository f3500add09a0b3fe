import { useState } from 'preact/hooks';
import { formatCount, unknown } from '../../format.ts';
import { NumberPerServer, ServerBoxes } from './api-forms.tsx';
import type { Group, Service } from './api-kind.ts';
import { actionOf, PressButton } from './press-button.tsx';

interface Props {
  readonly role: string;
  readonly group: Group;
  readonly servers: readonly string[];
}

export function ServiceTable({ role, group, servers }: Props) {
  if (group.services.length === 0) return <p class="muted">This group has no processes yet.</p>;
  return (
    <table class="cards services">
      <thead>
        <tr>
          <th scope="col">Process</th>
          <th scope="col">Service</th>
          <th scope="col">Servers</th>
          <th scope="col" class="number">
            On each
          </th>
          <th scope="col">Variables</th>
          <th scope="col">Actions</th>
        </tr>
      </thead>
      {group.services.map((service) => (
        <ServiceRows key={service.name} role={role} group={group.name} service={service} servers={servers} />
      ))}
    </table>
  );
}

interface RowProps {
  readonly role: string;
  readonly group: string;
  readonly service: Service;
  readonly servers: readonly string[];
}

function ServiceRows({ role, group, service, servers }: RowProps) {
  const [editing, setEditing] = useState(false);
  const { name } = service;
  return (
    <tbody>
      <tr>
        <th scope="row">{name}</th>
        <td data-label="Service">{service.service ?? unknown}</td>
        <td data-label="Servers" class="wrap">
          {service.servers.length === 0 ? <span class="muted">none</span> : service.servers.join(', ')}
        </td>
        <td data-label="On each" class="number">
          {formatCount(service.numberPerServer)}
        </td>
        <td data-label="Variables" class="wrap">
          {service.variables.length === 0
            ? unknown
            : service.variables.map(([key, words]) => `${key}=${words}`).join(' ')}
        </td>
        <td class="acts">
          <div class="presses">
            <button type="button" class="press" aria-expanded={editing} onClick={() => setEditing(!editing)}>
              Edit
            </button>
            <PressButton
              title="Delete"
              kind="danger"
              confirm={`Delete ${group}/${name}, and stop it on ${formatCount(service.servers.length)} servers?`}
              request={actionOf({ role, action: 'delete_daemon', group, name }, `Delete ${group}/${name}`)}
            />
          </div>
        </td>
      </tr>
      {editing && (
        <tr class="editing">
          <td colSpan={6}>
            <EditService role={role} group={group} service={service} servers={servers} />
          </td>
        </tr>
      )}
    </tbody>
  );
}

/** Begins with what is, and keeps what is chosen until it is saved. */
function EditService({ role, group, service, servers }: RowProps) {
  const [chosen, setChosen] = useState<readonly string[] | null>(null);
  const [typed, setTyped] = useState<number | null>(null);
  const { name } = service;
  const on = chosen ?? service.servers;
  const number = typed ?? service.numberPerServer ?? 0;
  return (
    <fieldset class="inline" aria-label={`Edit ${group}/${name}`}>
      <ServerBoxes servers={servers} chosen={on} onChange={setChosen} />
      <PressButton
        title="Save servers"
        kind="primary"
        request={actionOf(
          { role, action: 'set_servers', group, service: name, servers: on },
          `Servers of ${group}/${name}`,
        )}
        onDone={() => setChosen(null)}
      />
      <NumberPerServer value={number} onChange={setTyped} />
      <PressButton
        title="Save number"
        kind="primary"
        request={actionOf(
          { role, action: 'set_number_per_server', group, service: name, number_per_server: number },
          `Number of ${group}/${name}`,
        )}
        onDone={() => setTyped(null)}
      />
    </fieldset>
  );
}
