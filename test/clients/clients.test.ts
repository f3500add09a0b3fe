import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseMeta } from '../../src/cantal/values-file.ts';
import { readFileOrPid } from '../../src/cantal/values-paths.ts';
import { packageRoot } from '../../src/native/load.ts';
import { createScanner } from '../../src/native/scanner.ts';
import { skipped } from '../skipped.ts';

interface Vector {
  readonly metrics: readonly { readonly type: string; readonly labels: Readonly<Record<string, string>> }[];
  readonly meta: string;
  readonly values: string;
}

const vectors = join(packageRoot(), 'clients/vectors');
const vectorOf = (name: string) => JSON.parse(readFileSync(join(vectors, name), 'utf8')) as Vector;
const hasPython = spawnSync('python3', ['--version']).error === undefined;
const programs = [
  { language: 'Node.js', words: [process.execPath, join(import.meta.dirname, 'programs/export.mjs')] },
  ...(skipped(hasPython, 'the Python client', 'python3 is missing (apt-get install python3)')
    ? []
    : [{ language: 'Python', words: ['python3', join(import.meta.dirname, 'programs/export.py')] }]),
];

let folder = '';
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clients-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a program until it says that it exports. */
async function launch(words: readonly string[], ...more: readonly string[]) {
  const [program = '', ...rest] = words;
  const env = { PATH: process.env.PATH, CANTAL_PATH: join(folder, 'app') };
  const child = spawn(program, [...rest, ...more], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const said = async (word: string) => {
    const [bytes] = (await once(child.stdout, 'data')) as [Buffer];
    expect(bytes.toString()).toBe(`${word}\n`);
  };
  await said('ready');
  return {
    pid: child.pid ?? 0,
    async change() {
      child.stdin.write('\n');
      await said('changed');
    },
    async end(signal?: NodeJS.Signals) {
      const gone = once(child, 'exit');
      if (signal === undefined) child.stdin.end();
      else child.kill(signal);
      await gone;
    },
  };
}

describe.each(programs)('the $language client', ({ words }) => {
  it.each(readdirSync(vectors))('writes %s to the byte', async (name) => {
    const { meta, values } = vectorOf(name);
    await launch(words, join(vectors, name));
    expect(readFileSync(join(folder, 'app.meta'), 'utf8')).toBe(meta);
    expect(readFileSync(join(folder, 'app.values')).toString('hex')).toBe(values);
    expect(parseMeta(Buffer.from(meta))).toMatchObject({ kind: 'meta', meta: { skipped: [] } });
    for (const file of ['app.meta', 'app.values']) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o644);
    expect(existsSync(join(folder, 'app.tmp'))).toBe(false);
  });

  it('is read by the scanner and by the command line, and its changes are seen by the next scan', async () => {
    const program = await launch(words, join(vectors, 'kinds.json'));
    const scanner = createScanner();
    const pid = String(program.pid);
    const seen = () => {
      scanner.scanOnce();
      const { unsigned, signed, float, fresh } = scanner.snapshot();
      const own = scanner.keysSince(0).filter(({ id, labels }) => labels.pid === pid && fresh[id] === 1);
      const of = (metric: string) => own.find(({ labels }) => labels.metric === metric)?.id ?? -1;
      const states = scanner.states().filter(({ labels }) => labels.pid === pid);
      return {
        requests: unsigned[of('requests')],
        queue: signed[of('queue')],
        heat: float[of('heat')],
        states: states.map(({ labels, since, text }) => [labels.state, since, text]),
      };
    };
    expect(seen()).toEqual({
      requests: 2n ** 64n - 1n,
      queue: -5n,
      heat: 36.6,
      states: [
        ['short', 1_700_000_000_000, 'gräßli'],
        ['worker', 1_700_000_000_000, 'waiting'],
      ],
    });
    await program.change();
    expect(seen()).toMatchObject({ requests: 0n, queue: -6n, heat: 0.5 });
    expect(seen().states.map(([, since]) => since)).toEqual([0, 0]);
    const [result] = readFileOrPid(pid, '/proc');
    expect(result).toMatchObject({ kind: 'values', warnings: [] });
    expect(result?.kind === 'values' && result.values).toHaveLength(6);
  });

  it('takes its files along when it ends, and a new start replaces those of one that was killed', async () => {
    const first = await launch(words, join(vectors, 'kinds.json'));
    await first.end('SIGKILL');
    expect(readdirSync(folder).sort()).toEqual(['app.meta', 'app.values']);
    const inode = statSync(join(folder, 'app.values')).ino;
    const second = await launch(words, join(vectors, 'empty.json'));
    expect(statSync(join(folder, 'app.values')).size).toBe(0);
    await second.end();
    expect(readdirSync(folder)).toEqual([]);
    expect(inode).toBeGreaterThan(0);
  });
});

