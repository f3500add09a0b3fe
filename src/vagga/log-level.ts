/** $VAGGA_LOG: how much vagga says on stderr beside what goes wrong. */
export type LogLevel = 'error' | 'warn' | 'debug';

const levels: Readonly<Record<string, LogLevel>> = { error: 'error', warn: 'warn', info: 'warn', debug: 'debug' };

/** Lines of these begin so. */
const warning = 'WARNING: ';

export function logLevel(variable: string | undefined): { readonly level: LogLevel; readonly problem: string | null } {
  if (variable === undefined || variable === '') return { level: 'warn', problem: null };
  const level = Object.hasOwn(levels, variable) ? levels[variable] : undefined;
  if (level !== undefined) return { level, problem: null };
  return { level: 'warn', problem: `VAGGA_LOG=${variable}: not one of ${Object.keys(levels).join(', ')}; taking warn` };
}

/** Whether a line for stderr is to be seen. */
export const isTold = (level: LogLevel, line: string): boolean => level !== 'error' || !line.startsWith(warning);
