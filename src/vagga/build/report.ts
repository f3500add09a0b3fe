import { writeSync } from 'node:fs';
import type { BuildEvent } from './progress.ts';

let eventsFd: number | null = null;

/** By the builder, whose starter reads there; in any other process nobody does. */
export function reportTo(fd: number): void {
  eventsFd = fd;
}

/** Tells whoever started the builder how far it is. */
export function report(event: BuildEvent): void {
  if (eventsFd !== null) writeSync(eventsFd, `${JSON.stringify(event)}\n`);
}
