import { formatProblem } from '../../config/problem.ts';

/** What a tree says of itself and /proc does not, for people. */
export interface Told {
  readonly version: string;
  readonly containers: readonly ToldContainer[];
  /** Of the configs, one line each. */
  readonly problems: readonly string[];
}

export interface ToldContainer {
  readonly name: string;
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
  readonly phase: string;
  readonly image: string;
  readonly restarts: number;
  readonly adopted: boolean;
  readonly nextStartAtMs: number | null;
  /** How the last run ended; null: it is the first. */
  readonly lastEnd: string | null;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

/**
 * The answer to GET /v1/status. It may come from a tree of another version, or of a user who has put something else
 * behind the socket: what is not understood is left out. Null where it is no status.
 */
export function parseTold(value: unknown): Told | null {
  if (!isFields(value) || !Array.isArray(value.containers)) return null;
  const problems = Array.isArray(value.problems) ? value.problems.filter(isFields) : [];
  return {
    version: textOf(value.version),
    containers: value.containers.flatMap((each: unknown) => (isFields(each) ? (containerOf(each) ?? []) : [])),
    problems: problems.map(({ file, line, column, key, message }) =>
      formatProblem({
        file: textOf(file),
        line: numberOf(line) ?? 0,
        column: numberOf(column) ?? 0,
        key: textOf(key),
        message: textOf(message),
      }),
    ),
  };
}

function containerOf(fields: Fields): ToldContainer | null {
  const [, sandbox, process, instance] = /^([\w-]+)\/([\w-]+)\.(\d{1,15})$/.exec(textOf(fields.name)) ?? [];
  if (sandbox === undefined || process === undefined || instance === undefined) return null;
  return {
    name: textOf(fields.name),
    sandbox,
    process,
    instance: Number(instance),
    phase: textOf(fields.phase),
    image: textOf(fields.image),
    restarts: numberOf(fields.restarts) ?? 0,
    adopted: fields.adopted === true,
    nextStartAtMs: numberOf(fields.nextStartAtMs),
    lastEnd: isFields(fields.lastEnd) ? describeEnd(fields.lastEnd) : null,
  };
}

function describeEnd({ exitCode, signal, failure, oomKilled }: Fields): string {
  if (isFields(failure)) return textOf(failure.message);
  if (oomKilled === true) return 'out of memory, killed by the kernel';
  if (numberOf(signal) !== null) return `signal ${numberOf(signal)}`;
  return numberOf(exitCode) === null ? 'killed with its knot' : `exit code ${numberOf(exitCode)}`;
}