describe('the packages', () => {
  const folderOf = (language: string) => join(packageRoot(), 'clients', language);
  it('for npm holds the program, its types, README and license, and nothing else', () => {
    const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json'], { cwd: folderOf('node'), encoding: 'utf8' });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    expect(files.map(({ path }) => path).sort()).toEqual(
      ['LICENSE', 'README.md', 'index.d.ts', 'index.js', 'layout.js', 'package.json'].sort(),
    );
  });

  it.skipIf(!hasPython)('for pip is Python 3.9, has one version, and types for all that it offers', () => {
    const script = `
import ast, re
folder = "stellwerk_cantal/"
trees = {name: ast.parse(open(folder + name).read(), feature_version=(3, 9)) for name in ("__init__.py", "layout.py", "__init__.pyi")}
names = lambda tree: {node.name for node in tree.body if hasattr(node, "name")}
offered = next(ast.literal_eval(n.value) for n in trees["__init__.py"].body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__")
assert set(offered) <= names(trees["__init__.pyi"]), offered
version = re.search('^version = "(.*)"', open("pyproject.toml").read(), re.M)[1]
import stellwerk_cantal
assert stellwerk_cantal.__version__ == version
print("fine")
`;
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    const ran = spawnSync('python3', ['-c', script], { cwd: folderOf('python'), encoding: 'utf8', env });
    expect(ran).toMatchObject({ stdout: 'fine\n', stderr: '' });
  });
});

describe.skipIf(!hasPython)('the Python client', () => {
  it('leaves the files of its parent alone when a forked child ends', async () => {
    await launch(['python3', join(import.meta.dirname, 'programs/export.py')], join(vectors, 'kinds.json'), '--fork');
    expect(readdirSync(folder).sort()).toEqual(['app.meta', 'app.values']);
  });

  it('lays any metrics out as the one for Node.js does, and refuses what that refuses', async () => {
    // The package is plain JavaScript with types of its own for the public part only.
    const node = (await import('../../clients/node/layout.js' as string)) as {
      layout(metrics: readonly object[]): { readonly meta: string; readonly offsets: number[]; readonly size: number };
    };
    const metric = fc.record({
      type: fc.constantFrom('counter', 'signed', 'float', 'state'),
      size: fc.integer({ min: 8, max: 200 }),
      labels: fc.dictionary(fc.string({ maxLength: 6 }), fc.oneof(fc.string({ unit: 'grapheme' }), fc.nat()), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
    });
    const cases = fc
      .sample(fc.array(metric, { maxLength: 6 }), { numRuns: 300, seed: 3 })
      .map((all) => all.map((each) => (each.type === 'state' ? each : { ...each, size: 8 })));
    const program = [
      'import sys, json; from stellwerk_cantal.layout import layout',
      'out = []',
      'for case in json.load(sys.stdin):',
      '    try: out.append(list(layout([(m["type"], m["size"], m["labels"]) for m in case])))',
      '    except (TypeError, ValueError): out.append(None)',
      'print(json.dumps(out))',
    ].join('\n');
    const { stdout, stderr } = spawnSync('python3', ['-c', program], {
      cwd: join(packageRoot(), 'clients/python'),
      input: JSON.stringify(cases),
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const ours = cases.map((each) => {
      try {
        const { meta, offsets, size } = node.layout(each);
        return [meta, offsets, size];
      } catch {
        return null;
      }
    });
    expect(JSON.parse(stdout)).toEqual(ours);
    const sound = ours.flatMap((each) => (each === null ? [] : [each]));
    expect(sound.length).toBeGreaterThan(20);
    for (const [meta, , size] of sound) {
      expect(parseMeta(Buffer.from(String(meta)))).toMatchObject({
        kind: 'meta',
        meta: { totalSize: size, skipped: [] },
      });
    }
  });
});

describe.each([
  { language: 'Node.js', readme: 'clients/node/README.md', fence: 'js' },
  { language: 'Python', readme: 'clients/python/README.md', fence: 'python' },
])('the README of the $language client', ({ readme, fence }) => {
  it.skipIf(fence === 'python' && !hasPython)('has an example that runs', () => {
    const text = readFileSync(join(packageRoot(), readme), 'utf8');
    const code = new RegExp(`\`\`\`${fence}\n([^]*?)\`\`\``).exec(text)?.[1] ?? '';
    expect(code).toContain('requests');
    const [program, source, cwd] =
      fence === 'js'
        ? [
            [process.execPath, '--input-type=module', '-e'],
            code.replace('@stellwerk/cantal', join(packageRoot(), 'clients/node/index.js')),
            folder,
          ]
        : [['python3', '-c'], code, join(packageRoot(), 'clients/python')];
    const [command = '', ...rest] = program;
    const env = { PATH: process.env.PATH, CANTAL_PATH: join(folder, 'app') };
    const { status, stdout, stderr } = spawnSync(command, [...rest, source], { cwd, env, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe(`${join(folder, 'app')}\n`);
    expect(readdirSync(folder)).toEqual([]);
  });
});
