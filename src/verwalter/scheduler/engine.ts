import { isObject } from '../canonical.ts';
import { librarySource } from './library.ts';
import { type PushMarks, pushJson, type Reading, type ReadMarks, readJson } from './lua-data.ts';
import { createVm, type LuaState, type LuaVm, leastMemoryBytes, luaErrorMemory, luaType, readText } from './lua-vm.ts';
import sandboxLua from './sandbox.lua';
import sandboxModulesLua from './sandbox-modules.lua';

/** Limits of one round (spec/verwalter.md 3.5, 3.6). */
export interface SchedulerLimits {
  /** A round has 5 s: it comes every 5 s, and a leader that thinks longer is of no use. */
  readonly timeLimitMs: number;
  /** 256 MiB: enough for the input of a thousand nodes several times over. At least 16 MiB, where a VM begins. */
  readonly memoryLimitBytes: number;
}

export const defaultLimits: SchedulerLimits = { timeLimitMs: 5000, memoryLimitBytes: 256 * 1024 * 1024 };

export interface SchedulerRequest {
  /** Path within scheduler/v1 → text. */
  readonly sources: Readonly<Record<string, string>>;
  /** The input table; without one the sources are only loaded. */
  readonly input?: unknown;
  /** Seeds math.random. */
  readonly seed: number;
  /** Writes to globals are errors; main.lua can ask for it too, by `strict = true` beside `scheduler`. */
  readonly strict?: boolean;
}

/** Where the time of a round went, in ms; `lua` is the scheduler's own. */
export interface RoundTimes {
  readonly vm: number;
  readonly input: number;
  readonly lua: number;
  readonly output: number;
}

export type SchedulerRun =
  | {
      readonly ok: true;
      /** JSON text of the schedule, not yet checked; undefined where no input was given. */
      readonly text: string | undefined;
      readonly log: string;
      /** Of values that JSON cannot hold and that were left out, by path. */
      readonly warnings: readonly string[];
      /** Answers to actions by id. */
      readonly answers: Readonly<Record<string, unknown>>;
      readonly durationMs: number;
      readonly times: RoundTimes;
      /** Of the VM; it grows by what was needed and never shrinks. */
      readonly memoryBytes: number;
    }
  | {
      readonly ok: false;
      /** load: the sources; run: an error in Lua; output: what it returned; time, memory: a limit. */
      readonly kind: 'load' | 'run' | 'output' | 'time' | 'memory';
      /** Begins with file and line where Lua knows them. */
      readonly message: string;
      readonly traceback: string;
      readonly log: string;
      readonly durationMs: number;
    };

/** How many VM instructions pass between two looks at the clock: some microseconds of Lua. */
const instructionsPerHook = 1000;
/** The debug log is kept to its end. */
const maxLogBytes = 1024 * 1024;

/**
 * Runs the scheduler once in a VM of its own, so that nothing survives from one round to the next. Blocks its thread for
 * up to `timeLimitMs`, or longer inside a single C function of Lua: call it in a worker (runner.ts).
 */
