/** "A=1 B=x" → {A: "1", B: "x"}; null: it is something else. */
export function parseVariables(text: string): Readonly<Record<string, string>> | null {
  const pairs = text
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => /^([A-Za-z_]\w*)=(.*)$/.exec(word));
  if (pairs.some((pair) => pair === null)) return null;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
}
