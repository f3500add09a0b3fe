import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

// wasmoon's WebAssembly build of Lua 5.4, instantiated by ourselves: a new instance for each round costs a millisecond
// and is the same machine each time. Its memory begins at zero, its clock stands still (Lua seeds its string hash and
// the pivots of table.sort by the clock), and it cannot grow beyond the limit. With wasmoon's own loader an engine takes
// 48 ms, shares its memory with its predecessors, and a limit means a call into JavaScript for each allocation.

/** A pointer to a lua_State in the memory of its VM. */
export type LuaState = number;

/** Functions of the Lua 5.4 C API (reference manual, section 4.6) as the module exports them; lua_Integer is a BigInt. */
export interface LuaApi {
  readonly memory: WebAssembly.Memory;
  readonly __indirect_function_table: WebAssembly.Table;
  __wasm_call_ctors(): void;
  setThrew(threw: number, value: number): void;
  stackSave(): number;
  stackRestore(pointer: number): void;
  malloc(bytes: number): number;
  free(pointer: number): void;
  luaL_newstate(): LuaState;
  luaL_openlibs(state: LuaState): void;
  luaL_loadbufferx(state: LuaState, text: number, bytes: number, name: number, mode: number): number;
  lua_pcallk(state: LuaState, args: number, results: number, handler: number, context: number, k: number): number;
  lua_checkstack(state: LuaState, slots: number): number;
  lua_gettop(state: LuaState): number;
  lua_settop(state: LuaState, index: number): void;
  lua_rotate(state: LuaState, index: number, n: number): void;
  lua_type(state: LuaState, index: number): number;
  lua_isinteger(state: LuaState, index: number): number;
  lua_toboolean(state: LuaState, index: number): number;
  lua_tointegerx(state: LuaState, index: number, isInteger: number): bigint;
  lua_tonumberx(state: LuaState, index: number, isNumber: number): number;
  lua_tolstring(state: LuaState, index: number, length: number): number;
  lua_topointer(state: LuaState, index: number): number;
  lua_pushnil(state: LuaState): void;
  lua_pushboolean(state: LuaState, value: number): void;
  lua_pushinteger(state: LuaState, value: bigint): void;
  lua_pushnumber(state: LuaState, value: number): void;
  lua_pushlstring(state: LuaState, text: number, bytes: number): number;
  lua_pushvalue(state: LuaState, index: number): void;
  lua_pushcclosure(state: LuaState, fn: number, upvalues: number): void;
  lua_createtable(state: LuaState, items: number, fields: number): void;
  lua_setmetatable(state: LuaState, index: number): number;
  lua_getmetatable(state: LuaState, index: number): number;
  lua_rawget(state: LuaState, index: number): number;
  lua_rawset(state: LuaState, index: number): void;
  lua_rawseti(state: LuaState, index: number, n: bigint): void;
  lua_next(state: LuaState, index: number): number;
  lua_error(state: LuaState): never;
  lua_sethook(state: LuaState, hook: number, mask: number, count: number): void;
  lua_getstack(state: LuaState, level: number, activation: number): number;
  lua_getinfo(state: LuaState, what: number, activation: number): number;
}

/** Types of lua.h. */
export const luaType = { nil: 0, boolean: 1, number: 3, string: 4, table: 5 } as const;
export const luaErrorMemory = 4;
const maskCount = 8;

export interface LuaVm {
  readonly api: LuaApi;
  readonly state: LuaState;
  /** Of the memory as it is now: it is another object after each growth. */
  bytes(): Buffer;
  /** Pushes a string; what is no Unicode in it becomes U+FFFD. */
  pushText(state: LuaState, text: string): void;
  /** The string at an index, which must be one (a number there would be changed to a string). */
  text(state: LuaState, index: number): LuaText;
  /** Raises a Lua error. */
  raise(state: LuaState, message: string): never;
  /** Index in the function table of a lua_CFunction. */
  cFunction(run: (state: LuaState) => number): number;
  /** Calls `look` after each so many instructions of the VM. */
  hook(state: LuaState, instructions: number, look: (state: LuaState) => void): void;
  /** Compiles a text chunk; leaves the function, or the error message, on the stack. */
  load(text: string, name: string): boolean;
  /** "file:line: " of the running Lua function; empty in none. Allocates nothing. */
  position(state: LuaState): string;
}

