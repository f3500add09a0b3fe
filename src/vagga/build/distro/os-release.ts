/** Fields of an os-release file (os-release(5)); what is no assignment is skipped. */
export function osRelease(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, raw = ''] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) fields.set(key, unquoted(raw));
  }
  return fields;
}

function unquoted(raw: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(raw)?.[1];
  if (quoted !== undefined) return quoted.replace(/\\([$"\\`])/g, '$1');
  return /^'([^']*)'$/.exec(raw)?.[1] ?? raw;
}
