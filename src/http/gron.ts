/**
 * JSON as assignments, one a line, so that grep finds whole paths (the format of the program gron):
 *
 *     json = {};
 *     json.peers = [];
 *     json.peers[0] = "10.0.0.1:22682";
 *
 * Takes what JSON.parse gives. The lines are a program in JavaScript that makes the same value.
 */
export function gron(value: unknown): string {
  const lines: string[] = [];
  // A list of what is still to do instead of recursion: depth comes from outside.
  const left: (readonly [path: string, value: unknown])[] = [['json', value]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [path, each] = next;
    if (typeof each !== 'object' || each === null) {
      lines.push(`${path} = ${JSON.stringify(each)};\n`);
      continue;
    }
    const isList = Array.isArray(each);
    lines.push(`${path} = ${isList ? '[]' : '{}'};\n`);
    const inner = Object.entries(each).map(
      ([key, content]) => [isList ? `${path}[${key}]` : path + member(key), content] as const,
    );
    for (let at = inner.length - 1; at >= 0; at--) left.push(inner[at]!);
  }
  return lines.join('');
}

const member = (key: string): string => (/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
