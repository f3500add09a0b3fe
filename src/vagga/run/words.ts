import type { Run } from '../config/common.ts';
import { defaultPath } from './environment.ts';

export interface CommandLine {
  readonly run: Run;
  /** Key `accepts-arguments`; null: a list does, a text does not. */
  readonly acceptsArguments: boolean | null;
  readonly defaultShell: readonly string[];
}

/** The words to execute; a `problem` is exit code 122. */
export function commandWords(
  { run, acceptsArguments, defaultShell }: CommandLine,
  args: readonly string[],
): { readonly words: readonly string[] } | { readonly problem: string } {
  const accepts = acceptsArguments ?? run.kind === 'words';
  if (!accepts && args.length > 0) return { problem: `unexpected argument "${args[0]}": the command takes none` };
  if (run.kind === 'words') return { words: [...run.words, ...args] };
  return { words: [...defaultShell.map((word) => (word === '$cmdline' ? run.script : word)), ...args] };
}

/** Where the program of that name may be, as execvp(3) looks. */
export function programCandidates(name: string, path: string = defaultPath): readonly string[] {
  if (name.includes('/')) return [name];
  return path.split(':').map((folder) => `${folder === '' ? '.' : folder}/${name}`);
}

/** The folder inside: `workDir` is below /work; without one it is the caller's own, where that is in the project. */
export function workFolder(workDir: string | null, project: string, caller: string): string {
  const normal = (parts: readonly string[]): string => {
    const kept: string[] = [];
    for (const part of parts) {
      if (part === '..') kept.pop();
      else if (part !== '' && part !== '.') kept.push(part);
    }
    return `/${kept.join('/')}`;
  };
  if (workDir?.startsWith('/')) return normal(workDir.split('/'));
  if (workDir !== null) return normal(['work', ...workDir.split('/')]);
  if (caller === project || caller.startsWith(`${project}/`)) {
    return normal(['work', ...caller.slice(project.length).split('/')]);
  }
  return '/work';
}
