import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Field } from '../version/field.ts';
import type { LayerWorld } from './key.ts';

/** What a builder needs to find and keep layers. */
export interface LayerPlan {
  /** Where they are: the build cache. */
  readonly cache: string;
  readonly world: LayerWorld;
  /** What goes into the version, file by file. */
  readonly fields: readonly Field[];
  /** Takes none that is there; those that it makes are found instead of them. */
  readonly force: boolean;
}

/** Beside a root that was built of layers. */
export interface RootLayers {
  /** The layer that it shows. */
  readonly top: string;
  /** Keys of those that its build has made. */
  readonly made: readonly string[];
}

export const rootLayersFile = 'layers.json';

/** Of the root in the folder of a build; null: it was not built of layers. */
export function rootLayersOf(built: string): RootLayers | null {
  const file = join(built, rootLayersFile);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RootLayers) : null;
}

export const topOf = (built: string | undefined): string | null =>
  built === undefined ? null : (rootLayersOf(built)?.top ?? null);
