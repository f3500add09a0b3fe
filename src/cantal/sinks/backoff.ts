const firstRetryMs = 50;
export const longestRetryMs = 30_000;

/** 50 to 150 ms after the first failure, doubled with each further one up to 30 s (spec cantal 8). */
export function retryDelayMs(failures: number, random: number): number {
  const mean = 2 * firstRetryMs * 2 ** Math.min(failures, 20);
  return Math.min(longestRetryMs, mean * (0.5 + random));
}
