import { asList, asNumber, asRecord, asText, type JsonRecord, member } from './json.ts';

/** What a schedule's data says to a person. */
export interface Decision {
  readonly changes: readonly string[];
  readonly notes: readonly Note[];
  readonly reasons: readonly Placement[];
  readonly requestsPerMinute: number | null;
  readonly thresholdPerMinute: number | null;
  /** How many times the normal load the load generator makes. */
  readonly loadFactor: number | null;
}

export interface Note {
  readonly level: 'error' | 'warning';
  /** "role on node" or "" */
  readonly where: string;
  readonly text: string;
}

export interface Placement {
  readonly role: string;
  readonly node: string;
  readonly reasons: readonly string[];
}

// The scheduler is configuration, so these names are a convention. First match wins, looked for in state, then roles,
// then vars, and nearer the top first.
const requestNames = ['requests_per_minute', 'requestsPerMinute'] as const;
const thresholdNames = ['threshold_per_minute', 'thresholdPerMinute', 'threshold'] as const;
const factorNames = ['load_factor', 'loadFactor', 'factor'] as const;

export function readDecision(data: unknown): Decision {
  return {
    changes: asList(member(data, 'changes')).map(asText).filter(isText),
    notes: [...readNotes(member(data, 'errors'), 'error'), ...readNotes(member(data, 'warnings'), 'warning')],
    reasons: readReasons(member(data, 'explain')),
    requestsPerMinute: findNumber(data, requestNames),
    thresholdPerMinute: findNumber(data, thresholdNames),
    loadFactor: findNumber(data, factorNames),
  };
}

const isText = (value: string | null): value is string => value !== null;

function readNotes(list: unknown, level: Note['level']): Note[] {
  return asList(list).flatMap((entry) => {
    const text = asText(entry) ?? asText(member(entry, 'text'));
    if (text === null) return [];
    const where = [asText(member(entry, 'role')), asText(member(entry, 'node'))].filter(isText).join(' on ');
    return [{ level, where, text }];
  });
}

function readReasons(explain: unknown): Placement[] {
  return Object.entries(asRecord(explain)).flatMap(([role, nodes]) =>
    Object.entries(asRecord(nodes)).flatMap(([node, entry]) => {
      const reasons = asList(member(entry, 'reasons')).map(asText).filter(isText);
      return reasons.length === 0 ? [] : [{ role, node, reasons }];
    }),
  );
}

/** Deep enough for state.ROLE.group.name, shallow enough to stay cheap on a large schedule. */
const searchDepth = 3;

function findNumber(data: unknown, names: readonly string[]): number | null {
  for (const section of ['state', 'roles', 'vars']) {
    let level: JsonRecord[] = [asRecord(member(data, section))];
    for (let depth = 0; depth < searchDepth && level.length > 0; depth += 1) {
      for (const name of names) {
        for (const record of level) {
          const value = asNumber(member(record, name));
          if (value !== null) return value;
        }
      }
      level = level.flatMap((record) => Object.values(record).map(asRecord));
    }
  }
  return null;
}
