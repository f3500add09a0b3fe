import { isUtf8 } from 'node:buffer';
import { type LuaState, type LuaText, type LuaVm, luaType } from './lua-vm.ts';

// JSON on one side, Lua tables on the other (spec/verwalter.md 3.2): walked once, through the C API, without a text
// between. Everything here runs within a call of Lua, so that an error in it unwinds to the pcall around.

/** Deeper nesting is a mistake, or a table that grows into itself. */
export const maxDepth = 100;
const maxWhole = 2 ** 53;

/** Where the marks of json.array and its like lie on the stack of the running C function. */
export interface PushMarks {
  readonly null: number;
  readonly readArray: number;
}

/** Pushes a JSON value. Null is nil (a key without it is not there), within an array json.null. */
export const pushJson = (vm: LuaVm, state: LuaState, value: unknown, marks: PushMarks): void => {
  const { api } = vm;
  const push = (item: unknown, depth: number): void => {
    switch (typeof item) {
      case 'string':
        vm.pushText(state, item);
        return;
      case 'number':
        if (Number.isInteger(item) && item <= maxWhole && item >= -maxWhole) api.lua_pushinteger(state, BigInt(item));
        else api.lua_pushnumber(state, item);
        return;
      case 'boolean':
        api.lua_pushboolean(state, item ? 1 : 0);
        return;
      case 'object': {
        if (item === null) {
          api.lua_pushnil(state);
          return;
        }
        if (depth > maxDepth) vm.raise(state, `nested deeper than ${maxDepth}`);
        if (api.lua_checkstack(state, 4) === 0) vm.raise(state, 'too deep for the stack');
        if (Array.isArray(item)) {
          api.lua_createtable(state, item.length, 0);
          api.lua_pushvalue(state, marks.readArray);
          api.lua_setmetatable(state, -2);
          for (let i = 0; i < item.length; i++) {
            const element: unknown = item[i];
            if (element === null || element === undefined) api.lua_pushvalue(state, marks.null);
            else push(element, depth + 1);
            api.lua_rawseti(state, -2, BigInt(i + 1));
          }
          return;
        }
        const keys = Object.keys(item);
        api.lua_createtable(state, 0, keys.length);
        for (const key of keys) {
          const field = (item as Record<string, unknown>)[key];
          if (field === null || field === undefined) continue;
          vm.pushText(state, key);
          push(field, depth + 1);
          api.lua_rawset(state, -3);
        }
        return;
      }
      default:
        api.lua_pushnil(state);
    }
  };
  push(value, 0);
};

/** Addresses of the marks, as lua_topointer gives them. */
export interface ReadMarks {
  readonly null: number;
  readonly array: number;
  readonly object: number;
  readonly readArray: number;
}

export interface Reading {
  /** Named in messages as the whole value. */
  readonly name: string;
  /** What to do about NaN and infinities; where it does not throw, they become null. */
  readonly notFinite: (path: string) => void;
  /** Has to throw. */
  readonly fail: (message: string) => never;
}

/** Interned by Lua: equal strings of this length at most are one, at one address. */
const internedBytes = 40;

/**
 * The value at the top of the stack as canonical JSON (RFC 8785). Allocates nothing in the VM once it has begun, so that
 * no string it has seen can be collected. Leaves one more value below the one that was read.
 */
