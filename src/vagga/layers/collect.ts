import type { Settings } from '../settings.ts';
import type { KeptLayer, LayerStore } from './store.ts';
import { discardLayers, layersInUse, listLayers, withStore } from './store.ts';

// Which layers are removed: the oldest by their last use, never one that a build uses or that a kept one stands on.

export interface CollectPolicy {
  /** Layers not used for so long go; null: age does not matter. */
  readonly unusedForMs: number | null;
  /** The least recently used go until the others have at most so many bytes; null: size does not matter. */
  readonly mostBytes: number | null;
}

/** Where nobody has said otherwise. Roots do not need their layers: what is removed costs time once, nothing else. */
const automatic: CollectPolicy = {
  unusedForMs: 30 * 24 * 3_600_000,
  mostBytes: 20 * 1000 ** 3,
};

/** What is removed after each build, whatever it was. */
export function collectPolicy(settings: Pick<Settings, 'layersMaxAge' | 'layersMaxSize'>): CollectPolicy {
  const { layersMaxAge, layersMaxSize } = settings;
  return {
    unusedForMs: layersMaxAge ?? automatic.unusedForMs,
    mostBytes: layersMaxSize ?? automatic.mostBytes,
  };
}

export const everyLayer: CollectPolicy = { unusedForMs: 0, mostBytes: null };

/** Depth of what stands on a layer that is gone. */
const broken = Number.MAX_SAFE_INTEGER;

/** Names of layers to remove. */
export function layersToRemove(
  layers: readonly KeptLayer[],
  inUse: ReadonlySet<string>,
  policy: CollectPolicy,
  nowMs: number,
): readonly string[] {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  // A layer was used when one was that stands on it; without what is below it, it is of no use.
  const lastUse = new Map<string, number>();
  const depth = new Map<string, number>();
  for (const layer of layers) {
    const usedAt = inUse.has(layer.name) ? Number.POSITIVE_INFINITY : layer.lastUseMs;
    const seen: string[] = [];
    let at: KeptLayer | undefined = layer;
    for (; at !== undefined && !seen.includes(at.name); at = at.below === null ? undefined : byName.get(at.below)) {
      seen.push(at.name);
      lastUse.set(at.name, Math.max(lastUse.get(at.name) ?? 0, usedAt));
    }
    const whole = byName.get(seen.at(-1) ?? '')?.below === null;
    depth.set(layer.name, whole ? seen.length : broken);
  }
  const usedAt = (layer: KeptLayer): number => lastUse.get(layer.name) ?? 0;
  const deep = (layer: KeptLayer): number => depth.get(layer.name) ?? 0;
  // Of those used at the same time the one that stands on the other goes first.
  const oldestFirst = [...layers].sort((a, b) => usedAt(a) - usedAt(b) || deep(b) - deep(a));

  const removed = new Set<string>();
  let bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  for (const layer of oldestFirst) {
    if (usedAt(layer) === Number.POSITIVE_INFINITY) continue;
    const useless = deep(layer) === broken;
    const old = policy.unusedForMs !== null && nowMs - usedAt(layer) >= policy.unusedForMs;
    const tooMuch = policy.mostBytes !== null && bytes > policy.mostBytes;
    if (!useless && !old && !tooMuch) continue;
    removed.add(layer.name);
    bytes -= layer.bytes;
  }
  return [...removed];
}

export interface Collected {
  readonly layers: readonly KeptLayer[];
  /** Folders to be removed: of no layer any more. */
  readonly trash: readonly string[];
}

/** Takes layers away from whoever looks for them. `dryRun`: only says which. */
export function collectLayers(
  store: LayerStore,
  policy: CollectPolicy,
  nowMs: number,
  dryRun: boolean,
): Promise<Collected> {
  return withStore(store, () => {
    const inUse = layersInUse(store);
    const { layers, broken } = listLayers(store);
    const names = layersToRemove(layers, inUse, policy, nowMs);
    const chosen = layers.filter(({ name }) => names.includes(name));
    return { layers: chosen, trash: dryRun ? [] : discardLayers(store, [...names, ...broken]) };
  });
}
