export interface TextPart {
  readonly name: string;
  readonly text: string;
}

/**
 * Cuts a text at its header lines: `section` finds one and, in group 1, the name of the part that follows; the header
 * itself is dropped. A problem says which line is wrong; then nothing of the text is to be used.
 */
export const splitText = (
  text: string,
  section: RegExp,
  validate: RegExp,
): readonly TextPart[] | { readonly problem: string } => {
  const parts: { name: string; lines: string[] }[] = [];
  const seen = new Set<string>();
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const [index, line] of lines.entries()) {
    const at = `line ${index + 1}`;
    const name = section.exec(line)?.[1];
    if (name === undefined) {
      const part = parts.at(-1);
      if (part !== undefined) part.lines.push(line);
      else if (line.trim() !== '') return { problem: `${at}: a text before the first header` };
      continue;
    }
    // The name becomes part of a path: whatever the pattern lets through, it stays in its folder and is seen by ls.
    if (!validate.test(name) || name === '' || name.startsWith('.') || /[/\0]/.test(name)) {
      return { problem: `${at}: ${JSON.stringify(name)} is no name that validate lets through` };
    }
    if (seen.has(name)) return { problem: `${at}: ${name} is there twice` };
    seen.add(name);
    parts.push({ name, lines: [] });
  }
  return parts.map((part) => ({ name: part.name, text: part.lines.map((line) => `${line}\n`).join('') }));
};
