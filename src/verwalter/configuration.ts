import { join } from 'node:path';
import { type GoodValues, type Metadata, readMetadata } from './metadata.ts';
import type { SchedulerRunner } from './scheduler/runner.ts';
import { readSources, type SchedulerSources } from './scheduler/sources.ts';
import { watchFolders } from './watch.ts';
import { problemText } from './yaml-text.ts';

/** What operators and build systems put into the configuration folder, as last read without fault. */
export interface Configuration {
  /** The scheduler that loads; null: none has yet. */
  sources(): SchedulerSources | null;
  runtime(): Metadata['data'];
  machine(): Metadata['data'];
  stop(): void;
}

export interface ConfigurationOptions {
  readonly configDir: string;
  readonly runner: Pick<SchedulerRunner, 'run'>;
  readonly strictScheduler: boolean;
  readonly setError: (kind: 'scheduler_load' | 'runtime' | 'machine', text: string | null) => void;
  /** Why a scheduler that loads may not take the place of the one that is live; null: it may. */
  readonly tryOut?: (next: SchedulerSources) => Promise<string | null>;
  readonly onChange: (what: 'scheduler' | 'runtime') => void;
  /** Something in the folder moved; templates included. Called after everything was read again. */
  readonly onFiles: () => void;
}

/** Reads at once, and again whenever a file has changed. A file with a mistake leaves what was read before. */
export const openConfiguration = (options: ConfigurationOptions): Configuration => {
  const { configDir, runner, setError } = options;
  let sources: SchedulerSources | null = null;
  let triedSources = '';
  let runtime: Metadata = { data: {}, problems: [] };
  let machine: Metadata = { data: {}, problems: [] };
  const goodRuntime: GoodValues = new Map();
  const goodMachine: GoodValues = new Map();
  let stopped = false;

  const loadSources = async (): Promise<void> => {
    try {
      const read = readSources(configDir);
      if (read.hash === triedSources) return;
      triedSources = read.hash;
      const run = await runner.run({ sources: read.files, seed: 0, strict: options.strictScheduler });
      if (stopped) return;
      const refusal = run.ok ? await refusalOf(read) : run.message;
      if (stopped || triedSources !== read.hash) return;
      if (refusal !== null) {
        setError('scheduler_load', refusal);
      } else {
        sources = read;
        setError('scheduler_load', null);
        options.onChange('scheduler');
      }
    } catch (error) {
      triedSources = '';
      setError('scheduler_load', (error as Error).message);
    }
  };

  /** A first scheduler is taken as it loads: there is none that could stay. */
  const refusalOf = async (next: SchedulerSources): Promise<string | null> =>
    sources === null || sources.hash === next.hash ? null : ((await options.tryOut?.(next)) ?? null);

  const loadMetadata = (): void => {
    const read = readMetadata(join(configDir, 'runtime'), goodRuntime);
    machine = readMetadata(join(configDir, 'machine'), goodMachine);
    setError('runtime', problemsOf(read));
    setError('machine', problemsOf(machine));
    const moved = JSON.stringify(read.data) !== JSON.stringify(runtime.data);
    runtime = read;
    if (!moved) return;
    options.onChange('runtime');
    // What was refused may do with the new metadata.
    if (sources !== null && triedSources !== sources.hash) triedSources = '';
  };

  loadMetadata();
  void loadSources();
  const stopWatching = watchFolders(
    ['scheduler', 'runtime', 'machine', 'templates'].map((part) => join(configDir, part)),
    () => {
      if (stopped) return;
      loadMetadata();
      void loadSources();
      options.onFiles();
    },
  );
  return {
    sources: () => sources,
    runtime: () => runtime.data,
    machine: () => machine.data,
    stop() {
      stopped = true;
      stopWatching();
    },
  };
};

const problemsOf = ({ problems }: Metadata): string | null =>
  problems.length === 0 ? null : problems.map(problemText).join('\n');
