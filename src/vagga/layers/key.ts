import { createHash } from 'node:crypto';
import type { Field } from '../version/field.ts';

// By what a layer is found again: docs/vagga-layers.md, "When a step is not run again".

/** What holds for all layers of a build: whoever differs in it shares none. */
export interface LayerWorld {
  /** As /proc/PID/uid_map: files belong to ids of the host. */
  readonly uidMap: string;
  readonly gidMap: string;
  /** While a root is built it has the host's name service at these paths. */
  readonly resolvConf: string | null;
  readonly hostsFile: string | null;
  readonly architecture: string;
}

/** Raised where layers of an earlier vagga must not be taken for those of this one. */
const format = 1;

/**
 * `below`: the layer that the step stands on, by the name of this very layer: what stands on one that was built anew is
 * built anew. `steps`: fields of the step, and of those before it that have no layer of their own.
 */
export function layerKey(
  world: LayerWorld,
  below: string | null,
  steps: readonly (readonly Field[])[],
  content: readonly string[],
): string {
  const hashed = JSON.stringify([format, entries(world), below, steps.map((fields) => fields.map(ofField)), content]);
  return createHash('sha256').update(hashed).digest('hex');
}

/** Key of what the end of a build makes of its root. */
export function finishKey(world: LayerWorld, below: string | null, atEnd: unknown): string {
  const hashed = JSON.stringify([format, 'finish', entries(world), below, atEnd]);
  return createHash('sha256').update(hashed).digest('hex');
}

/** Those of one step, and of all that it brings. */
export function fieldsOfStep(fields: readonly Field[], index: number): readonly Field[] {
  const own = String(index);
  return fields.filter(({ at }) => at.step === own || at.step.startsWith(`${own}.`));
}

/** In an order of its own: what is written down twice in two orders is the same. */
const entries = (world: LayerWorld): readonly unknown[] => [
  world.uidMap,
  world.gidMap,
  world.resolvConf,
  world.hostsFile,
  world.architecture,
];

/** What was hashed of it: not where it stands, which another setup has elsewhere. */
function ofField(field: Field): readonly unknown[] {
  const { command } = field.at;
  switch (field.kind) {
    case 'command':
      return ['command', command];
    case 'value':
      return ['value', command, field.key, field.value];
    case 'list':
      return ['list', command, field.key, field.values];
    case 'content':
      return ['content', command, field.name, field.size, field.digest];
    case 'file': {
      const attributes = Object.entries(field.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
      return ['file', command, field.name, attributes, field.size, field.digest];
    }
    case 'files':
      throw new Error('a layer needs the digest of each file');
    default:
      return field satisfies never;
  }
}
