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
      if (!run.ok) {
        setError('scheduler_load', run.message);
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

  const loadMetadata = (): void => {
    const read = readMetadata(join(configDir, 'runtime'), goodRuntime);
    machine = readMetadata(join(configDir, 'machine'), goodMachine);
    setError('runtime', problemsOf(read));
    setError('machine', problemsOf(machine));
    const moved = JSON.stringify(read.data) !== JSON.stringify(runtime.data);
    runtime = read;
    if (moved) options.onChange('runtime');
  };

  loadMetadata();
  void loadSources();
  const stopWatching = watchFolders(
    ['scheduler', 'runtime', 'machine', 'templates'].map((part) => join(configDir, part)),
    () => {
      if (stopped) return;
      void loadSources();
      loadMetadata();
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
