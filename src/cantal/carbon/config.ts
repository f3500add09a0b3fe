import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';
import { optional, type RecordOf, record, required } from '../../config/record.ts';
import { boolean, integer, matching } from '../../config/schema.ts';

/** A `NAME.carbon.yaml`: one receiver (spec cantal 8). */
export const sinkSchema = record('carbon config', {
  host: required(matching(/^[\w.:-]+$/, 'a host name or an IP address')),
  port: optional(integer({ min: 1, max: 65_535 }, 'a port'), 2003),
  /** Seconds: period, and window of rates. */
  interval: optional(integer({ min: 1, max: 86_400 }, 'seconds'), 10),
  'enable-cgroup-stats': optional(boolean, false),
  'enable-application-metrics': optional(boolean, false),
  // Ours: what the kernel's cgroup controllers say, beside the sums over processes.
  'enable-controller-metrics': optional(boolean, false),
  // Ours: dots of the host name become `_`, so that it is one level of the tree.
  'flat-hostname': optional(boolean, false),
});

export type SinkConfig = RecordOf<(typeof sinkSchema)['fields']>;

export interface Sinks {
  /** File name without its suffix → what is in it. */
  readonly sinks: ReadonlyMap<string, SinkConfig>;
  /** A line for each file that is not used, and why. */
  readonly warnings: readonly string[];
}

const suffix = '.carbon.yaml';

/** Reads a folder of sinks. What is wrong in one file leaves the others alone; a folder that is not there has none. */
export function loadSinks(folder: string): Sinks {
  let names: readonly string[];
  try {
    names = readdirSync(folder).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { sinks: new Map(), warnings: code === 'ENOENT' ? [] : [`${folder} cannot be read (${code})`] };
  }
  const sinks = new Map<string, SinkConfig>();
  const warnings: string[] = [];
  for (const name of names) {
    const file = join(folder, name);
    if (!name.endsWith(suffix)) {
      warnings.push(`${file}: not used: the name of a carbon config ends in ${suffix}`);
      continue;
    }
    const loaded = loadConfig(file, sinkSchema);
    if (loaded.kind === 'loaded') sinks.set(name.slice(0, -suffix.length), loaded.value);
    else warnings.push(...loaded.problems.map((problem) => `not used: ${formatProblem(problem)}`));
  }
  return { sinks, warnings };
}
