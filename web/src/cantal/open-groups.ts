/** So many are open at once without being asked; of more only `system`, as the first page of a large host. */
const fewEnough = 30;

/** What was asked; while somebody searches all; else all where they are few, or `system`. */
export function openOf(
  groups: readonly string[],
  names: number,
  opened: string | null,
  filter: string,
): ReadonlySet<string> {
  if (opened !== null) return new Set(opened.split(',').filter((group) => groups.includes(group)));
  if (filter !== '' || names <= fewEnough) return new Set(groups);
  return new Set(groups.filter((group) => group === 'system'));
}
