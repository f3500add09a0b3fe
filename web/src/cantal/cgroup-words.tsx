import type { Labels } from './answer.ts';
import { shownName } from './cgroup-name.ts';

/** What a control group is, beside its name: the agent tells containers by it. */
export interface Containment {
  readonly container: string | null;
  readonly runtime: string | null;
}

export const noContainment: Containment = { container: null, runtime: null };

export const containmentOf = ({ container, runtime }: Labels): Containment => ({
  container: container ?? null,
  runtime: runtime ?? null,
});

/** The name as a person reads it; the one that the agent knows is its title. */
export const CgroupName = ({ name }: { name: string }) => {
  const shown = shownName(name);
  return shown === name ? name : <span title={name}>{shown}</span>;
};

export function ContainerWords({ container, runtime }: Containment) {
  if (runtime === null && container === null) return null;
  return (
    <span class="container-words muted">
      {runtime ?? 'container'}
      {container !== null && <span class="mono"> {container}</span>}
    </span>
  );
}
