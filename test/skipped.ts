/** For skipIf(): true where `possible` is not, and then the reason is printed, so that no run passes for a whole one. */
export function skipped(possible: boolean, what: string, reason: string): boolean {
  if (!possible) process.stdout.write(`SKIPPED ${what}: ${reason}\n`);
  return !possible;
}
