import { renameSync, writeFileSync } from 'node:fs';
import { startJournal } from '../../../src/verwalter/render/file-journal.ts';

// Writes a file again and again, each time all of it with a number, and tells each number once it has been written.
const [dest = '', how] = process.argv.slice(2);
const rights = { mode: null, uid: null, gid: null };

for (let number = 1; ; number++) {
  const bytes = Buffer.from(`${String(number).padStart(15)}\n`.repeat(4096));
  if (how === 'without-sync') {
    writeFileSync(`${dest}.tmp`, bytes);
    renameSync(`${dest}.tmp`, dest);
  } else {
    startJournal().write(dest, bytes, rights);
  }
  process.stdout.write(`${number}\n`);
}