export const runScheduler = async (
  request: SchedulerRequest,
  limits: SchedulerLimits = defaultLimits,
  nowMs: () => number = () => performance.now(),
): Promise<SchedulerRun> => {
  const started = nowMs();
  const log = tailLog();
  const failure = (
    kind: Extract<SchedulerRun, { ok: false }>['kind'],
    message: string,
    traceback = '',
  ): SchedulerRun => ({
    ok: false,
    kind,
    message,
    traceback,
    log: log.text(),
    durationMs: nowMs() - started,
  });
  let overTime: string | undefined;
  let refusedAt: string | undefined;
  let running: LuaState = 0;
  const memoryFailure = (): SchedulerRun =>
    failure(
      'memory',
      `${refusedAt === undefined || refusedAt === '' ? 'scheduler/v1: ' : refusedAt}memory limit of ${limits.memoryLimitBytes / 1024 / 1024} MiB exceeded`,
    );

  try {
    const vm: LuaVm = createVm({
      memoryBytes: Math.max(limits.memoryLimitBytes, leastMemoryBytes),
      onRefused() {
        if (running !== 0) refusedAt = vm.position(running);
      },
    });
    const { api, state } = vm;
    const times = { vm: 0, input: 0, output: 0 };
    const warnings: string[] = [];
    if (!installSandbox(vm, request, log.note, warnings, times, nowMs)) return failure('run', textAt(vm, -1));
    times.vm = nowMs() - started;

    running = state;
    const deadline = started + limits.timeLimitMs;
    const look = (where: LuaState): void => {
      running = where;
      if (nowMs() <= deadline) return;
      // From now on at every instruction, or a loop around pcall would go on for ever.
      vm.hook(where, 1, look);
      const message = `${vm.position(where)}time limit of ${limits.timeLimitMs} ms exceeded`;
      overTime ??= message;
      vm.raise(where, message);
    };
    vm.hook(state, instructionsPerHook, look);

    api.lua_pushboolean(state, request.strict === true ? 1 : 0);
    api.lua_pushboolean(state, request.input === undefined ? 0 : 1);
    api.lua_pushinteger(state, BigInt(Math.trunc(request.seed)));
    const status = api.lua_pcallk(state, 3, 3, 0, 0, 0);
    // A pcall in the scheduler may have swallowed the error: the round is over time all the same.
    if (overTime !== undefined) return failure('time', overTime);
    if (status === luaErrorMemory) return memoryFailure();
    if (status !== 0) return failure('run', textAt(vm, -1));
    const kind = textAt(vm, -3);
    if (kind === 'load' || kind === 'run' || kind === 'output') {
      const message = textAt(vm, -2);
      return message === 'not enough memory' ? memoryFailure() : failure(kind, message, textAt(vm, -1));
    }
    const hasText = api.lua_type(state, -2) === luaType.string;
    const answers = textAt(vm, -1);
    const durationMs = nowMs() - started;
    return {
      ok: true,
      text: hasText ? textAt(vm, -2) : undefined,
      log: log.text(),
      warnings: warnings.sort(),
      answers: answers === '' ? {} : (JSON.parse(answers) as Record<string, unknown>),
      durationMs,
      times: { ...times, lua: durationMs - times.vm - times.input - times.output },
      memoryBytes: vm.bytes().length,
    };
  } catch (thrown) {
    if (overTime !== undefined) return failure('time', overTime);
    return failure('run', thrown instanceof Error ? thrown.message : String(thrown));
  }
};

/** What is wrong with a Lua text, with chunk name and line; null = it compiles. Nothing of it runs. */
export const luaSyntaxProblem = (text: string, name: string): string | null => {
  const vm = createVm({ memoryBytes: defaultLimits.memoryLimitBytes, onRefused: () => {} });
  return vm.load(text, name) ? null : textAt(vm, -1);
};

/** The string at an index; '' where there is none. */
const textAt = (vm: LuaVm, index: number): string =>
  vm.api.lua_type(vm.state, index) === luaType.string ? readText(vm, vm.text(vm.state, index)) : '';

