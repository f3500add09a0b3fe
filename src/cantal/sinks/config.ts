import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';
import { type CarbonConfig, carbonSchema } from './carbon/config.ts';
import { type OtlpConfig, otlpSchema } from './otlp/config.ts';
import { type RemoteWriteConfig, remoteWriteSchema } from './remote-write/config.ts';

/** One receiver, by the end of its file's name. */
export type SinkConfig =
  | ({ readonly kind: 'carbon' } & CarbonConfig)
  | ({ readonly kind: 'remote-write' } & RemoteWriteConfig)
  | ({ readonly kind: 'otlp' } & OtlpConfig);

export interface SinkFiles {
  /** File name without `.yaml`, as `main.carbon` → what is in it. */
  readonly sinks: ReadonlyMap<string, SinkConfig>;
  /** A line for each file that is not used, and why. */
  readonly warnings: readonly string[];
  /** One of them is meant to be a receiver, or the folder cannot be read. */
  readonly broken: boolean;
}

const schemas = { carbon: carbonSchema, 'remote-write': remoteWriteSchema, otlp: otlpSchema } as const;
const names = Object.keys(schemas) as readonly SinkConfig['kind'][];
const suffixes = names.map((kind) => `.${kind}.yaml`);

/** Reads a folder of receivers. What is wrong in one file leaves the others alone; a folder that is not there has none. */
export function loadSinks(folder: string): SinkFiles {
  let files: readonly string[];
  try {
    files = readdirSync(folder).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return {
      sinks: new Map(),
      warnings: code === 'ENOENT' ? [] : [`${folder} cannot be read (${code})`],
      broken: code !== 'ENOENT',
    };
  }
  const sinks = new Map<string, SinkConfig>();
  const warnings: string[] = [];
  let broken = false;
  for (const name of files) {
    const file = join(folder, name);
    const kind = names.find((each) => name.endsWith(`.${each}.yaml`));
    if (kind === undefined) {
      warnings.push(`${file}: not used: the name of a receiver ends in ${suffixes.join(', ')}`);
      continue;
    }
    const loaded = loadConfig<object>(file, schemas[kind]);
    if (loaded.kind === 'loaded') {
      sinks.set(name.slice(0, -'.yaml'.length), { kind, ...loaded.value } as SinkConfig);
      continue;
    }
    broken = true;
    warnings.push(...loaded.problems.map((problem) => `not used: ${formatProblem(problem)}`));
  }
  return { sinks, warnings, broken };
}
