import { createRequire } from 'node:module';
import { sandboxLua } from './sandbox-lua.ts';

/** Limits of one round (spec/verwalter.md 3.5, 3.6). */
export interface SchedulerLimits {
  /** A round has 5 s: it comes every 5 s, and a leader that thinks longer is of no use. */
  readonly timeLimitMs: number;
  /** 256 MiB: enough for the input of a thousand nodes several times over. */
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
}

export type SchedulerRun =
  | {
      readonly ok: true;
      /** JSON text of the schedule, not yet checked; undefined where no input was given. */
      readonly text: string | undefined;
      readonly log: string;
      /** Answers to actions by id. */
      readonly answers: Readonly<Record<string, unknown>>;
      readonly durationMs: number;
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
/** From here on the position of the running code is noted, so that an out-of-memory error can name it. */
const notePositionAboveBytes = 16 * 1024 * 1024;

type Wasmoon = typeof import('wasmoon');
const requireHere = createRequire(import.meta.url);
let factory: InstanceType<Wasmoon['LuaFactory']> | undefined;

/** wasmoon stays outside of any bundle: it finds its glue.wasm beside itself. */
const wasmoon = (): Wasmoon => requireHere('wasmoon') as Wasmoon;

interface Outcome {
  readonly ok: boolean;
  readonly kind?: 'load' | 'run' | 'output';
  readonly message?: string;
  readonly traceback?: string;
  readonly text?: string;
  readonly answers?: string;
  readonly log?: string;
}

/**
 * Runs the scheduler once in a Lua state of its own, so that nothing survives from one round to the next. Blocks its
 * thread for up to `timeLimitMs`, or longer inside a single C function of Lua: call it in a worker (runner.ts).
 */
export const runScheduler = async (
  request: SchedulerRequest,
  limits: SchedulerLimits = defaultLimits,
): Promise<SchedulerRun> => {
  const { LuaFactory, LuaEventMasks } = wasmoon();
  factory ??= new LuaFactory();
  const engine = await factory.createEngine({
    openStandardLibs: true,
    injectObjects: false,
    enableProxy: false,
    traceAllocations: true,
  });
  const { global } = engine;
  const lua = global.lua;
  const started = performance.now();
  const deadline = started + limits.timeLimitMs;
  let overTime: string | undefined;
  let position = '';
  const hook: number = lua.module.addFunction((state: number) => {
    if (global.getMemoryUsed() > notePositionAboveBytes) {
      lua.luaL_where(state, 0);
      position = lua.lua_tolstring(state, -1, null);
      lua.lua_pop(state, 1);
    }
    if (performance.now() <= deadline) return;
    // From now on at every instruction, or a loop around pcall would go on for ever.
    lua.lua_sethook(state, hook, LuaEventMasks.Count, 1);
    lua.luaL_where(state, 0);
    const where = lua.lua_tolstring(state, -1, null);
    overTime ??= `${where}time limit of ${limits.timeLimitMs} ms exceeded`;
    lua.lua_pushstring(state, `time limit of ${limits.timeLimitMs} ms exceeded`);
    lua.lua_concat(state, 2);
    lua.lua_error(state);
  }, 'vii');

  const failure = (kind: 'time' | 'memory' | 'run', message: string): SchedulerRun => ({
    ok: false,
    kind,
    message,
    traceback: '',
    log: '',
    durationMs: performance.now() - started,
  });
  try {
    global.setMemoryMax(limits.memoryLimitBytes);
    global.loadString(sandboxLua, '=sandbox');
    global.runSync(0);
    // A hook belongs to one Lua thread, and its coroutines take it over.
    const thread = global.newThread();
    lua.lua_sethook(thread.address, hook, LuaEventMasks.Count, instructionsPerHook);
    lua.lua_getglobal(thread.address, 'run_request');
    thread.pushValue(JSON.stringify({ sources: request.sources, seed: request.seed, input: request.input }));
    const [text] = thread.runSync(1) as unknown as [string];
    const durationMs = performance.now() - started;
    const outcome = JSON.parse(text) as Outcome;
    const log = outcome.log ?? '';
    // A pcall in the scheduler may have swallowed the error: the round is over time all the same.
    if (overTime !== undefined) return { ...failure('time', overTime), log } as SchedulerRun;
    if (outcome.ok) {
      const answers = outcome.answers === undefined ? {} : (JSON.parse(outcome.answers) as Record<string, unknown>);
      return { ok: true, text: outcome.text, log, answers, durationMs };
    }
    const message = outcome.message ?? 'unknown error';
    if (message === 'not enough memory') {
      return { ...failure('memory', memoryMessage(limits, position)), log } as SchedulerRun;
    }
    return {
      ok: false,
      kind: outcome.kind ?? 'run',
      message,
      traceback: outcome.traceback ?? '',
      log,
      durationMs,
    };
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    if (overTime !== undefined) return failure('time', overTime);
    if (message.includes('not enough memory')) return failure('memory', memoryMessage(limits, position));
    return failure('run', message);
  } finally {
    global.close();
    lua.module.removeFunction(hook);
  }
};

const memoryMessage = (limits: SchedulerLimits, position: string): string =>
  `${position.startsWith('scheduler/') ? position : 'scheduler/v1: '}memory limit of ${limits.memoryLimitBytes / 1024 / 1024} MiB exceeded`;
