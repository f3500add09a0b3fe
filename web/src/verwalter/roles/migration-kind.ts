import { type Button, readButtons } from './button.ts';
import { roleShape } from './role-facts.ts';

/** Of the kind `migration`: from one version to another, with a progress (spec verwalter 3.3). */
export interface MigrationFacts {
  readonly original: string | null;
  readonly target: string | null;
  /** 0 … 1; null: not told. */
  readonly progress: number | null;
  readonly mode: 'forward' | 'backward' | 'paused' | null;
  readonly statusTitle: string | null;
  /** ms */
  readonly startTime: number | null;
  readonly timestamp: number | null;
  readonly buttons: readonly Button[];
}

const modes = ['forward', 'backward', 'paused'] as const;

/** Null: no migration is under way. */
export function readMigration(data: unknown, name: string, odd: string[]): MigrationFacts | null {
  const frontend = roleShape(data, name, odd).at('frontend');
  if (!frontend.has('migration')) return null;
  const migration = frontend.at('migration');
  if (Object.keys(migration.record).length === 0) return null;
  const mode = migration.text('mode');
  const known = modes.find((each) => each === mode) ?? null;
  if (mode !== null && known === null)
    odd.push(`${migration.path}.mode is ${JSON.stringify(mode)}, not ${modes.join(', ')}`);
  const progress = migration.number('progress');
  return {
    original: migration.text('original'),
    target: migration.text('target'),
    progress: progress === null ? null : shareOf(progress),
    mode: known,
    statusTitle: migration.text('status_title'),
    startTime: migration.number('start_time'),
    timestamp: migration.number('timestamp'),
    buttons: readButtons(migration, 'buttons', odd),
  };
}

/** What is above 1 is percent. */
const shareOf = (progress: number): number => Math.min(1, Math.max(0, progress > 1 ? progress / 100 : progress));
