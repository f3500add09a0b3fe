import { failed, type Stop } from './outcome.ts';
import { byBytes, readProjectFile } from './project-file.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** A file of the project that holds a JSON object; absent is a failure like others. */
export function jsonFile(root: string, path: string): { readonly value: JsonObject } | Stop {
  const read = readProjectFile(root, path);
  if (read.kind === 'absent') return failed(`${path} does not exist`);
  if (read.kind === 'unreadable') return failed(read.message);
  try {
    const value: unknown = JSON.parse(read.bytes.toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return failed(`${path} is no JSON object`);
    return { value: value as JsonObject };
  } catch (error) {
    return failed(`${path} is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** JSON without blanks, keys in the order of their bytes: what is the same has the same text. */
export function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => byBytes(a, b));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${sortedJson(each)}`).join(',')}}`;
}
