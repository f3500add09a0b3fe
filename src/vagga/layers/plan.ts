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

/** The layer that the root in the folder of a build shows; null: it was not built of layers. */
export function topOf(built: string | undefined): string | null {
  const file = built === undefined ? '' : join(built, rootLayersFile);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RootLayers).top : null;
}
