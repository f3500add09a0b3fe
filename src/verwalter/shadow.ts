import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from './canonical.ts';
import { diffSchedules, type Move } from './diff.ts';
import { runInput } from './round.ts';
import type { SchedulerRunner } from './scheduler/runner.ts';
import { readTree, type SchedulerSources } from './scheduler/sources.ts';

/** What a second scheduler would have decided; nothing of it is applied (spec/verwalter.md 3.7). */
export interface ShadowStatus {
  /** Of its tree; null where it cannot be read. */
  readonly hash: string | null;
  /** Since it was changed last. */
  readonly rounds: number;
  readonly differing: number;
  readonly failed: number;
  /** Rounds of the leader that it was still busy for. */
  readonly skipped: number;
  /** Of the last round: from the leader's schedule to its own. */
  readonly last: { readonly moves: readonly Move[] } | { readonly error: string } | null;
}

export interface Shadow {
  /** Null: there is none. */
  status(): ShadowStatus | null;
  /** Reads the folder again. */
  filesChanged(): void;
  /** After a round that gave this schedule. */
  roundEnded(input: JsonObject, schedule: { readonly hash: string; readonly data: JsonObject }): void;
}

export interface ShadowOptions {
  readonly configDir: string;
  readonly runner: Pick<SchedulerRunner, 'run'>;
  readonly strictScheduler: boolean;
  readonly strictSchedule: boolean;
}

const nothing = { rounds: 0, differing: 0, failed: 0, skipped: 0, last: null } as const;

export const openShadow = ({ configDir, runner, strictScheduler, strictSchedule }: ShadowOptions): Shadow => {
  const root = join(configDir, 'scheduler', 'v1-shadow');
  let sources: SchedulerSources | null = null;
  let status: ShadowStatus | null = null;
  let busy = false;

  const read = (): void => {
    if (!existsSync(root)) {
      sources = null;
      status = null;
      return;
    }
    try {
      const found = readTree(root);
      if (found.hash === sources?.hash) return;
      sources = found;
      status = { hash: found.hash, ...nothing };
    } catch (error) {
      sources = null;
      status = { hash: null, ...nothing, last: { error: (error as Error).message } };
    }
  };

  const run = async (own: SchedulerSources, input: JsonObject, schedule: { hash: string; data: JsonObject }) => {
    const { outcome } = await runInput({ runner, sources: own.files, input, strictScheduler, strictSchedule });
    // Changed meanwhile: this is no word about the new one.
    if (sources !== own || status === null) return;
    const differs = outcome.ok && outcome.hash !== schedule.hash;
    status = {
      ...status,
      rounds: status.rounds + 1,
      differing: status.differing + (differs ? 1 : 0),
      failed: status.failed + (outcome.ok ? 0 : 1),
      last: outcome.ok
        ? { moves: differs ? diffSchedules(schedule.data, outcome.data) : [] }
        : { error: outcome.error },
    };
  };

  read();
  return {
    status: () => status,
    filesChanged: read,
    roundEnded(input, schedule) {
      if (sources === null || status === null) return;
      if (busy) {
        status = { ...status, skipped: status.skipped + 1 };
        return;
      }
      busy = true;
      void run(sources, input, schedule).finally(() => {
        busy = false;
      });
    },
  };
};
