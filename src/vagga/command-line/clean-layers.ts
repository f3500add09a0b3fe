import { InvalidArgumentError } from 'commander';
import { parseInteger } from '../../config/number-text.ts';
import { type CollectPolicy, collectLayers, everyLayer } from '../layers/collect.ts';
import { layerFiles, layerStore } from '../layers/store.ts';
import { Refusal } from '../refusal.ts';
import { removeAsNamespaceRoot } from '../run/namespace-root.ts';
import { maximumIdMaps } from '../run/own-id-maps.ts';
import { sizeText } from '../size-text.ts';
import { ownCache } from '../store/cache-folder.ts';
import type { BuiltInContext } from './built-ins.ts';

export interface LayerFlags {
  layers?: true;
  layersOver?: number;
  atLeast?: number;
  dryRun?: true;
}

/** What is wrong; null: all is well, and told. */
export async function cleanLayers(
  { place, print }: Pick<BuiltInContext, 'place' | 'print'>,
  flags: LayerFlags,
): Promise<string | null> {
  const dryRun = flags.dryRun ?? false;
  const store = layerStore(ownCache(place.store.cache));
  const { layers, trash } = await collectLayers(store, policyOf(flags), Date.now(), dryRun);
  if (dryRun) {
    for (const { name } of layers)
      print(`Would remove ${JSON.stringify(layerFiles(store, name).replace(/\/fs$/, ''))}\n`);
    return null;
  }
  const maps = maximumIdMaps();
  if ('problem' in maps) throw new Refusal('launcher', maps.problem);
  const problem = await removeAsNamespaceRoot(maps.value, trash);
  const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  if (layers.length > 0) place.tell(`Removed what ${layers.length} steps have made (${sizeText(bytes)})`);
  return problem;
}

function policyOf({ layersOver, atLeast }: LayerFlags): CollectPolicy {
  if (layersOver !== undefined) return { unusedForMs: atLeast ?? null, mostBytes: layersOver };
  return { ...everyLayer, unusedForMs: atLeast ?? 0 };
}

/** `500M`, `2Gi`: as sizes stand in vagga.yaml. */
export function bytesOfText(text: string): number {
  const bytes = parseInteger(text);
  if (bytes !== null && bytes >= 0n && bytes <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(bytes);
  throw new InvalidArgumentError('expected a size such as 500M or 2Gi.');
}
