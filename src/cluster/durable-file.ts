import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * After a crash or a power cut the file is the old one or the new one, whole. Rejects with the system's error. Not for
 * two writers of one path at a time.
 */
export async function writeDurably(path: string, content: string | Uint8Array, mode = 0o640): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  // The rename itself is on disk only when its folder is.
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
