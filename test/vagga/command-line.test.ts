import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shapesOf } from '../../src/vagga/command-line/built-in-shape.ts';
import { type BuiltInContext, builtIns } from '../../src/vagga/command-line/built-ins.ts';
import { optionsText, parseOptions, shellQuoted } from '../../src/vagga/command-line/command-options.ts';
import { complete } from '../../src/vagga/command-line/completion.ts';
import { parseGlobal } from '../../src/vagga/command-line/global-options.ts';
import { list, listForZsh, overview } from '../../src/vagga/command-line/listing.ts';
import { selectChildren, splitSelection } from '../../src/vagga/command-line/supervise-options.ts';
import { loadProject, type Project } from '../../src/vagga/config/project.ts';

const yaml = `
containers: { app: {}, _base: {} }
commands:
  test: !Command
    description: |
      Run tests
      of all kinds
    aliases: [t, check]
    container: app
    run: [pytest]
  _init: !Command { container: app, run: "true" }
  a-command-with-a-long-name: !Command { container: app, run: a, description: Long }
  serve: !Supervise
    description: Run all
    group: Servers
    children:
      web: !Command { container: app, tags: [svc], run: web }
      db: !Command { container: app, run: db }
`;

const projectOf = (text: string): Project => {
  const loaded = loadProject('/p', ['vagga.yaml'], () => Buffer.from(text));
  if (loaded.kind !== 'loaded') throw new Error(JSON.stringify(loaded));
  return loaded.project;
};
const project = projectOf(yaml);

describe('the list of commands', () => {
  it('has groups, descriptions of many lines, aliases, and nothing hidden', () => {
    expect(overview(project)).toBe(`Available commands:
    test                Run tests
                        of all kinds
                        (aliases: t, check)
    a-command-with-a-long-name
                        Long

Servers:
    serve               Run all
`);
  });

  it('is for programs with options', () => {
    const flags = { hidden: false, aliases: false, containers: false, verbose: false };
    expect(list(project, { ...flags, hidden: true, verbose: true })).toContain(
      '_init\n                    (from vagga.yaml)\n',
    );
    expect(list(project, flags)).not.toContain('aliases');
    expect(list(project, { ...flags, containers: true })).toBe('app\n');
    expect(listForZsh(project)).toBe('test:Run tests\na-command-with-a-long-name:Long\nserve:Run all\n');
  });
});

describe('options of vagga', () => {
  it('end at the first word', () => {
    const parsed = parseGlobal(['-E', 'A=b=c', '--environ', 'B', '-e', 'C', '--no-net', 'test', '-E', 'x']);
    expect(parsed).toMatchObject({
      kind: 'parsed',
      words: ['test', '-E', 'x'],
      options: { useEnv: ['C'], isolateNetwork: true, prerequisites: true, runMulti: false },
    });
    if (parsed.kind === 'parsed')
      expect(parsed.options.environ).toEqual(
        new Map([
          ['A', 'b=c'],
          ['B', null],
        ]),
      );
  });

  it('are refused with a reason', () => {
    expect(parseGlobal(['--nope'])).toMatchObject({
      kind: 'refused',
      code: 'arguments',
      message: "unknown option '--nope'",
    });
    expect(parseGlobal(['-e', 'a=b', 'x'])).toMatchObject({ kind: 'refused', code: 'config' });
  });
});

