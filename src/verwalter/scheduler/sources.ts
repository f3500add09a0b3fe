import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hashText } from '../canonical.ts';
import { libraryHash } from './library.ts';

export interface SchedulerSources {
  /** Path within scheduler/v1, as `a/b.lua` → text. */
  readonly files: Readonly<Record<string, string>>;
  /** SHA-256 over paths and texts, Stellwerk's own modules included: two leaders with the same hash decide alike. */
  readonly hash: string;
}

/** A source file is written by a person. */
const maxSourceBytes = 4 * 1024 * 1024;

const wasmTwins: ReadonlyMap<string, string> = new Map([
  ['scheduler.wasm', 'scheduler/v1/main.lua, which returns { scheduler = function(input) … end }'],
  ['query.wasm', 'scheduler/v1/query.lua, which returns { init, render_roles, query }'],
]);

/** Reads `<configDir>/scheduler/v1` whole; throws an Error that names the file. */
export const readSources = (configDir: string): SchedulerSources => readTree(join(configDir, 'scheduler', 'v1'));

/** Reads the folder of a main.lua whole; throws an Error that names the file. */
export const readTree = (root: string): SchedulerSources => {
  const files: Record<string, string> = {};
  const walk = (folder: string, prefix: string): void => {
    for (const name of readdirSync(folder).sort()) {
      if (name.startsWith('.')) continue;
      const path = join(folder, name);
      const stat = statSync(path);
      if (stat.isDirectory()) walk(path, `${prefix}${name}/`);
      else if (prefix === '' && wasmTwins.has(name)) {
        // The original would run it in the place of Lua: not to is no choice to make in silence.
        const twin = wasmTwins.get(name);
        throw new Error(`${path}: WebAssembly is not run; write ${twin} instead, then take this file away`);
      } else if (name.endsWith('.lua')) {
        if (stat.size > maxSourceBytes) throw new Error(`${path}: larger than ${maxSourceBytes} bytes`);
        files[`${prefix}${name}`] = readFileSync(path, 'utf8');
      }
    }
  };
  walk(root, '');
  if (files['main.lua'] === undefined) throw new Error(`${join(root, 'main.lua')}: there is no such file`);
  return sourcesOf(files);
};

/** `files` in the order of their names, as they are read. */
export const sourcesOf = (files: SchedulerSources['files']): SchedulerSources => ({
  files,
  hash: hashText(JSON.stringify([Object.entries(files), libraryHash])),
});
