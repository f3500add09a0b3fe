import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../src/native/container.ts';
import { noOptions, parseGlobal } from '../../src/vagga/command-line/global-options.ts';
import { conditionsOf, holds } from '../../src/vagga/plan/conditions.ts';
import { keep, trustedFolder } from '../../src/vagga/plan/folder.ts';
import { decodeValue, encodeValue } from '../../src/vagga/plan/kept-value.ts';
import { specWords } from '../../src/vagga/plan/spec-words.ts';
import { plainSpec } from '../../src/vagga/run/process.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vagga-plan-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As if the process had begun so much later that every file is old. */
const later = Date.now() + 3_600_000;

describe('what a plan depends on', () => {
  const input = (name: string, look: 'file' | 'entry' | 'exists', existed = true) => ({
    look,
    path: join(folder, name),
    existed,
  });
  const whole = (...inputs: Parameters<typeof conditionsOf>[0]) => {
    const looked = conditionsOf(inputs, later);
    if ('problem' in looked) throw new Error(looked.problem);
    return looked.conditions;
  };

  it('holds while nothing changes, and no longer when a file is replaced, comes or goes', () => {
    writeFileSync(join(folder, 'file'), 'abc');
    symlinkSync('file', join(folder, 'link'));
    const conditions = whole(
      input('file', 'file'),
      input('link', 'entry'),
      input('none', 'file', false),
      input('link', 'exists'),
    );
    expect(conditions.map(({ kind }) => kind)).toEqual(['file', 'entry', 'absent', 'exists']);
    expect(conditions.every(holds)).toBe(true);
    writeFileSync(join(folder, 'none'), '');
    expect(conditions.map(holds)).toEqual([true, true, false, true]);
    writeFileSync(join(folder, 'other'), 'abc');
    renameSync(join(folder, 'other'), join(folder, 'file'));
    unlinkSync(join(folder, 'link'));
    expect(conditions.map(holds)).toEqual([false, false, false, false]);
  });

  it('is not certain where a file is young, or came or went meanwhile', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(conditionsOf([input('file', 'file')], Date.now())).toEqual({
      problem: expect.stringContaining('less than 2 seconds'),
    });
    expect(conditionsOf([input('file', 'file', false)], later)).toEqual({
      problem: expect.stringContaining('came or went'),
    });
    expect(conditionsOf([input('none', 'file')], later)).toEqual({ problem: expect.stringContaining('came or went') });
  });

  it('is not certain on a file system whose times are not of this host', () => {
    expect(conditionsOf([{ look: 'file', path: '/proc/self/status', existed: true }], later)).toMatchObject({
      problem: expect.stringContaining('/proc/self/status'),
    });
  });
});

describe('the folder of plans', () => {
  it('is trusted where it is the user’s own alone and outside of the project', () => {
    const env = { XDG_CACHE_HOME: folder };
    const plans = join(folder, 'stellwerk/vagga-plans');
    expect(trustedFolder(env, '/nowhere')).toBe(null);
    expect(keep(plans, '/nowhere', 'a', Buffer.from('x'))).toBe(null);
    expect(trustedFolder(env, '/nowhere')).toBe(plans);
    expect(trustedFolder(env, folder)).toBe(null);
    expect(keep(plans, folder, 'a', Buffer.from('x'))).toContain('containers of the project');
    chmodSync(plans, 0o770);
    expect(trustedFolder(env, '/nowhere')).toBe(null);
  });

  it('is not made in the home of another user', () => {
    if (process.geteuid?.() === 0) chownSync(folder, 1, 1);
    const plans = process.geteuid?.() === 0 ? join(folder, 'a/b') : '/usr/a/b';
    expect(keep(plans, '/nowhere', 'a', Buffer.from('x'))).toContain('home of another user');
    expect(existsSync(join(plans, '..'))).toBe(false);
  });

  it('is not trusted where it is a link or there is no home', () => {
    mkdirSync(join(folder, 'stellwerk'));
    mkdirSync(join(folder, 'real'), { mode: 0o700 });
    symlinkSync('../real', join(folder, 'stellwerk/vagga-plans'));
    expect(trustedFolder({ XDG_CACHE_HOME: folder }, '/nowhere')).toBe(null);
    expect(trustedFolder({}, '/nowhere')).toBe(null);
    expect(trustedFolder({ HOME: 'relative' }, '/nowhere')).toBe(null);
  });
});

