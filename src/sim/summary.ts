import type { RunResult } from './runs.ts';

/** What many runs have in common to tell. */
export interface Summary {
  take(result: RunResult): { readonly failures: number };
  failures(): number;
  /** One line while it goes on. */
  progress(of: number, seconds: number): string;
  /** Some lines at the end. */
  inWords(seconds: number): string;
}

interface Slowest {
  readonly seed: number;
  readonly ms: number;
}

export function summaryOf(): Summary {
  const failed: { readonly seed: number; readonly invariant: string }[] = [];
  const allowed = new Map<string, number>();
  const leader: number[] = [];
  let runs = 0;
  let steps = 0;
  let nodeMs = 0;
  let most = 0;
  let faults = 0;
  let rest: Slowest | null = null;
  let slowLeader: Slowest | null = null;

  return {
    take(result) {
      runs += 1;
      steps += result.steps;
      nodeMs += result.nodeMs;
      most = Math.max(most, result.nodes);
      faults += result.plan.length;
      if (result.failure !== null) failed.push({ seed: result.seed, invariant: result.failure.invariant });
      rest = slower(rest, result.seed, result.restMs ?? -1);
      for (const ms of result.leaderMs) {
        leader.push(ms);
        slowLeader = slower(slowLeader, result.seed, ms);
      }
      for (const [reason, times] of Object.entries(result.allowed)) {
        allowed.set(reason, (allowed.get(reason) ?? 0) + times);
      }
      return { failures: failed.length };
    },
    failures: () => failed.length,
    progress(of, seconds) {
      const left = runs === 0 ? 0 : (seconds / runs) * (of - runs);
      return `${runs} of ${of} seeds, ${failed.length} failed, ${clock(seconds)} gone, about ${clock(left)} to go`;
    },
    inWords(seconds) {
      const sorted = leader.sort((a, b) => a - b);
      const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
      const lines = [
        `${runs} seeds, clusters of up to ${most} nodes, ${faults} faults, ${steps} steps, ${Math.round(nodeMs / 3_600_000)} node-hours in ${clock(seconds)}`,
        `a leader after healing: median ${at(0.5)} ms, 99 % ${at(0.99)} ms, slowest ${told(slowLeader)}; at rest: slowest ${told(rest)} (virtual)`,
        ...[...allowed].map(
          ([reason, times]) => `two leaders of one epoch as the specification allows, ${reason}: ${times}`,
        ),
        failed.length === 0
          ? 'every promise held'
          : `FAILED: ${failed.length} seeds: ${failed
              .slice(0, 20)
              .map(({ seed, invariant }) => `${seed} (${invariant})`)
              .join(', ')}`,
      ];
      return lines.join('\n');
    },
  };
}

const slower = (known: Slowest | null, seed: number, ms: number): Slowest | null =>
  ms > (known?.ms ?? -1) ? { seed, ms } : known;

const told = (slowest: Slowest | null): string => (slowest === null ? '-' : `${slowest.ms} ms (seed ${slowest.seed})`);

function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
