import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json: the same from `src/` (tests) and from the bundle in `dist/`. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('stellwerk: no package.json above the program, the installation is broken');
    folder = parent;
  }
  return folder;
}

/** Loads `build/Release/NAME.node`; the error says how to build it. */
export function loadAddon(name: 'container' | 'hash' | 'scanner'): unknown {
  const file = join(packageRoot(), 'build', 'Release', `${name}.node`);
  if (!existsSync(file)) throw new Error(`stellwerk: ${file} is missing; build it with: npm run install`);
  // What require does in the end, without looking for package.json on the way: a person may be waiting.
  const loaded = { exports: {} };
  process.dlopen(loaded, file);
  return loaded.exports;
}
