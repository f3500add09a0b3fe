import { type ConfigProblem, formatProblem, sortProblems } from '../../config/problem.ts';
import type { Command } from './command.ts';
import type { Container } from './container.ts';
import { type ReadVaggaFile, readVaggaFile } from './file.ts';
import type { ReadFile } from './include.ts';
import { referenceProblems } from './references.ts';
import { compatibleVersion, isAtLeast } from './vagga-version.ts';

/** All containers and commands of a project, mixins included (vagga 2.2). */
export interface Project {
  /** Absolute folder. */
  readonly root: string;
  /** The main file, relative to `root`; where there is none, the local mixin that marks the project. */
  readonly file: string;
  readonly containers: ReadonlyMap<string, Container>;
  readonly commands: ReadonlyMap<string, Command>;
  /** Which file, relative to `root`, each command comes from. */
  readonly commandFiles: ReadonlyMap<string, string>;
  /** Mixins that were left out, and why. */
  readonly warnings: readonly string[];
}

export type LoadedProject =
  | { readonly kind: 'loaded'; readonly project: Project }
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[]; readonly warnings: readonly string[] }
  | { readonly kind: 'too-old'; readonly needs: string };

/** Main files, the first that is there counts. */
export const mainFiles = ['.vagga/vagga.yaml', 'vagga.yaml'] as const;
/** Mixins of one's own, not to be committed; of two that have a name, the later in this list wins. */
export const localFiles = ['vagga.local.yaml', '.vagga.local.yaml', '.vagga/local.yaml'] as const;

const deepestMixin = 16;

interface Collected {
  readonly containers: Map<string, { readonly value: Container; readonly from: ReadVaggaFile }>;
  readonly commands: Map<string, { readonly value: Command; readonly from: ReadVaggaFile }>;
  readonly warnings: string[];
}

/**
 * Reads a project. `files` are those of `mainFiles` and `localFiles` that are there; `read` takes paths relative to
 * `root`. A mixin that is missing or has a mistake is left out with a warning; the main file must be without fault.
 */
export function loadProject(root: string, files: readonly string[], read: ReadFile): LoadedProject {
  const isEnough = (needs: string): boolean => isAtLeast(compatibleVersion, needs);
  const collected: Collected = { containers: new Map(), commands: new Map(), warnings: [] };
  const mainFile = mainFiles.find((file) => files.includes(file));
  const main = mainFile === undefined ? null : readVaggaFile(mainFile, read, isEnough);
  if (main?.kind === 'too-old') return { kind: 'too-old', needs: main.needs };
  if (main?.kind === 'refused') return { kind: 'refused', problems: main.problems, warnings: [] };

  // The weakest first.
  if (main !== null) addMixins(collected, main, read, isEnough, [main.file]);
  const locals = localFiles.filter((file) => files.includes(file));
  for (const file of locals) addMixin(collected, file, read, isEnough, []);
  if (main !== null) add(collected, main);

  const problems = referenceProblems(collected.containers, collected.commands);
  const { warnings } = collected;
  if (problems.length > 0) return { kind: 'refused', problems: sortProblems(problems), warnings };
  const values = <T>(found: ReadonlyMap<string, { readonly value: T }>): ReadonlyMap<string, T> =>
    new Map([...found].map(([name, { value }]) => [name, value]));
  return {
    kind: 'loaded',
    project: {
      root,
      file: mainFile ?? locals[0] ?? mainFiles[1],
      containers: values(collected.containers),
      commands: values(collected.commands),
      commandFiles: new Map([...collected.commands].map(([name, { from }]) => [name, from.file])),
      warnings,
    },
  };
}

type Loaded = Extract<ReadVaggaFile, { kind: 'loaded' }>;
type IsEnough = (needs: string) => boolean;

function addMixins(to: Collected, from: Loaded, read: ReadFile, isEnough: IsEnough, chain: readonly string[]): void {
  const folder = from.file.split('/').slice(0, -1);
  for (const mixin of from.value.mixins) addMixin(to, [...folder, mixin].join('/'), read, isEnough, chain);
}

function addMixin(to: Collected, file: string, read: ReadFile, isEnough: IsEnough, chain: readonly string[]): void {
  const why = tryMixin(to, file, read, isEnough, chain);
  if (why !== null) to.warnings.push(`mixin ${file} is left out: ${why}`);
}

/** Null: it was added. */
function tryMixin(
  to: Collected,
  file: string,
  read: ReadFile,
  isEnough: IsEnough,
  chain: readonly string[],
): string | null {
  if (chain.includes(file)) return 'it is a mixin of itself';
  if (chain.length > deepestMixin) return `more than ${deepestMixin} mixins within mixins`;
  const mixin = readVaggaFile(file, read, isEnough);
  switch (mixin.kind) {
    case 'too-old':
      return `it needs vagga ${mixin.needs}, this is ${compatibleVersion}`;
    case 'refused':
      return mixin.problems.map(formatProblem).join('\n  ');
    case 'loaded':
      addMixins(to, mixin, read, isEnough, [...chain, file]);
      add(to, mixin);
      return null;
    default:
      return mixin satisfies never;
  }
}

function add(to: Collected, from: Loaded): void {
  // Deleted first, so that what the main file says comes in the main file's order.
  for (const [name, value] of from.value.containers) {
    to.containers.delete(name);
    to.containers.set(name, { value, from });
  }
  for (const [name, value] of from.value.commands) {
    to.commands.delete(name);
    to.commands.set(name, { value, from });
  }
}
