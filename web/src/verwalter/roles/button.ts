import { isRecord, type Shape, shapeOf } from './shape.ts';

/** One of a schedule's `global_actions`, `daemon_actions`, `version_buttons` or a migration's `buttons`. */
export interface Button {
  readonly id: string;
  readonly title: string;
  readonly kind: ButtonKind;
  /** Asked before; null: it is pressed at once. */
  readonly confirm: string | null;
  readonly icon: string | null;
  readonly description: string | null;
  /** Sent with the press as it is. */
  readonly data: unknown;
}

export type ButtonKind = 'default' | 'primary' | 'success' | 'warning' | 'danger';

const kinds: Readonly<Record<string, ButtonKind>> = {
  default: 'default',
  primary: 'primary',
  info: 'primary',
  success: 'success',
  warning: 'warning',
  danger: 'danger',
};

/** What has no id cannot be pressed, and is left out. */
export function readButtons(owner: Shape, key: string, odd: string[]): readonly Button[] {
  return owner.list(key).flatMap((item, index) => {
    const at = `${owner.path}.${key}[${index}]`;
    if (!isRecord(item)) {
      odd.push(`${at} is no object`);
      return [];
    }
    const shape = shapeOf(item, at, odd);
    const id = shape.text('id');
    if (id === null) {
      odd.push(`${at} has no id`);
      return [];
    }
    const kind = shape.text('kind');
    return [
      {
        id,
        title: shape.text('title') ?? id,
        // A kind that is not known is no reason to hide the button.
        kind: kind !== null && Object.hasOwn(kinds, kind) ? (kinds[kind] ?? 'default') : 'default',
        confirm: shape.text('confirm'),
        icon: shape.text('icon'),
        description: shape.text('description'),
        data: item.data,
      },
    ];
  });
}

/** `{version}` and the like in a title or a question, by what is pressed; other braces stay. */
export const filled = (text: string, names: Readonly<Record<string, string>>): string =>
  text.replace(/\{(\w+)\}/g, (all, name: string) => (Object.hasOwn(names, name) ? (names[name] ?? all) : all));
