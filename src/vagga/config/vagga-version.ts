/** The original's version whose vagga.yaml and command line this one takes. */
export const compatibleVersion = '0.8.2';

/** Whether `have` is `wanted` or later: numbers by value, words by letters, a leading `v` is ignored (vagga 2.2). */
export function isAtLeast(have: string, wanted: string): boolean {
  const [a, b] = [parts(have), parts(wanted)];
  for (let index = 0; index < b.length; index++) {
    const [mine, theirs] = [a[index] ?? 0, b[index] ?? 0];
    if (mine === theirs) continue;
    // 1.0-rc is before 1.0, and so a word before a number.
    if (typeof mine !== typeof theirs) return typeof mine === 'number';
    return mine > theirs;
  }
  // 1.0-rc does not reach 1.0.
  return typeof a[b.length] !== 'string';
}

function parts(version: string): readonly (number | string)[] {
  const found = version.replace(/^v/, '').match(/\d+|[A-Za-z]+/g) ?? [];
  return found.map((part) => (/^\d/.test(part) ? Number(part) : part));
}
