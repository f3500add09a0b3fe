import { join } from 'node:path';
import type { ContainerSpec, Filling, JoinedNamespaces, Mount } from '../../native/container.ts';
import { packageRoot } from '../../native/load.ts';
import { mapWithin } from '../run/id-map.ts';
import type { IdMaps } from '../run/own-id-maps.ts';
import type { Guest } from './guests.ts';

/** The namespaces of a test network, as descriptors. */
export interface TestSpaces {
  /** Of the user namespace that owns all of it. */
  readonly maps: IdMaps;
  readonly user: number;
  readonly bridge: number;
  readonly guests: ReadonlyMap<string, { readonly net: number; readonly uts: number }>;
}

const folder = '/tmp/vagga';
/** Where a !BridgeCommand finds `vagga`. */
export const programFolder = `${folder}/bin`;
const program = (): string => join(packageRoot(), 'build', 'knot', 'network', 'vagga');

/** A child that is a node, or (without being one) is in the network of the bridge, in a user namespace of its own. */
export function placeChild(
  spec: ContainerSpec,
  spaces: TestSpaces,
  name: string,
): ContainerSpec | { readonly problem: string } {
  const uidMap = mapWithin(spaces.maps.uidMap, spec.uidMap);
  const gidMap = mapWithin(spaces.maps.gidMap, spec.gidMap);
  if (uidMap === null || gidMap === null) return { problem: 'the user namespace of the network lacks ids of it' };
  const guest = spaces.guests.get(name);
  const join: JoinedNamespaces = { user: spaces.user, ...(guest ?? { net: spaces.bridge }) };
  return { ...spec, uidMap, gidMap, join };
}

/**
 * A !BridgeCommand: root of the user namespace that owns all nodes, so that it may enter them; their namespaces are files
 * below /tmp/vagga/namespaces.
 */
export function placeBridgeCommand(spec: ContainerSpec, spaces: TestSpaces, guests: readonly Guest[]): ContainerSpec {
  return {
    ...spec,
    uidMap: [],
    gidMap: [],
    namespaces: { ...spec.namespaces, user: false },
    join: { user: spaces.user, net: spaces.bridge },
    mounts: [...spec.mounts, ...bridgeMounts(spaces, guests)],
  };
}

function bridgeMounts(spaces: TestSpaces, guests: readonly Guest[]): readonly (Mount | Filling)[] {
  const bound = (source: string, target: string, mode: number): readonly (Mount | Filling)[] => [
    { kind: 'file', target, mode },
    { kind: 'bind', source, target, readonly: false, exec: true },
  ];
  const made = (target: string): Filling => ({ kind: 'folder', target, mode: 0o755 });
  const files = guests.flatMap(({ name, ip }) => {
    const guest = spaces.guests.get(name);
    if (guest === undefined) return [];
    // The child has the starter's descriptors until it executes the program.
    return (['net', 'uts'] as const).flatMap((kind) =>
      bound(`/proc/self/fd/${guest[kind]}`, `${folder}/namespaces/${kind}.${ip}`, 0o444),
    );
  });
  return [
    ...[folder, programFolder, `${folder}/namespaces`].map(made),
    ...bound(program(), `${programFolder}/vagga`, 0o755),
    ...files,
  ];
}