describe('options of a command', () => {
  const doc = optionsText(
    {
      name: 'serve',
      description: null,
      options:
        'Usage: vagga serve [options] [--port=<n>] [-v...] [<file>...]\n\nOptions:\n  --port <n>  Port [default: 9000]\n  -v          Tell more\n  --dry-run   Do nothing\n',
    },
    false,
  );

  it('come as variables, plain and as words for a shell', () => {
    const parsed = parseOptions('serve', doc, ['-vv', '--dry-run', '--port=80', 'a', "it's"]);
    if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
    expect(Object.fromEntries(parsed.environ)).toMatchObject({
      VAGGAOPT_PORT: '80',
      VAGGACLI_PORT: '--port 80',
      VAGGAOPT_V: '2',
      VAGGACLI_V: '-vv',
      VAGGAOPT_DRY_RUN: 'true',
      VAGGACLI_DRY_RUN: '--dry-run',
      VAGGAOPT_FILE: "a it's",
      VAGGACLI_FILE: "a 'it'\\''s'",
      VAGGAOPT_HELP: '',
    });
    expect(parsed.environ.has('VAGGAOPT_SERVE')).toBe(false);
  });

  it('have their defaults', () => {
    const parsed = parseOptions('serve', doc, []);
    expect(parsed.kind === 'options' && Object.fromEntries(parsed.environ)).toMatchObject({
      VAGGAOPT_PORT: '9000',
      VAGGAOPT_V: '',
      VAGGAOPT_DRY_RUN: '',
      VAGGACLI_FILE: '',
    });
  });

  it('give help, or say what is wrong', () => {
    expect(parseOptions('serve', doc, ['--help'])).toEqual({ kind: 'help', text: doc });
    expect(doc).toContain('vagga serve\n\nUsage:');
    const refused = parseOptions('serve', doc, ['--nope']);
    expect(refused.kind === 'refused' && refused.message).toMatch(/^Unknown flag: '--nope'\n\nUsage: vagga serve/);
  });

  it('of any text and words are read or refused', () => {
    const word = fc.oneof(
      fc.constantFrom('--port', '-v', '--', '--port=', '<a>', '[options]'),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.array(word, { maxLength: 5 }), (text, words) => {
        const parsed = parseOptions(
          'x',
          optionsText({ name: 'x', description: null, options: `Usage: vagga x ${text}` }, true),
          words,
        );
        expect(['options', 'help', 'refused']).toContain(parsed.kind);
      }),
    );
  });

  it('are quoted so that a shell reads them as they are', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\0')),
        (word) => {
          expect(execFileSync('sh', ['-c', `printf %s ${shellQuoted(word)}`]).toString()).toBe(
            Buffer.from(word).toString(),
          );
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('completion', () => {
  const context = { project, workDir: '', print: () => {}, end: () => {} } as unknown as BuiltInContext;
  const where = { project, builtIns: shapesOf(builtIns, context) };
  const offered = (before: readonly string[], current = '') => complete(where, before, current).map(({ word }) => word);

  it('offers commands and options, hidden ones only after their first letter', () => {
    expect(offered([], 't')).toEqual(['test', 't']);
    expect(offered([])).toEqual(expect.arrayContaining(['serve', 'test', '--no-build', '-E']));
    expect(offered([])).not.toContain('_init');
    expect(offered([], '_')).toEqual(expect.arrayContaining(['_init', '_list']));
  });

  it('does not offer twice what can be said once, nor anything for a value', () => {
    expect(offered(['--no-net'], '--')).not.toContain('--isolate-network');
    expect(offered(['-E', 'A=b'], '-')).toContain('-E');
    expect(offered(['-E'])).toEqual([]);
  });

  it('offers a supervised command what it reads: docopt texts have no flags of builds', () => {
    const offeredTo = (options: string) => {
      const command = `containers: { c: {} }\ncommands: { s: !Supervise { options: ${JSON.stringify(options)}, children: { a: !Command { container: c, run: a } } } }`;
      return complete({ ...where, project: projectOf(command) }, ['s'], '--').map(({ word }) => word);
    };
    expect(offered(['serve'], '--no')).toEqual(['--no-image-download', '--no-build', '--no-version-check']);
    expect(offeredTo('Usage: vagga s [options] [--port=<n>]')).toEqual(['--port', '--only', '--exclude', '--help']);
    expect(offeredTo('Usage: vagga s [--port=<n>]')).toEqual(['--port', '--help']);
  });

  it('knows what works in a capsule', () => {
    expect(offered(['_capsule'])).toEqual(['build', 'run', 'script', 'download']);
    expect(offered(['_capsule', 'build', '--force'])).toEqual(['--print-version', 'app', '_base']);
    expect(offered(['_capsule', 'run', 'app'])).toEqual([]);
    expect(offered(['_capsule', 'script', '--sha256'])).toEqual([]);
    expect(offered(['_capsule', 'script', '--sha256', 'x'], '--')).toEqual(['--refresh']);
  });

  it('knows children and tags of a supervised command, and containers of built-in ones', () => {
    expect(offered(['serve', '--only'])).toEqual(expect.arrayContaining(['web', 'db', 'svc']));
    expect(offered(['serve', '--only', 'web'])).not.toContain('web');
    expect(offered(['_list'], '--z')).toEqual(['--zsh']);
    expect(offered(['-m', 'test'], 's')).toEqual(['serve']);
  });
});

describe('vagga at a prompt', () => {
  let folder: string;
  const run = (cwd: string, ...args: readonly string[]) => {
    const bin = join(import.meta.dirname, '../../bin/stellwerk.js');
    return spawnSync(process.execPath, [bin, 'vagga', ...args], {
      cwd: join(folder, cwd),
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: folder },
    });
  };
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'vagga-prompt-')));
    write('p/vagga.yaml', yaml);
    write('p/deep/er/x', '');
    write('wrong/vagga.yaml', 'comands: {}\n');
    write('new/vagga.yaml', 'minimum-vagga: v99\n');
    write('typo/vagga.yml', '');
    write('set/vagga.yaml', yaml);
    write('set/.vagga/settings.yaml', 'storage-dir: /x\n');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('lists commands on stderr and exits 127', () => {
    expect(run('p')).toMatchObject({ status: 127, stdout: '', stderr: overview(project) });
  });

  it('finds the project from below', () => {
    expect(run('p/deep/er', '_base_dir').stdout).toBe(`${join(folder, 'p')}\n`);
    expect(run('p/deep/er', '_relative_work_dir').stdout).toBe('deep/er\n');
    expect(run('p', '_relative_work_dir').stdout).toBe('\n');
  });

  it('exits 126 where there is no project, a wrong one, one that wants more, or wrong settings', () => {
    expect(run('typo')).toMatchObject({ status: 126, stderr: expect.stringContaining('the name must be vagga.yaml') });
    expect(run('wrong')).toMatchObject({
      status: 126,
      stderr: 'vagga.yaml:1:1: comands: unknown key in vagga.yaml; did you mean commands?\n',
    });
    expect(run('new')).toMatchObject({ status: 126, stderr: 'Please upgrade vagga to at least "v99"\n' });
    expect(run('set')).toMatchObject({
      status: 126,
      stderr: expect.stringContaining('settings.yaml:1:1: storage-dir: unknown key'),
    });
  });

  it('refuses a command that is not there with 121, and bad options with 122', () => {
    expect(run('p', 'tset')).toMatchObject({
      status: 121,
      stderr: 'vagga: command tset not found and is not an alias; did you mean test?\n',
    });
    expect(run('p', '--nope')).toMatchObject({ status: 122 });
    expect(run('p', '_list', '--nope')).toMatchObject({ status: 122 });
  });

  it('says its version without a project', () => {
    expect(run('.', '--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^0\.8\.2 \(Stellwerk /) });
  });
});

describe('children of a supervise', () => {
  const child = (...tags: string[]) => ({ value: { tags } });
  const children = new Map([
    ['web', child('svc', 'http')],
    ['db', child('svc')],
    ['mail', child()],
  ]);
  const chosen = (only: string[], exclude: string[]) => [...selectChildren(children, { only, exclude }).keys()];

  it('are chosen by names and tags, where what shall run wins over what shall not', () => {
    expect(chosen([], [])).toEqual(['web', 'db', 'mail']);
    expect(chosen(['mail', 'http'], [])).toEqual(['web', 'mail']);
    expect(chosen(['svc'], ['db'])).toEqual(['web', 'db']);
    expect(chosen([], ['svc'])).toEqual(['mail']);
    expect(chosen(['none'], [])).toEqual([]);
  });

  it('are named among words that docopt reads', () => {
    const known = new Set(['web', 'db', 'svc']);
    const split = (...args: string[]) => splitSelection(args, known);
    expect(split('--only', 'web', 'db', '8080', '--exclude=svc', '-v')).toEqual({
      rest: ['8080', '-v'],
      selection: { only: ['web', 'db'], exclude: ['svc'] },
    });
    expect(split('--only', 'unknown', 'other')).toEqual({
      rest: ['other'],
      selection: { only: ['unknown'], exclude: [] },
    });
    expect(split('--only')).toEqual({ rest: ['--only'], selection: { only: [], exclude: [] } });
    expect(split('a', '--', '--only', 'web').rest).toEqual(['a', '--', '--only', 'web']);
  });

  it('leave every other word as it was', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('--only', '--exclude', '--', 'web', '--only=x'));
    fc.assert(
      fc.property(fc.array(word), (args) => {
        const { rest, selection } = splitSelection(args, new Set(['web']));
        const taken = args.length - rest.length;
        expect(taken).toBeGreaterThanOrEqual(0);
        const left = [...args];
        for (const each of rest) expect(left.splice(0, left.indexOf(each) + 1).at(-1)).toBe(each);
        expect(selection.only.length + selection.exclude.length).toBeLessThanOrEqual(taken);
      }),
    );
  });
});
