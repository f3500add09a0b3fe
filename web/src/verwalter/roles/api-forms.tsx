import { useState } from 'preact/hooks';
import type { ApiFacts, Group } from './api-kind.ts';
import { actionOf, PressButton } from './press-button.tsx';
import { parseVariables } from './variables.ts';

export function CreateGroup({ role, api }: { role: string; api: ApiFacts }) {
  const [name, setName] = useState('');
  const [version, setVersion] = useState('');
  const chosen = version || (api.versions[0] ?? '');
  return (
    <form class="inline" onSubmit={(event) => event.preventDefault()} aria-label="New group">
      <label>
        New group{' '}
        <input type="text" value={name} placeholder="name" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <Choice label="version" options={api.versions} value={chosen} onChange={setVersion} />
      {name.trim() !== '' && (
        <PressButton
          title="Create group"
          kind="primary"
          request={actionOf(
            { role, action: 'create_group', group_name: name.trim(), version: chosen },
            `Create group ${name.trim()}`,
          )}
          onDone={() => setName('')}
        />
      )}
    </form>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly options: readonly string[];
  readonly value: string;
  readonly onChange: (chosen: string) => void;
}

export function Choice({ label, options, value, onChange }: ChoiceProps) {
  return (
    <label>
      {label}{' '}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

interface AddProps {
  readonly role: string;
  readonly group: Group;
  readonly api: ApiFacts;
  readonly servers: readonly string[];
}

/** A new process in a group. */
export function AddProcess({ role, group, api, servers }: AddProps) {
  const services = group.version === null ? null : api.servicesOf(group.version);
  const [name, setName] = useState('');
  const [typed, setTyped] = useState<string | null>(null);
  const [on, setOn] = useState<readonly string[]>([]);
  const [number, setNumber] = useState(1);
  const [variables, setVariables] = useState('');
  const service = typed ?? services?.[0] ?? '';
  const parsed = parseVariables(variables);
  return (
    <details class="add">
      <summary>New process</summary>
      <form class="inline" onSubmit={(event) => event.preventDefault()} aria-label={`New process in ${group.name}`}>
        <label>
          name <input type="text" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        {services === null ? (
          <label>
            service <input type="text" value={service} onInput={(event) => setTyped(event.currentTarget.value)} />
          </label>
        ) : (
          <Choice label="service" options={services} value={service} onChange={setTyped} />
        )}
        <NumberPerServer value={number} onChange={setNumber} />
        <label>
          variables{' '}
          <input
            type="text"
            value={variables}
            placeholder="NAME=value NAME=value"
            onInput={(event) => setVariables(event.currentTarget.value)}
          />
        </label>
        <ServerBoxes servers={servers} chosen={on} onChange={setOn} />
        {parsed === null && <p class="trouble">Variables are NAME=value, with spaces between.</p>}
        {name.trim() !== '' && service.trim() !== '' && parsed !== null && (
          <PressButton
            title="Add process"
            kind="primary"
            request={actionOf(
              {
                ...{ role, action: 'add_daemon', group: group.name, new_name: name.trim(), service: service.trim() },
                ...{ servers: on, number_per_server: number, variables: parsed },
              },
              `Add process ${group.name}/${name.trim()}`,
            )}
            onDone={() => {
              setName('');
              setVariables('');
            }}
          />
        )}
      </form>
    </details>
  );
}

export function NumberPerServer({ value, onChange }: { value: number; onChange: (value: number) => void }) {
  return (
    <label>
      on each server{' '}
      <input
        type="number"
        min={0}
        max={1000}
        step={1}
        value={value}
        onInput={(event) => {
          const next = event.currentTarget.valueAsNumber;
          if (Number.isInteger(next) && next >= 0) onChange(next);
        }}
      />
    </label>
  );
}

export function ServerBoxes({
  servers,
  chosen,
  onChange,
}: {
  servers: readonly string[];
  chosen: readonly string[];
  onChange: (chosen: readonly string[]) => void;
}) {
  // A server that is chosen and not known any more can be taken away, too.
  const all = [...new Set([...servers, ...chosen])].sort();
  return (
    <fieldset class="server-boxes">
      <legend>servers</legend>
      {all.map((server) => (
        <label key={server}>
          <input
            type="checkbox"
            checked={chosen.includes(server)}
            onChange={(event) =>
              onChange(
                event.currentTarget.checked ? [...chosen, server].sort() : chosen.filter((each) => each !== server),
              )
            }
          />{' '}
          {server}
        </label>
      ))}
    </fieldset>
  );
}
