import type { Shape, Shaped, ShapedField } from './shape.ts';

// JSON Schema (draft 7) of what a Schema reads, for editors. An editor sees a tagged YAML node as its value, without the
// tag: a choice by tags is one of any of the values.

export type JsonSchema = { readonly [key: string]: unknown };

export interface Descriptions {
  /** Of a key of a record, named by its `what`; undefined: none is written. */
  key(what: string, key: string): string | undefined;
  /** Of a tag, with its `!`. */
  tag(tag: string): string | undefined;
}

/** What `!*Include FILE` looks like to an editor, and nothing, which stands for no keys. */
const includeOrNothing = String.raw`^([\w.-]+(/[\w.-]+)*\.\w+)?$`;
const numberText = String.raw`^(0x[\da-fA-F]+|0o[0-7]+|0b[01]+|[+-]?\d+(\.\d*)?([eE][+-]?\d{1,3})?(ki|[kMGT]|[KMGT]i)?)$`;

interface Describing {
  readonly descriptions: Descriptions;
  readonly names: Map<Shaped, string>;
  readonly definitions: Record<string, JsonSchema>;
}

export function jsonSchemaOf(schema: Shaped, head: JsonSchema, descriptions: Descriptions): JsonSchema {
  const describing: Describing = { descriptions, names: new Map(), definitions: {} };
  const root = describe(describing, schema);
  return { $schema: 'http://json-schema.org/draft-07/schema#', ...head, ...root, definitions: describing.definitions };
}

function describe(to: Describing, schema: Shaped): JsonSchema {
  const { shape } = schema;
  if (shape === undefined) return {};
  switch (shape.kind) {
    case 'text':
      // A number is the text that it is written as.
      return { type: ['string', 'number', 'boolean'], ...(shape.pattern ? { pattern: shape.pattern.source } : {}) };
    case 'boolean':
      return { type: 'boolean' };
    case 'number':
      return numberSchema(shape);
    case 'words':
      return { enum: shape.words };
    case 'nothing':
      return { type: ['null', 'string'], maxLength: 0 };
    case 'anything':
      return {};
    case 'nullable':
      return orNull(describe(to, shape.of));
    case 'list':
      return {
        type: ['array', 'string'],
        pattern: includeOrNothing,
        // `!*Unpack` puts a list in the place of an item.
        items: unpackable(describe(to, shape.item)),
      };
    case 'mapping':
      return {
        type: ['object', 'null', 'string'],
        pattern: includeOrNothing,
        ...nameSchema(to, shape.name),
        additionalProperties: describe(to, shape.value),
      };
    case 'record':
      return { $ref: `#/definitions/${definition(to, schema, shape)}` };
    case 'tagged':
      return {
        anyOf: Object.entries(shape.variants).map(([name, variant]) => ({
          title: `!${name}`,
          ...(to.descriptions.tag(`!${name}`) ? { description: to.descriptions.tag(`!${name}`) } : {}),
          ...beside(describe(to, variant)),
        })),
      };
    case 'either':
      return { anyOf: shape.of.map((each) => describe(to, each)) };
    default:
      return shape satisfies never;
  }
}

/** A reference stands alone in draft 7: keys beside it would not count. */
const beside = (schema: JsonSchema): JsonSchema => ('$ref' in schema ? { allOf: [schema] } : schema);

function numberSchema({ min, max, whole }: Extract<Shape, { kind: 'number' }>): JsonSchema {
  const number = { type: whole ? 'integer' : 'number', minimum: min, maximum: max };
  return { anyOf: [number, { type: 'string', pattern: numberText }] };
}

function unpackable(item: JsonSchema): JsonSchema {
  return { anyOf: [...(Array.isArray(item.anyOf) ? item.anyOf : [item]), { type: 'array', items: item }] };
}

function orNull(schema: JsonSchema): JsonSchema {
  const { type } = schema;
  if (typeof type === 'string') return { ...schema, type: [type, 'null'] };
  if (Array.isArray(type)) return type.includes('null') ? schema : { ...schema, type: [...type, 'null'] };
  if (Object.keys(schema).length === 0) return schema;
  return { anyOf: [...(Array.isArray(schema.anyOf) ? schema.anyOf : [schema]), { type: 'null' }] };
}

function nameSchema(to: Describing, name: Shaped): JsonSchema {
  const { pattern } = describe(to, name);
  return pattern === undefined ? {} : { propertyNames: { pattern } };
}

