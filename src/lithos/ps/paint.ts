export type Style = 'plain' | 'strong' | 'faint' | 'good' | 'warning' | 'bad';

/** Makes a text fit for a terminal, with its style where colour is wanted. */
export type Paint = (style: Style, text: string) => string;

/** Select Graphic Rendition, ECMA-48 8.3.117. */
const codes: Readonly<Record<Style, string>> = {
  plain: '',
  strong: '1',
  faint: '2',
  good: '32',
  warning: '33',
  bad: '31',
};

export function painter(coloured: boolean): Paint {
  return (style, text) => {
    const code = codes[style];
    const safe = printable(text);
    return coloured && code !== '' && safe !== '' ? `\x1b[${code}m${safe}\x1b[0m` : safe;
  };
}

/** Names come from command lines and sockets of anybody: nothing of them may steer the terminal of who looks. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');

export type ColorOption = 'auto' | 'never' | 'always';

/** NO_COLOR (no-color.org) counts where it is set and not empty; the option is the stronger one. */
export function wantsColor(option: ColorOption, noColor: string | undefined, isTerminal: boolean): boolean {
  switch (option) {
    case 'never':
      return false;
    case 'always':
      return true;
    case 'auto':
      return isTerminal && (noColor ?? '') === '';
    default:
      return option satisfies never;
  }
}
