import { type ContainerSpec, containerAddon, isFailure, type JoinedNamespaces } from '../../native/container.ts';
import { mapWithin } from './id-map.ts';
import { type IdMaps, maximumIdMaps } from './own-id-maps.ts';

/** A network that several commands are in, with the user namespace that owns it. */
export interface SharedNetwork {
  /** Of that user namespace: every id that the user has. */
  readonly maps: IdMaps;
  readonly join: JoinedNamespaces;
}

/** With lo, which is up, and nothing else; it ends with the last process in it, once it is closed. */
export function makeIsolatedNetwork(): SharedNetwork | { readonly problem: string } {
  const maps = maximumIdMaps();
  if ('problem' in maps) return maps;
  const made = containerAddon().makeNamespaces({
    namespaces: { user: true, mount: false, pid: false, ipc: false, uts: false, cgroup: false, net: true },
    ...maps.value,
  });
  return isFailure(made) ? { problem: made.message } : { maps: maps.value, join: made };
}

export function closeNetwork({ join }: SharedNetwork): void {
  for (const fd of [join.user, join.net, join.uts]) if (fd !== undefined) containerAddon().closeFd(fd);
}

/** The same command in that network: its user namespace becomes one within the network's. */
export function inNetwork(spec: ContainerSpec, { maps, join }: SharedNetwork): ContainerSpec | { problem: string } {
  const uidMap = mapWithin(maps.uidMap, spec.uidMap);
  const gidMap = mapWithin(maps.gidMap, spec.gidMap);
  if (uidMap === null || gidMap === null) return { problem: 'the user namespace of the network lacks ids of it' };
  return { ...spec, uidMap, gidMap, join, namespaces: { ...spec.namespaces, net: false } };
}