/** The name under which a record is described once, however often it is used. */
function definition(to: Describing, schema: Shaped, { what, fields }: Extract<Shape, { kind: 'record' }>): string {
  const known = to.names.get(schema);
  if (known !== undefined) return known;
  const plain = what
    .replace(/^an? |^the /, '')
    .replace(/[^\w.]+/g, '-')
    .replace(/^-|-$/g, '');
  const taken = new Set(to.names.values());
  let name = plain;
  for (let number = 2; taken.has(name); number++) name = `${plain}-${number}`;
  to.names.set(schema, name);
  to.definitions[name] = {}; // its place, before those of what it holds
  const properties: Record<string, JsonSchema> = {};
  const patternProperties: Record<string, JsonSchema> = { '^_': {} };
  const required: string[] = [];
  for (const [key, field] of Object.entries(fields)) {
    if (field.presence === 'refused') continue;
    properties[key] = fieldSchema(to, what, key, field);
    // `-` and `_` are the same.
    if (key.includes('-'))
      patternProperties[`^${key.replaceAll('-', '[-_]')}$`] = { $ref: `#/definitions/${name}/properties/${key}` };
    if (field.presence === 'required') required.push(key);
  }
  const hasRequired = required.length > 0;
  to.definitions[name] = {
    type: hasRequired ? ['object', 'string'] : ['object', 'null', 'string'],
    pattern: includeOrNothing,
    properties,
    patternProperties,
    additionalProperties: false,
    ...(hasRequired ? { required } : {}),
  };
  return name;
}

function fieldSchema(
  to: Describing,
  what: string,
  key: string,
  field: Exclude<ShapedField, { presence: 'refused' }>,
): JsonSchema {
  const written = to.descriptions.key(what, key);
  const expected = field.schema.expected;
  const about = written ?? (expected.length > 120 ? undefined : expected);
  const value = describe(to, field.schema);
  return {
    ...(about === undefined ? {} : { description: about }),
    ...(field.presence === 'optional' ? { ...defaultOf(field.fallback), ...beside(orNull(value)) } : beside(value)),
  };
}

/** Where it says more than that there is nothing. */
function defaultOf(fallback: unknown): JsonSchema {
  const plain = ['string', 'number', 'boolean'].includes(typeof fallback);
  const isList = Array.isArray(fallback) && fallback.length > 0 && fallback.every((item) => typeof item === 'string');
  return plain || isList ? { default: fallback } : {};
}

/** How each tag of a schema is written: `!Sh scalar`, `!Tar mapping`; sorted. */
export function tagsOf(schema: Shaped): readonly string[] {
  const found = new Set<string>();
  const seen = new Set<Shaped>();
  const visit = (each: Shaped): void => {
    const { shape } = each;
    if (shape === undefined || seen.has(each)) return;
    seen.add(each);
    if (shape.kind === 'tagged') {
      for (const [name, variant] of Object.entries(shape.variants)) {
        for (const kind of nodeKinds(variant)) found.add(`!${name} ${kind}`);
      }
    }
    for (const child of childrenOf(shape)) visit(child);
  };
  visit(schema);
  return [...found].sort();
}

function childrenOf(shape: Shape): readonly Shaped[] {
  switch (shape.kind) {
    case 'nullable':
      return [shape.of];
    case 'list':
      return [shape.item];
    case 'mapping':
      return [shape.name, shape.value];
    case 'record':
      return Object.values(shape.fields).flatMap((field) => (field.presence === 'refused' ? [] : [field.schema]));
    case 'tagged':
      return Object.values(shape.variants);
    case 'either':
      return shape.of;
    default:
      return [];
  }
}

function nodeKinds({ shape }: Shaped): readonly ('scalar' | 'mapping' | 'sequence')[] {
  switch (shape?.kind) {
    case 'list':
      return ['sequence'];
    case 'mapping':
      return ['mapping'];
    case 'record': {
      // Without a key that must be there the tag may stand alone.
      const alone = Object.values(shape.fields).every(({ presence }) => presence !== 'required');
      return alone ? ['mapping', 'scalar'] : ['mapping'];
    }
    case 'either':
      return [...new Set(shape.of.flatMap(nodeKinds))];
    case 'nullable':
      return nodeKinds(shape.of);
    default:
      return ['scalar'];
  }
}
