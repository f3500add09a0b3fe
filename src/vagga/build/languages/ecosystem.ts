import type { PackageNames } from '../distro/packages.ts';

// What a step of a language needs of its root, and what it runs there: each ecosystem's file decides it, steps.ts does it.

export interface Needs {
  /** Stay in the image. */
  readonly keep: PackageNames;
  /** Only while it is built: headers, compilers, version control. */
  readonly build: PackageNames;
}

/** Path inside → folder of the build cache. */
export type Caches = ReadonlyMap<string, string>;

/** What a program is started with besides its words. !Env has the last word. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string>>;
  readonly caches: Caches;
}

export const nothing: PackageNames = { debian: [], alpine: [] };

export const isNothing = (names: PackageNames): boolean => names.debian.length === 0 && names.alpine.length === 0;

export const together = (...all: readonly PackageNames[]): PackageNames => ({
  debian: [...new Set(all.flatMap((names) => names.debian))],
  alpine: [...new Set(all.flatMap((names) => names.alpine))],
});

export const compilers: PackageNames = { debian: ['build-essential'], alpine: ['build-base'] };
export const git: PackageNames = { debian: ['git', 'ca-certificates'], alpine: ['git'] };
export const mercurial: PackageNames = { debian: ['mercurial', 'ca-certificates'], alpine: ['mercurial'] };
export const subversion: PackageNames = { debian: ['subversion', 'ca-certificates'], alpine: ['subversion'] };
