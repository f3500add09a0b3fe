import { hashText } from '../canonical.ts';

/** Modules that come with Stellwerk, `require "stellwerk/NAME"`: path → text. */
const library: Readonly<Record<string, string>> = {};

export const librarySource = (path: string): string | undefined =>
  Object.hasOwn(library, path) ? library[path] : undefined;

export const libraryHash: string = hashText(JSON.stringify(Object.entries(library)));
