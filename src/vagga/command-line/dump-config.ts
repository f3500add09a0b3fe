import type { Project } from '../config/project.ts';
import type { Settings } from '../settings.ts';

/** The whole configuration as JSON: what was read, with all defaults in place. */
export function dumpConfig({ root, file, containers, commands, commandFiles }: Project, settings: Settings): string {
  return `${JSON.stringify({ root, file, containers, commands, commandFiles, settings }, plain, 2)}\n`;
}

const plain = (_: string, value: unknown): unknown => (value instanceof Map ? Object.fromEntries(value) : value);
