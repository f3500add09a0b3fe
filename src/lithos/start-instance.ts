import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cgroups } from './cgroups.ts';
import { openSecrets } from './config/secrets.ts';
import type { DesiredInstance } from './desired.ts';
import type { Listeners } from './listeners.ts';
import { prepareInstance } from './prepare.ts';
import { stateDirOf, writeInstance } from './state-dirs.ts';

/** Where an instance is made ready. */
export interface StartPlace {
  readonly stateDir: string;
  /** Null: without cgroups. */
  readonly cgroups: Cgroups | null;
  readonly listeners: Listeners;
  /** No start without the limits that were asked for. */
  readonly limitsRequired: boolean;
}

/**
 * Makes all that a knot needs, before each start: state dir, cgroup, plan, files and folders of the host, sockets,
 * secrets. `words` are added to the plan. A message says why the start has to wait.
 */
export function readyInstance(
  { stateDir, cgroups, listeners, limitsRequired }: StartPlace,
  instance: DesiredInstance,
  words: readonly string[] = [],
): { readonly plan: string; readonly fds: readonly number[] } | { readonly message: string } {
  const dir = stateDirOf(stateDir, instance.name);
  const secrets = join(dir, 'secrets');
  const sealed = instance.secrets === null ? [] : ['secrets-file', secrets];
  const { folders, missing } = cgroups?.create(instance.cgroupLeaf, instance.limits) ?? { folders: [], missing: [] };
  if (limitsRequired && cgroups !== null && missing.length > 0) {
    return { message: `limits do not hold: ${missing.join(', ')}; limits-required of master.yaml can let that be` };
  }
  const plan = writeInstance(dir, instance, folders, [...sealed, ...words]);
  const refused = prepareInstance(instance);
  if (refused !== null) return refused;
  const opened = listeners.open(instance.sockets);
  if ('message' in opened) return opened;
  if (instance.secrets !== null) {
    const unsealed = openSecrets(instance.secrets);
    if ('problems' in unsealed) {
      const texts = unsealed.problems.map(({ name, message }) => (name === null ? message : `${name}: ${message}`));
      return { message: `secrets: ${texts.join('; ')}` };
    }
    // The knot takes it away as soon as it has read it.
    rmSync(secrets, { force: true });
    const text = unsealed.opened.map(([name, value]) => `${name}=${value}`).join('\0');
    writeFileSync(secrets, text, { mode: 0o600, flag: 'wx' });
  }
  return { plan, fds: opened.fds };
}