describe('a kept configuration', () => {
  type Value =
    | null
    | string
    | number
    | boolean
    | readonly Value[]
    | ReadonlyMap<Value, Value>
    | { readonly [key: string]: Value };
  const value = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Object.is(number, -0) ? 0 : number)),
      fc.boolean(),
      fc.array(tie('value')),
      fc.array(fc.tuple(tie('value'), tie('value'))).map((entries) => new Map(entries)),
      fc.dictionary(fc.string(), tie('value'), { noNullPrototype: true }),
    ),
  })).value;

  it('comes back as it was, through JSON', () => {
    fc.assert(
      fc.property(value, (given) => {
        const encoded = encodeValue(given);
        expect(encoded).not.toBe(undefined);
        if (encoded !== undefined) expect(decodeValue(JSON.parse(JSON.stringify(encoded)))).toEqual(given);
      }),
    );
  });

  it('is not kept with what JSON cannot say', () => {
    for (const odd of [undefined, Number.NaN, -0, 1n, new Set(), new Date(), () => 1, Symbol('x')]) {
      expect(encodeValue({ list: [new Map([['key', odd]])] })).toBe(undefined);
    }
  });
});

describe('the words of a spec', () => {
  const namespaces = { user: true, mount: true, pid: true, ipc: true, uts: false, cgroup: false, net: false };
  const spec = (change: Partial<ContainerSpec> = {}): ContainerSpec =>
    plainSpec({
      argv: ['sh'],
      env: {},
      cwd: '/',
      namespaces,
      root: '/r',
      mounts: [{ kind: 'proc', target: '/proc' }],
      ...change,
    });

  it('are there for what commands have', () => {
    expect(specWords(spec())).toMatchObject({
      words: expect.arrayContaining(['root', '/r', 'argv', 'sh', 'proc', '/proc', 'masked']),
    });
    expect(specWords(spec({ namespaces: { ...namespaces, net: true } }))).toMatchObject({
      words: expect.arrayContaining(['isolate-network']),
    });
  });

  it('are refused where there is more in it than they say', () => {
    const odd: readonly Partial<ContainerSpec>[] = [
      { writableRoot: true },
      { passedFds: [{ from: 4, to: 3 }] },
      { seccomp: 'default' },
      { rlimits: { nofile: 1 } },
      { cgroups: ['/x'] },
      { stdio: [0, 1, 1] },
      { hostname: 'x' },
      { namespaces: { ...namespaces, uts: true } },
      { namespaces: { ...namespaces, user: false } },
      { mounts: [{ kind: 'bind', source: '/a', target: '/b', readonly: true, exec: true, idMapped: true }] },
      { mounts: [{ kind: 'bind', source: '/a', target: '/b', readonly: true, exec: true, base: '/a' }] },
      { later: true } as Partial<ContainerSpec>,
    ];
    for (const change of odd) expect(specWords(spec(change)), JSON.stringify(change)).toHaveProperty('problem');
  });
});

describe('a command line that begins without an option', () => {
  it('has the options that Commander finds in none', () => {
    expect(parseGlobal(['run', '--not', 'ours'])).toEqual({
      kind: 'parsed',
      words: ['run', '--not', 'ours'],
      options: noOptions,
    });
    // An option that only takes a variable away makes Commander read the rest.
    const { environ: _, ...read } = (parseGlobal(['-E', 'X', 'run']) as { options: typeof noOptions }).options;
    const { environ: __, ...usual } = noOptions;
    expect(read).toEqual(usual);
  });
});
