import type { BuildRequest } from '../build/build.ts';
import { mapText } from '../run/id-map.ts';
import { removeAsNamespaceRoot } from '../run/namespace-root.ts';
import { maximumIdMaps } from '../run/own-id-maps.ts';
import { ownCache } from '../store/cache-folder.ts';
import type { Store } from '../store/layout.ts';
import type { Field } from '../version/field.ts';
import { type CollectPolicy, collectLayers } from './collect.ts';
import { type LayerPlan, rootLayersOf } from './plan.ts';
import { forgetKeys, layerStore } from './store.ts';

// What the process that starts builds has to do with layers.

export interface LayerRequest {
  /** What goes into the version, file by file. */
  readonly fields: readonly Field[];
  /** What is removed after a build. */
  readonly collect: CollectPolicy;
}

export function layerPlan({ store, container, maps, force }: BuildRequest, { fields }: LayerRequest): LayerPlan {
  return {
    cache: ownCache(store.cache),
    fields,
    force,
    world: {
      uidMap: mapText(maps.uidMap),
      gidMap: mapText(maps.gidMap),
      resolvConf: container.resolvConfPath,
      hostsFile: container.hostsFilePath,
      architecture: process.arch,
    },
  };
}

/** After a build: what nobody has used for long, and what is too much. */
export async function collectUnused(
  store: Store,
  policy: CollectPolicy,
  tell: (message: string) => void,
): Promise<void> {
  const { trash } = await collectLayers(layerStore(ownCache(store.cache)), policy, Date.now(), false);
  // Other containers may have other ids.
  const maps = maximumIdMaps();
  const problem = 'problem' in maps ? maps.problem : await removeAsNamespaceRoot(maps.value, trash);
  if (problem !== null) tell(`WARNING: ${problem}`);
}

/** What the build in the folder has made is not found any more: it was not made of what its keys say. */
export async function forgetLayers(store: Store, built: string): Promise<void> {
  const layers = rootLayersOf(built);
  if (layers !== null) await forgetKeys(layerStore(ownCache(store.cache)), layers.made);
}