/** Loads the Lua side and leaves its function for the round on the stack. */
const installSandbox = (
  vm: LuaVm,
  request: SchedulerRequest,
  note: (text: string) => void,
  warnings: string[],
  times: { input: number; output: number },
  nowMs: () => number,
): boolean => {
  const { api, state } = vm;
  let marks: ReadMarks = { null: 0, array: 0, object: 0, readArray: 0 };
  const timed = (what: 'input' | 'output', run: () => void): void => {
    const from = nowMs();
    run();
    times[what] += nowMs() - from;
  };
  // Arguments and results as sandbox.lua uses them; it checks their types.
  const hostFunctions: readonly ((on: LuaState) => number)[] = [
    (on) => {
      note(readText(vm, vm.text(on, 1)));
      return 0;
    },
    (on) => {
      const [nil, array, object, readArray] = [1, 2, 3, 4].map((index) => api.lua_topointer(on, index));
      marks = { null: nil ?? 0, array: array ?? 0, object: object ?? 0, readArray: readArray ?? 0 };
      return 0;
    },
    (on) => {
      timed('input', () => pushInput(vm, on, request.input, { null: 1, readArray: 2 }));
      return 1;
    },
    (on) => {
      const name = readText(vm, vm.text(on, 2));
      const tolerant = api.lua_toboolean(on, 3) === 1;
      const reading: Reading = {
        name,
        notFinite(path) {
          if (!tolerant) vm.raise(on, `${path}: number is not finite`);
          warnings.push(`${path.replace(/^schedule\.?/, '')}: number is not finite; null is written instead`);
        },
        fail: (message) => vm.raise(on, message),
      };
      api.lua_settop(on, 1);
      timed('output', () => vm.pushText(on, readJson(vm, on, marks, reading)));
      return 1;
    },
    (on) => {
      const text = readText(vm, vm.text(on, 1));
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        // V8 words its errors differently from version to version; a scheduler may keep the message.
        vm.raise(on, `json.decode: not JSON: ${text.length} characters, beginning '${text.slice(0, 40)}'`);
      }
      if (value === null) api.lua_pushvalue(on, 2);
      else pushJson(vm, on, value, { null: 2, readArray: 3 });
      return 1;
    },
    (on) => {
      const path = readText(vm, vm.text(on, 1));
      const own = Object.hasOwn(request.sources, path) ? request.sources[path] : undefined;
      const source = own ?? librarySource(path);
      if (source === undefined) api.lua_pushnil(on);
      else vm.pushText(on, source);
      vm.pushText(on, own === undefined ? path : `scheduler/v1/${path}`);
      return 2;
    },
  ];
  if (!vm.load(sandboxLua, '=sandbox')) return false;
  for (const run of hostFunctions) api.lua_pushcclosure(state, vm.cFunction(run), 0);
  if (!vm.load(sandboxModulesLua, '=sandbox-modules')) return false;
  return api.lua_pcallk(state, hostFunctions.length + 1, 1, 0, 0, 0) === 0;
};

/** Ids of actions are integer keys in Lua, decimal strings in JSON. */
const pushInput = (vm: LuaVm, on: LuaState, input: unknown, marks: PushMarks): void => {
  if (!isObject(input)) {
    pushJson(vm, on, input, marks);
    return;
  }
  const { api } = vm;
  pushJson(vm, on, { ...input, actions: undefined }, marks);
  const actions = Object.entries(isObject(input.actions) ? input.actions : {});
  vm.pushText(on, 'actions');
  api.lua_createtable(on, 0, actions.length);
  for (const [id, action] of actions) {
    if (action === null) continue;
    if (/^\d{1,15}$/.test(id)) api.lua_pushinteger(on, BigInt(id));
    else vm.pushText(on, id);
    pushJson(vm, on, action, marks);
    api.lua_rawset(on, -3);
  }
  api.lua_rawset(on, -3);
};

const tailLog = (): { note(text: string): void; text(): string } => {
  let lines: string[] = [];
  let size = 0;
  const cut = (): string => {
    const text = lines.join('\n');
    const bytes = Buffer.from(text);
    if (bytes.length <= maxLogBytes) return text;
    let from = bytes.length - maxLogBytes;
    // Not within a character.
    while (((bytes[from] ?? 0) & 0xc0) === 0x80) from++;
    return bytes.toString('utf8', from);
  };
  return {
    note(text) {
      lines.push(text);
      size += text.length + 1;
      if (size <= 2 * maxLogBytes) return;
      lines = [cut()];
      size = lines[0]?.length ?? 0;
    },
    text: cut,
  };
};
