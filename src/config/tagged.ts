import { isMap } from 'yaml';
import { type Invalid, invalid, type Schema, type ValueOf } from './schema.ts';
import { suggestion } from './suggest.ts';

type Variants = Readonly<Record<string, Schema<unknown>>>;

export type TaggedOf<V extends Variants> = {
  readonly [Tag in keyof V & string]: { readonly tag: Tag; readonly value: ValueOf<V[Tag]> };
}[keyof V & string];

/** Of more, only the one that was probably meant. */
const mostNamesTold = 12;

/** A value whose YAML tag (`!Tmpfs { size: 10Mi }`) says which of the variants it is. Names are without the `!`. */
export function tagged<const V extends Variants>(variants: V): Schema<TaggedOf<V>> {
  const names = Object.keys(variants).map((name) => `!${name}`);
  const expected = `one of ${names.join(', ')}`;
  return {
    expected,
    shape: { kind: 'tagged', variants },
    read(reading, given, key): TaggedOf<V> | Invalid {
      const node = reading.resolve(given, key);
      if (node === invalid) return invalid;
      const tag = reading.tagOf(node);
      if (node === null || tag === null) return reading.refuse(node, key, `no tag; expected ${expected}`);
      const name = tag.slice(1);
      const variant = Object.hasOwn(variants, name) ? variants[name] : undefined;
      if (variant === undefined) {
        const near = suggestion(tag, names);
        const told = near !== '' && names.length > mostNamesTold ? '' : `; expected ${expected}`;
        return reading.refuse(node, key, `tag ${tag}${told}${near}`);
      }
      const value = reading.withoutTag(node, () => variant.read(reading, node, key));
      return value === invalid ? invalid : ({ tag: name, value } as TaggedOf<V>);
    },
  };
}

/** A mapping in full, or one scalar that stands for it. */
export function shorthand<T>(scalarForm: Schema<T>, fullForm: Schema<T>): Schema<T> {
  const expected = `${fullForm.expected}, or ${scalarForm.expected}`;
  return {
    expected,
    shape: { kind: 'either', of: [fullForm, scalarForm] },
    read(reading, given, key) {
      const node = reading.resolve(given, key);
      if (node === invalid) return invalid;
      const full = isMap(node) || reading.isNothing(node);
      return (full ? fullForm : scalarForm).read(reading, node, key);
    },
  };
}

/** Only nothing: for a tag that says all by itself. */
export const bare: Schema<null> = {
  expected: 'nothing',
  takesNothing: true,
  shape: { kind: 'nothing' },
  read: (reading, node, key) =>
    reading.isNothing(node) ? null : reading.refuse(node, key, 'a value; expected the tag alone'),
};
