import type { Json, JsonObject } from '../verwalter/canonical.ts';
import { isObject } from '../verwalter/canonical.ts';
import type { Schedule } from '../verwalter/schedule.ts';
import type { QueuedAction } from '../verwalter/state.ts';

/** What a person asks of the simulated cluster: a version of a role. `key` is the request's own. */
export interface Choice {
  readonly key: string;
  readonly role: string;
  readonly version: string;
}

export interface Decision {
  readonly data: JsonObject;
  readonly answers: Readonly<Record<string, unknown>>;
}

export type Decide = (parents: readonly Schedule[], actions: readonly QueuedAction[], nowMs: number) => Decision;

export interface Chosen {
  readonly version: string;
  readonly stamp: number;
}

/** Nobody's choice, which any person's choice is newer than. */
const byDefault: Chosen = { version: 'v1', stamp: 0 };
const roles = ['web', 'db', 'cache'] as const;

/** The smallest scheduler with something to lose: merges as spec/verwalter.md 4.7 says, the newest choice wins. */
export const mergeByStamp: Decide = (parents, actions, nowMs) => {
  const chosen = new Map<string, Chosen>(roles.map((role) => [role, byDefault]));
  const done = new Set<string>();
  for (const { data } of parents) {
    for (const role of roles) {
      const theirs = choiceIn(data, role);
      const ours = chosen.get(role) ?? byDefault;
      if (isNewer(theirs, ours)) chosen.set(role, theirs);
    }
    for (const key of doneIn(data)) done.add(key);
  }
  const answers: Record<string, unknown> = {};
  for (const { id, value } of actions) {
    const choice = value as unknown as Choice;
    const stamp = Math.max(Math.floor(nowMs), (chosen.get(choice.role)?.stamp ?? 0) + 1);
    chosen.set(choice.role, { version: choice.version, stamp });
    done.add(choice.key);
    answers[String(id)] = 'chosen';
  }
  const choices = Object.fromEntries([...chosen].map(([role, { version, stamp }]) => [role, { version, stamp }]));
  return { data: { state: { choices, done: [...done].sort() } }, answers };
};

/** Of two choices in one millisecond, any will do, as long as all take the same. */
export const isNewer = (a: Chosen, b: Chosen): boolean =>
  a.stamp > b.stamp || (a.stamp === b.stamp && a.version > b.version);

export function choiceIn(data: JsonObject, role: string): Chosen {
  const choice = member(member(member(data, 'state'), 'choices'), role);
  const version = member(choice, 'version');
  const stamp = member(choice, 'stamp');
  return typeof version === 'string' && typeof stamp === 'number' ? { version, stamp } : byDefault;
}

export function doneIn(data: JsonObject): readonly string[] {
  const done = member(member(data, 'state'), 'done');
  return Array.isArray(done) ? (done as string[]) : [];
}

const member = (value: Json | undefined, key: string): Json | undefined => (isObject(value) ? value[key] : undefined);
