import { posix } from 'node:path';
import { failed, type Stop } from './outcome.ts';
import { readProjectFile } from './project-file.ts';

export interface RequirementLine {
  readonly line: string;
  /** Where it stands. */
  readonly file: string;
}

/**
 * The lines of a requirements.txt that count, those of the files it names by -r and -c in their place; or what is wrong
 * with it: it is absent, or names itself.
 */
export function requirementLines(
  root: string,
  file: string,
  within: readonly string[] = [],
): readonly RequirementLine[] | Stop {
  const name = posix.normalize(file);
  if (within.includes(name)) return failed(`requirements go round in a circle: ${[...within, name].join(' -> ')}`);
  const read = readProjectFile(root, name);
  const from = within.length === 0 ? '' : ` (named in ${within.at(-1)})`;
  if (read.kind === 'absent') return failed(`${name} does not exist${from}`);
  if (read.kind === 'unreadable') return failed(`${read.message}${from}`);
  const lines: RequirementLine[] = [];
  for (const line of read.bytes
    .toString('utf8')
    .split('\n')
    .map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const other = fileNamedBy(line);
    if (other === null) {
      lines.push({ line, file: name });
      continue;
    }
    const inner = requirementLines(root, posix.join(posix.dirname(name), other), [...within, name]);
    if ('kind' in inner) return inner;
    lines.push(...inner);
  }
  return lines;
}

/** pip's -r and -c, with a file: those of another host are only named. */
function fileNamedBy(line: string): string | null {
  const match = /^(?:-[rc]\s*|--(?:requirement|constraint)(?:\s+|\s*=\s*))(\S.*?)(?:\s+#.*)?$/.exec(line);
  const file = match?.[1];
  return file === undefined || /^[a-z+]+:\/\//i.test(file) ? null : file;
}
