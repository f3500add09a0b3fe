/**
 * What a service tells systemd: sd_notify(3), sd_watchdog_enabled(3). libsystemd is called by its C interface, because
 * it may be absent at run time, and only where NOTIFY_SOCKET says that somebody listens.
 */
import { createRequire } from 'node:module';

export interface ServiceManager {
  /** Everything is up. `status` is shown by systemctl. */
  ready(status: string): void;
  /** A sign of life: to be given more often than the unit's WatchdogSec. */
  alive(): void;
  /** The configuration is read anew; followed by `ready`. */
  reloading(status: string): void;
  stopping(status: string): void;
}

type SdNotify = (unsetEnvironment: number, state: string) => number;

const nobody: ServiceManager = { ready() {}, alive() {}, reloading() {}, stopping() {} };
/** The interface that every libsystemd has: sd_notify is in version 0 since systemd 209. */
const library = 'libsystemd.so.0';
/** A watchdog shorter than this many scans would end an agent that misses one. */
const scansPerWatchdog = 3;

/**
 * Talks to the service manager that started this process; to nobody where there is none, or where it cannot be talked
 * to, which `log` is told: a unit of Type=notify would wait in vain.
 */
export function serviceManager(
  env: Readonly<Record<string, string | undefined>>,
  intervalMs: number,
  log: (line: string) => void,
): ServiceManager {
  if (env.NOTIFY_SOCKET === undefined || env.NOTIFY_SOCKET === '') return nobody;
  let sdNotify: SdNotify;
  try {
    sdNotify = load();
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    log(
      `NOTIFY_SOCKET is set, but libsystemd cannot be called, so systemd will not learn that this service is up ` +
        `(${reason}); do: npm rebuild ffi-napi @2060.io/ref-napi, or use Type=simple without WatchdogSec`,
    );
    return nobody;
  }
  let failed = false;
  const tell = (...lines: readonly string[]): void => {
    const result = sdNotify(0, lines.join('\n'));
    if (result < 0 && !failed) log(`systemd cannot be told: errno ${-result} for ${env.NOTIFY_SOCKET}`);
    failed = result < 0;
  };
  return {
    ready(status) {
      tell('READY=1', `STATUS=${oneLine(status)}`, ...longerWatchdog(env, intervalMs));
    },
    alive: () => tell('WATCHDOG=1'),
    reloading: (status) => tell('RELOADING=1', `MONOTONIC_USEC=${monotonicUs()}`, `STATUS=${oneLine(status)}`),
    stopping: (status) => tell('STOPPING=1', `STATUS=${oneLine(status)}`),
  };
}

/** A unit's watchdog that is too short for this period is made longer, or a slow scan would be taken for a hang. */
function longerWatchdog(env: Readonly<Record<string, string | undefined>>, intervalMs: number): readonly string[] {
  const given = Number(env.WATCHDOG_USEC);
  const needed = scansPerWatchdog * intervalMs * 1000;
  return Number.isFinite(given) && given > 0 && given < needed ? [`WATCHDOG_USEC=${needed}`] : [];
}

function load(): SdNotify {
  const ffi = createRequire(import.meta.url)('ffi-napi') as {
    Library(name: string, functions: object): { readonly sd_notify: SdNotify };
  };
  return ffi.Library(library, { sd_notify: ['int', ['int', 'string']] }).sd_notify;
}

/** CLOCK_MONOTONIC, as libuv's clock on Linux. */
const monotonicUs = (): bigint => process.hrtime.bigint() / 1000n;
/** A line feed would begin another assignment. */
const oneLine = (text: string): string => text.replaceAll('\n', ' ');