export const readJson = (vm: LuaVm, state: LuaState, marks: ReadMarks, reading: Reading): string => {
  const { api } = vm;
  const path: (string | number)[] = [];
  const open = new Set<number>();
  const names = new Map<number, Name>();
  const quoted = new Map<number, string>();
  vm.pushText(state, '__frozen');
  api.lua_rotate(state, -2, 1);
  const frozenKey = api.lua_gettop(state) - 1;

  const where = (): string =>
    reading.name + path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('');
  const fail = (text: string): never => reading.fail(`${where()}: ${text}`);

  const decode = ({ pointer, length }: LuaText): string => {
    const bytes = vm.bytes();
    const end = pointer + length;
    if (length <= internedBytes) {
      let i = pointer;
      while (i < end && (bytes[i] ?? 0) < 128) i++;
      if (i === end) return bytes.toString('latin1', pointer, end);
    }
    if (!isUtf8(bytes.subarray(pointer, end))) fail('the string is not UTF-8');
    return bytes.toString('utf8', pointer, end);
  };
  const nameOf = (text: LuaText): Name => {
    const known = names.get(text.pointer);
    if (known !== undefined) return known;
    const name = nameFrom(decode(text));
    if (text.length <= internedBytes) names.set(text.pointer, name);
    return name;
  };
  const quote = (text: LuaText): string => {
    const known = quoted.get(text.pointer);
    if (known !== undefined) return known;
    const result = JSON.stringify(decode(text));
    if (text.length <= internedBytes) quoted.set(text.pointer, result);
    return result;
  };

  const number = (): string => {
    if (api.lua_isinteger(state, -1) === 1) {
      const whole = api.lua_tointegerx(state, -1, 0);
      if (whole > BigInt(maxWhole) || whole < -BigInt(maxWhole)) fail('integer beyond 2^53');
      return String(whole);
    }
    const value = api.lua_tonumberx(state, -1, 0);
    if (Number.isFinite(value)) return JSON.stringify(value);
    reading.notFinite(where());
    return 'null';
  };

  const table = (): string => {
    const address = api.lua_topointer(state, -1);
    if (address === marks.null) return 'null';
    if (path.length >= maxDepth) fail(`nested deeper than ${maxDepth}`);
    if (open.has(address)) fail('the table contains itself');
    if (api.lua_checkstack(state, 6) === 0) fail('too deep for the stack');
    let mark = 0;
    if (api.lua_getmetatable(state, -1) === 1) {
      mark = api.lua_topointer(state, -1);
      if (mark === marks.array || mark === marks.object || mark === marks.readArray) api.lua_settop(state, -2);
      else {
        // A frozen table is empty; its content lies in its metatable.
        api.lua_pushvalue(state, frozenKey);
        if (api.lua_rawget(state, -2) === luaType.table) {
          api.lua_rotate(state, -2, 1);
          api.lua_settop(state, -2);
          open.add(address);
          const text = table();
          open.delete(address);
          api.lua_settop(state, -2);
          return text;
        }
        api.lua_settop(state, -3);
        mark = 0;
      }
    }
    open.add(address);
    const items: string[] = [];
    const numbers: number[] = [];
    const fields: Field[] = [];
    api.lua_pushnil(state);
    while (api.lua_next(state, -2) !== 0) {
      const kind = api.lua_type(state, -2);
      if (kind === luaType.string) {
        const name = nameOf(vm.text(state, -2));
        path.push(name.text);
        fields.push({ name, value: value() });
      } else if (kind === luaType.number && api.lua_isinteger(state, -2) === 1) {
        const index = Number(api.lua_tointegerx(state, -2, 0));
        path.push(index);
        numbers.push(index);
        items.push(value());
      } else {
        fail(`a key is a ${kindNames[kind]}, not a string`);
      }
      path.pop();
      api.lua_settop(state, -2);
    }
    open.delete(address);

    const isList = fields.length === 0 && isRun(numbers);
    if (mark === marks.array && !isList) fail('json.array with a key that is not 1..n');
    const markedList = mark === marks.array || mark === marks.readArray;
    if (isList && mark !== marks.object && (items.length > 0 || markedList)) return listOf(items, numbers);
    for (let at = 0; at < numbers.length; at++) {
      fields.push({ name: nameFrom(String(numbers[at])), value: items[at] ?? 'null' });
    }
    sortFields(fields);
    let text = '{';
    let before: string | undefined;
    for (const { name, value: member } of fields) {
      if (name.text === before) {
        path.push(name.text);
        fail('the key is there as number and as string');
      }
      text += before === undefined ? `${name.quoted}:${member}` : `,${name.quoted}:${member}`;
      before = name.text;
    }
    return `${text}}`;
  };

  const value = (): string => {
    const kind = api.lua_type(state, -1);
    switch (kind) {
      case luaType.nil:
        return 'null';
      case luaType.boolean:
        return api.lua_toboolean(state, -1) === 1 ? 'true' : 'false';
      case luaType.number:
        return number();
      case luaType.string:
        return quote(vm.text(state, -1));
      case luaType.table:
        return table();
      default:
        return fail(`a ${kindNames[kind] ?? kind} cannot be written as JSON`);
    }
  };
  return value();
};

const kindNames: Readonly<Record<number, string>> = {
  1: 'boolean',
  2: 'userdata',
  3: 'number',
  5: 'table',
  6: 'function',
  7: 'userdata',
  8: 'thread',
};

interface Name {
  readonly text: string;
  readonly quoted: string;
}

interface Field {
  readonly name: Name;
  readonly value: string;
}

const nameFrom = (text: string): Name => ({ text, quoted: JSON.stringify(text) });

/** By UTF-16 code units, as RFC 8785 has it. Most tables have few fields, for which a call of sort costs more than it does. */
const sortFields = (fields: Field[]): void => {
  if (fields.length > 12) {
    fields.sort((a, b) => (a.name.text < b.name.text ? -1 : a.name.text > b.name.text ? 1 : 0));
    return;
  }
  for (let at = 1; at < fields.length; at++) {
    const field = fields[at] as Field;
    let to = at;
    for (; to > 0 && (fields[to - 1] as Field).name.text > field.name.text; to--) fields[to] = fields[to - 1] as Field;
    fields[to] = field;
  }
};

const listOf = (items: readonly string[], numbers: readonly number[]): string => {
  if (numbers.every((index, at) => index === at + 1)) return `[${items.join(',')}]`;
  const sorted: string[] = [];
  for (let at = 0; at < numbers.length; at++) sorted[(numbers[at] ?? 0) - 1] = items[at] ?? 'null';
  return `[${sorted.join(',')}]`;
};

/** Exactly the numbers 1..n, in some order. */
const isRun = (numbers: readonly number[]): boolean => {
  let most = 0;
  for (const index of numbers) {
    if (index < 1) return false;
    if (index > most) most = index;
  }
  return most === numbers.length;
};
