import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Over names and contents of a file or a whole folder; what is not there has a hash too. Used by `!Condition`. */
export const contentHash = (path: string): string => {
  const hash = createHash('sha256');
  const add = (current: string): void => {
    try {
      if (statSync(current).isDirectory()) {
        const names = readdirSync(current).sort();
        hash.update(`folder ${names.length}\n`);
        for (const name of names) {
          hash.update(`${Buffer.byteLength(name)} ${name}\n`);
          add(join(current, name));
        }
      } else {
        const bytes = readFileSync(current);
        hash.update(`file ${bytes.length}\n`).update(bytes);
      }
    } catch (error) {
      hash.update(`none ${(error as NodeJS.ErrnoException).code}\n`);
    }
  };
  add(path);
  return hash.digest('hex');
};
