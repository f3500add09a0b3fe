import type { Settings } from '../settings.ts';

/**
 * Settings for a vagga inside, as a text of VAGGA_SETTINGS: the home folder with its files is not there. External volumes
 * have other paths inside; what only a project's own file may set is read again from that; the name of the project's
 * part of storage-dir is settled.
 */
export function settingsText({
  sharedCache: _,
  storageSubdirFromEnvVar: __,
  externalVolumes,
  ...settings
}: Settings): string {
  const all = {
    ...settings,
    externalVolumes: new Map([...externalVolumes.keys()].map((name) => [name, `/volumes/${name}`] as const)),
  };
  const entries = Object.entries(all).filter(([, value]) => value !== null);
  return JSON.stringify(
    Object.fromEntries(
      entries.map(([key, value]) => [
        key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
        value instanceof Map ? Object.fromEntries(value) : value,
      ]),
    ),
  );
}
