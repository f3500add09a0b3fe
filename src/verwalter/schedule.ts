import { hashJson, isObject, type JsonObject } from './canonical.ts';
import type { ScheduleStamp } from './ports.ts';

/** A schedule as it travels and is stored (spec/verwalter.md 3.3). */
export interface Schedule extends ScheduleStamp {
  readonly data: JsonObject;
}

/** 10 MiB: followers refuse larger bodies. */
export const maxScheduleBytes = 10 * 1024 * 1024;

export const stampOf = ({ timestamp, hash, origin }: ScheduleStamp): ScheduleStamp => ({ timestamp, hash, origin });

/** Checks a body that came from outside; `expected` is the hash that was asked for. */
export const readSchedule = (body: unknown, expected?: string): Schedule | { readonly error: string } => {
  if (!isObject(body)) return { error: 'not an object' };
  const { timestamp, hash, origin, data } = body;
  if (typeof timestamp !== 'number' || !Number.isSafeInteger(timestamp))
    return { error: 'timestamp: not a whole number' };
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return { error: 'hash: not 64 hex digits' };
  if (typeof origin !== 'string' || !/^[0-9a-f]{32}$/.test(origin)) return { error: 'origin: not 32 hex digits' };
  if (!isObject(data)) return { error: 'data: not an object' };
  if (expected !== undefined && hash !== expected) return { error: `hash: ${hash} where ${expected} was asked for` };
  try {
    if (hashJson(data) !== hash) return { error: 'data: does not have the hash it claims' };
  } catch (error) {
    return { error: `data: ${error instanceof Error ? error.message : String(error)}` };
  }
  return { timestamp, hash, origin, data };
};
