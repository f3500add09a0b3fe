/**
 * What a schema is made of, for those who describe it instead of reading with it: JSON Schemas for editors. A schema
 * without a shape is described as anything.
 */
export type Shape =
  | { readonly kind: 'text'; readonly pattern: RegExp | null }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'number'; readonly min: number; readonly max: number; readonly whole: boolean }
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'anything' }
  | { readonly kind: 'nullable'; readonly of: Shaped }
  | { readonly kind: 'list'; readonly item: Shaped }
  | { readonly kind: 'mapping'; readonly name: Shaped; readonly value: Shaped }
  | { readonly kind: 'record'; readonly what: string; readonly fields: Readonly<Record<string, ShapedField>> }
  /** A YAML tag chooses. */
  | { readonly kind: 'tagged'; readonly variants: Readonly<Record<string, Shaped>> }
  /** Whichever fits. */
  | { readonly kind: 'either'; readonly of: readonly Shaped[] };

/** What a Schema is, whatever it reads. */
export interface Shaped {
  readonly expected: string;
  readonly shape?: Shape;
}

export type ShapedField =
  | { readonly presence: 'required'; readonly schema: Shaped }
  | { readonly presence: 'optional'; readonly schema: Shaped; readonly fallback: unknown }
  /** Of no use here. */
  | { readonly presence: 'refused' };
