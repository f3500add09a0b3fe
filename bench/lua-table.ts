import type { Json } from '../src/verwalter/canonical.ts';

/** A JSON value as a constructor in Lua. */
export const luaTable = (value: Json): string => {
  if (value === null) return 'nil';
  if (typeof value === 'string')
    return `"${value.replace(/[\\"\n\r\0]/g, (c) => `\\${String(c.charCodeAt(0)).padStart(3, '0')}`)}"`;
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `{${value.map((item: Json) => luaTable(item)).join(',')}}`;
  return `{${Object.entries(value)
    .map(([key, item]) => `[${luaTable(key)}]=${luaTable(item)}`)
    .join(',')}}`;
};
