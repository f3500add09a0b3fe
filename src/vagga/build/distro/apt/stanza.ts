/** A paragraph of a control file (deb822(5)): names of fields in lower case → values, lines of one joined by \n. */
export type Stanza = ReadonlyMap<string, string>;

/** All paragraphs of a file; comments, and lines that are none of the format, are skipped. */
export function parseStanzas(text: string): readonly Stanza[] {
  const stanzas: Stanza[] = [];
  let fields = new Map<string, string>();
  let last: string | null = null;
  const close = (): void => {
    if (fields.size > 0) stanzas.push(fields);
    fields = new Map();
    last = null;
  };
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    if (line.trim() === '') close();
    else if (/^[ \t]/.test(line)) {
      if (last !== null) fields.set(last, `${fields.get(last) ?? ''}\n${line.trim()}`);
    } else {
      const colon = line.indexOf(':');
      if (colon <= 0) continue;
      last = line.slice(0, colon).trim().toLowerCase();
      fields.set(last, line.slice(colon + 1).trim());
    }
  }
  close();
  return stanzas;
}

/** Values of a list that white space parts. */
export const words = (value: string | undefined): readonly string[] =>
  (value ?? '').split(/\s+/).filter((word) => word !== '');
