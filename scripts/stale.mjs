// "Is this output older than what it is made of?" by content, so that a fresh clone, a branch switch and a
// touched file are all judged rightly.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './run.mjs';

function* filesBelow(path) {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) {
    yield path;
    return;
  }
  for (const name of readdirSync(path).sort()) yield* filesBelow(join(path, name));
}

function digest(inputs) {
  const hash = createHash('sha256');
  // The addons and the bundle belong to one Node ABI and one machine.
  hash.update(`${process.versions.modules} ${process.arch}\n`);
  for (const input of inputs) {
    for (const file of filesBelow(join(root, input))) hash.update(file).update('\0').update(readFileSync(file));
  }
  return hash.digest('hex');
}

/** Calls `make` unless every output is there and was made from these very inputs. Says which it did. */
export function makeIfStale(name, { inputs, outputs, make }) {
  const stamp = join(root, 'build', 'stamps', name);
  const current = digest(inputs);
  const fresh =
    outputs.every((output) => existsSync(join(root, output))) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === current;
  if (fresh) return false;
  make();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, current);
  return true;
}