export interface LuaText {
  readonly pointer: number;
  readonly length: number;
}

export interface VmLimits {
  readonly memoryBytes: number;
  /** Called when Lua is refused more memory; it then collects garbage and, if that is not enough, raises an error. */
  readonly onRefused: () => void;
}

let compiled: WebAssembly.Module | undefined;
const compile = (): WebAssembly.Module => {
  if (compiled !== undefined) return compiled;
  const here = createRequire(import.meta.url);
  compiled = new WebAssembly.Module(readFileSync(join(dirname(here.resolve('wasmoon')), 'glue.wasm')));
  return compiled;
};

const pageBytes = 65_536;
/** Memory of the module at its start; a smaller limit cannot be kept. */
export const leastMemoryBytes = 16 * 1024 * 1024;
/** Growing by little copies the memory often, growing by much may pass a limit that would have held. */
const growByBytes = 8 * 1024 * 1024;

/** Emscripten's longjmp throws this through the frames of JavaScript, up to the invoke_ that the setjmp stands in. */
const longjmp = Number.POSITIVE_INFINITY;

// A JavaScript function can stand in a function table only as an export of a module: these import and export one.
const wrapperOf = (type: readonly number[]): WebAssembly.Module =>
  new WebAssembly.Module(
    Uint8Array.from(
      [
        [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
        [1, type.length + 1, 1, ...type],
        [2, 7, 1, 1, 0x65, 1, 0x66, 0, 0],
        [7, 5, 1, 1, 0x66, 0, 0],
      ].flat(),
    ),
  );
const i32 = 0x7f;
let wrappers: { readonly cFunction: WebAssembly.Module; readonly hook: WebAssembly.Module } | undefined;

/** Offsets in lua_Debug (lua.h 5.4, 32-bit pointers). */
const debugBytes = 108;
const debugCurrentLine = 24;
const debugShortSource = 44;

export const createVm = (limits: VmLimits): LuaVm => {
  const refuse = (name: string) => (): never => {
    throw new Error(`the scheduler's VM has no ${name}`);
  };
  const imports: Record<string, Record<string, (...args: number[]) => unknown>> = {};
  const module = compile();
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = refuse(name);
  }
  const has = (from: string, functions: Record<string, (...args: number[]) => unknown>): void => {
    Object.assign(imports[from] ?? {}, functions);
  };
  has('wasi_snapshot_preview1', {
    environ_sizes_get: (count = 0, size = 0) => {
      buffer.writeUInt32LE(0, count);
      buffer.writeUInt32LE(0, size);
      return 0;
    },
    environ_get: () => 0,
    // io.stdout is closed by nobody; nothing is ever written to it.
    fd_close: () => 0,
  });
  has('env', {
    emscripten_date_now: () => 0,
    emscripten_get_now: () => 0,
    _emscripten_get_now_is_monotonic: () => 1,
    _emscripten_throw_longjmp: () => {
      throw longjmp;
    },
    invoke_vii: (index = 0, a = 0, b = 0) => {
      const stack = api.stackSave();
      try {
        (api.__indirect_function_table.get(index) as (a: number, b: number) => void)(a, b);
      } catch (thrown) {
        api.stackRestore(stack);
        if (thrown !== longjmp) throw thrown;
        api.setThrew(1, 0);
      }
    },
    emscripten_resize_heap: (wanted = 0) => {
      const least = wanted >>> 0;
      const now = api.memory.buffer.byteLength;
      const target = Math.min(Math.max(least, now + growByBytes), limits.memoryBytes);
      if (least > limits.memoryBytes) {
        limits.onRefused();
        return 0;
      }
      try {
        api.memory.grow(Math.ceil((target - now) / pageBytes));
      } catch {
        limits.onRefused();
        return 0;
      }
      buffer = Buffer.from(api.memory.buffer);
      return 1;
    },
  });
  const api = new WebAssembly.Instance(module, imports).exports as unknown as LuaApi;
  let buffer = Buffer.from(api.memory.buffer);
  api.__wasm_call_ctors();
  const state = api.luaL_newstate();
  api.luaL_openlibs(state);

  const scratchBytes = 16_384;
  const scratch = api.malloc(scratchBytes);
  const lengthAt = api.malloc(4);
  const activation = api.malloc(debugBytes);
  const cString = (text: string): number => {
    const pointer = api.malloc(Buffer.byteLength(text) + 1);
    buffer.write(`${text}\0`, pointer);
    return pointer;
  };
  const textMode = cString('t');
  const whatLine = cString('Sl');

  const withText = <T>(text: string, use: (pointer: number, bytes: number) => T): T => {
    const { length } = text;
    if (length <= 64) {
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code > 127) break;
        buffer[scratch + i] = code;
      }
      if (i === length) return use(scratch, length);
    }
    if (length * 3 <= scratchBytes) return use(scratch, buffer.write(text, scratch));
    const bytes = Buffer.byteLength(text);
    const pointer = api.malloc(bytes);
    // Whoever asks for so much has the error message of Lua, which raises it when it cannot have it either.
    if (pointer === 0) return use(0, 0x7fff_ffff);
    buffer.write(text, pointer);
    const result = use(pointer, bytes);
    api.free(pointer);
    return result;
  };

  const addToTable = (wrapper: WebAssembly.Module, f: (...args: number[]) => unknown): number => {
    const index = api.__indirect_function_table.grow(1);
    api.__indirect_function_table.set(index, new WebAssembly.Instance(wrapper, { e: { f } }).exports.f);
    return index;
  };
  wrappers ??= { cFunction: wrapperOf([0x60, 1, i32, 1, i32]), hook: wrapperOf([0x60, 2, i32, i32, 0]) };
  const { cFunction, hook } = wrappers;
  let hookIndex = 0;
  let look: (state: LuaState) => void = () => {};

  const vm: LuaVm = {
    api,
    state,
    bytes: () => buffer,
    pushText(on, text) {
      withText(text, (pointer, bytes) => api.lua_pushlstring(on, pointer, bytes));
    },
    text(on, index) {
      const pointer = api.lua_tolstring(on, index, lengthAt);
      return { pointer, length: buffer.readUInt32LE(lengthAt) };
    },
    raise(on, message) {
      vm.pushText(on, message);
      return api.lua_error(on);
    },
    cFunction: (run) => addToTable(cFunction, (on = 0) => run(on)),
    hook(on, instructions, then) {
      look = then;
      if (hookIndex === 0) hookIndex = addToTable(hook, (running = 0) => look(running));
      api.lua_sethook(on, hookIndex, maskCount, instructions);
    },
    load(text, name) {
      const chunkName = cString(name);
      const status = withText(text, (pointer, bytes) =>
        api.luaL_loadbufferx(state, pointer, bytes, chunkName, textMode),
      );
      api.free(chunkName);
      return status === 0;
    },
    position(on) {
      for (let level = 0; level < 200 && api.lua_getstack(on, level, activation) === 1; level++) {
        api.lua_getinfo(on, whatLine, activation);
        const line = buffer.readInt32LE(activation + debugCurrentLine);
        if (line <= 0) continue;
        const start = activation + debugShortSource;
        return `${buffer.toString('utf8', start, buffer.indexOf(0, start))}:${line}: `;
      }
      return '';
    },
  };
  return vm;
};

/** The text of a string in the VM's memory; what is no UTF-8 becomes U+FFFD. */
export const readText = (vm: LuaVm, { pointer, length }: LuaText): string =>
  vm.bytes().toString('utf8', pointer, pointer + length);
