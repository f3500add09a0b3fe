/** Names of control groups as a person reads them (systemd.unit(5), "String escaping for inclusion in unit names"). */

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** `foo\x2dbar` is `foo-bar`. What is no text, or would not be seen, stays as it is. */
export function decodeUnit(name: string): string {
  return name.replace(/(?:\\x[0-9a-f]{2})+/g, (escapes) => {
    const bytes = Uint8Array.from(escapes.slice(2).split('\\x'), (hex) => Number.parseInt(hex, 16));
    try {
      const text = utf8.decode(bytes);
      return /[\p{C}\p{Z}]/u.test(text) ? escapes : text;
    } catch {
      return escapes;
    }
  });
}

/** Of ids of containers the 12 digits that their runtimes show. */
const shortIds = (name: string): string => name.replace(/(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])/g, '$1…');

/** The whole one belongs into the title. */
export const shownName = (name: string): string => shortIds(decodeUnit(name));
