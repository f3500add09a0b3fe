import { Foldable } from '../../foldable.tsx';
import type { Group } from './api-kind.ts';
import { curlLine } from './curl-line.ts';

/** The same by script: a line for each thing that the buttons of a group do. */
export function ApiSamples({ role, group, newest }: { role: string; group: Group; newest: string | null }) {
  return (
    <Foldable summary="Show API">
      {() => <pre class="samples">{samplesOf(role, group, newest).join('\n\n')}</pre>}
    </Foldable>
  );
}

function samplesOf(role: string, { name: group, services, update }: Group, newest: string | null): readonly string[] {
  const service = services[0];
  const to_version = newest ?? 'VERSION';
  const buttons: readonly Readonly<Record<string, unknown>>[] = [
    update === null
      ? { role, action: 'start_update', group, to_version }
      : { role, action: 'update_action', group, update_action: 'proceed', step: update.step },
    { role, action: 'force_version', group, to_version },
    { role, action: 'set_servers', group, service: service?.name ?? 'PROCESS', servers: service?.servers ?? ['HOST'] },
    {
      ...{ role, action: 'set_number_per_server', group, service: service?.name ?? 'PROCESS' },
      number_per_server: service?.numberPerServer ?? 1,
    },
  ];
  return buttons.map((button) => curlLine(location.origin, button));
}
