// The Node program of vagga, for whoever waits at a prompt: one file, and what V8 has compiled of it before
// (scripts/vagga-program.mjs makes both). V8 refuses what another version of it compiled; it is compiled anew then.
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');

const filename = join(__dirname, '..', 'dist', 'vagga.cjs');
const compiled = `${filename}.cache`;

function read(file, encoding) {
  try {
    return readFileSync(file, encoding);
  } catch {
    return undefined;
  }
}

// esbuild writes ASCII.
const source = readFileSync(filename, 'latin1');
const compiling = process.env.STELLWERK_COMPILE_VAGGA !== undefined;
const script = new Script(source, { filename, cachedData: compiling ? undefined : read(compiled) });
script.runInThisContext()(require, filename);
if (compiling) process.on('exit', () => writeFileSync(compiled, script.createCachedData()));
