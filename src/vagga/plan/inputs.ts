import { lstatSync, statSync } from 'node:fs';

/** How an input is looked at: what of it counts. */
export type Look =
  /** All, of what a path leads to; also that there is nothing. */
  | 'file'
  /** All, of the path itself, be it a symbolic link; also that there is nothing. */
  | 'entry'
  /** Which folder it is, not what is in it. */
  | 'folder'
  /** Whether it is there. */
  | 'exists';

export interface Input {
  readonly look: Look;
  /** Absolute. */
  readonly path: string;
  /** Whether it was there when it was about to be read: that something is gone has no time by which it could be told. */
  readonly existed: boolean;
}

/** More take as long to look at as Node takes to start. */
const mostInputs = 20_000;

/**
 * What the outcome of this process depends on. Like the log of a process it is one for all: whatever reads a file says so
 * at the place where it reads, and nothing in between has to pass it on or can forget to.
 */
const inputs = new Map<string, Input>();
const obstacles: string[] = [];

export function noteInput(look: Look, path: string, existed = isThere(look, path)): void {
  if (inputs.size < mostInputs) inputs.set(`${look} ${path}`, { look, path, existed });
  else if (inputs.size === mostInputs && !obstacles.includes(tooMany)) obstacles.push(tooMany);
}

const tooMany = `more than ${mostInputs} files go into it`;

/** Why the outcome of this process says nothing of the next. */
export function noteObstacle(why: string): void {
  obstacles.push(why);
}

export function notedInputs(): { readonly inputs: readonly Input[]; readonly obstacles: readonly string[] } {
  return { inputs: [...inputs.values()], obstacles: [...obstacles] };
}

function isThere(look: Look, path: string): boolean {
  try {
    return (
      (look === 'entry' || look === 'folder' ? lstatSync : statSync)(path, { throwIfNoEntry: false }) !== undefined
    );
  } catch {
    return false; // whoever reads it will tell
  }
}
