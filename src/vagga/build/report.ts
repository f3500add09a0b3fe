import { writeSync } from 'node:fs';
import type { BuildEvent } from './progress.ts';

const eventsFd = 3;

/** Tells whoever started the builder how far it is. */
export function report(event: BuildEvent): void {
  writeSync(eventsFd, `${JSON.stringify(event)}\n`);
}
