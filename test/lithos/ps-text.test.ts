import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { surveyJson } from '../../src/lithos/ps/json.ts';
import { painter, printable, wantsColor } from '../../src/lithos/ps/paint.ts';
import { formatBytes, formatDuration } from '../../src/lithos/ps/quantities.ts';
import type { SurveyedContainer, SurveyedProgram, SurveyedTree } from '../../src/lithos/ps/survey.ts';
import { parseTold, type Told } from '../../src/lithos/ps/told.ts';
import { treesText } from '../../src/lithos/ps/tree-text.ts';

const program: SurveyedProgram = {
  pid: 22,
  processes: 2,
  threads: 5,
  rssBytes: 3 << 20,
  swapBytes: 0,
  startedAtMs: 1_700_000_000_000,
  upMs: 65_000,
  userMs: 10,
  systemMs: 20,
  childUserMs: 30,
  childSystemMs: 40,
};

const container = (name: string, programs: readonly SurveyedProgram[]): SurveyedContainer => {
  const [, sandbox = '', process = '', instance = ''] = /^(.+)\/(.+)\.(\d+)$/.exec(name) ?? [];
  return { name, sandbox, process, instance: Number(instance), knotPid: 20, programs };
};

const tree: SurveyedTree = {
  pid: 10,
  config: '/etc/a.yaml',
  stateDir: '/run/a',
  socket: null,
  upMs: 3_600_000,
  problems: [],
  containers: [container('box/web.0', [program]), container('box/web.1', [])],
};

const instance = (name: string, more: Readonly<Record<string, unknown>>): unknown => ({ name, image: 'app', ...more });

function told(containers: readonly unknown[], problems: readonly unknown[] = []): Told {
  const parsed = parseTold({ version: '1.2.3', containers, problems });
  if (parsed === null) throw new Error('no status');
  return parsed;
}

const text = (trees: Parameters<typeof treesText>[0], coloured = false): string =>
  treesText(trees, 1_000_000, painter(coloured));

describe('the tree for people', () => {
  it('is what /proc shows where nobody was asked', () => {
    expect(text([{ tree, answer: null }])).toBe(`tree 10  /etc/a.yaml  up 1 h
  box
    web
      .0  pid 22  up 1 min 5 s  [2/5]  3.0 MiB
      .1  <failing>  knot 20
`);
  });

  it('says more where the tree answers', () => {
    const answer = {
      kind: 'told',
      told: told(
        [
          instance('box/web.0', {
            phase: 'running',
            restarts: 1,
            adopted: true,
            lastEnd: { exitCode: 3, signal: null },
          }),
          instance('box/web.1', { phase: 'stopping', restarts: 2, lastEnd: { signal: 9, oomKilled: true } }),
          instance('box/web.2', { phase: 'waiting', nextStartAtMs: 1_003_000, lastEnd: { signal: 9 } }),
        ],
        [{ file: '/etc/p.yaml', line: 3, column: 1, key: 'web.image', message: 'missing' }],
      ),
    } as const;
    expect(text([{ tree, answer }])).toBe(`tree 10 (stellwerk 1.2.3)  /etc/a.yaml  up 1 h
  box
    web  app
      .0  pid 22  up 1 min 5 s  [2/5]  3.0 MiB  1 restart  adopted  last: exit code 3
      .1  <failing>  knot 20  stopping  2 restarts  last: out of memory, killed by the kernel
      .2  starts in 3 s  last: signal 9
problem: /etc/p.yaml:3:1: web.image: missing
`);
  });

  it('says in one line that the tree does not answer', () => {
    const lines = text([{ tree, answer: { kind: 'silent', reason: 'no answer for 500 ms' } }]).split('\n');
    expect(lines[1]).toBe('  only what /proc shows: no answer for 500 ms');
    expect(lines).toHaveLength(7);
  });

  it('lists containers whose tree has gone, and says where nothing runs', () => {
    const left = { ...tree, pid: null, config: null, upMs: null };
    expect(text([{ tree: left, answer: null }])).toMatch(/^no tree runs {2}\/run\/a\n {2}box\n/);
    expect(text([{ tree: { ...tree, containers: [] }, answer: null }])).toContain('\n  nothing runs\n');
    expect(text([])).toBe('no tree runs\n');
  });

  it('shows swap only where there is some', () => {
    const swapped = { ...tree, containers: [container('box/web.0', [{ ...program, swapBytes: 2048 }])] };
    expect(text([{ tree: swapped, answer: null }])).toContain('3.0 MiB + 2.0 KiB swap\n');
  });

  it('is the same with colour, but for the colour', () => {
    const coloured = text([{ tree, answer: null }], true);
    expect(coloured).toContain('\x1b[31m<failing>\x1b[0m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colour is made of them
    expect(coloured.replace(/\x1b\[\d+m/g, '')).toBe(text([{ tree, answer: null }]));
  });

  it('lets nothing of outside steer the terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (evil) => {
        const end = { failure: { message: `\x1b]0;${evil}` } };
        const answer = {
          kind: 'told',
          told: told(
            [instance('a/b.0', { phase: evil, image: evil, lastEnd: end })],
            [{ file: evil, message: '\x9b2J' }],
          ),
        } as const;
        const out = text([{ tree: { ...tree, config: evil, stateDir: evil }, answer }]);
        expect(out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
    );
  });
});

describe('the answer of a tree', () => {
  it('of any shape is understood in part or not at all', () => {
    const known = fc.record(
      {
        containers: fc.array(
          fc.oneof(
            fc.jsonValue(),
            fc.record({ name: fc.constant('a/b.1'), lastEnd: fc.jsonValue(), restarts: fc.jsonValue() }),
          ),
        ),
        problems: fc.jsonValue(),
        version: fc.jsonValue(),
      },
      { requiredKeys: ['containers'] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), known), (value) => {
        const parsed = parseTold(value);
        if (parsed !== null) expect(text([{ tree, answer: { kind: 'told', told: parsed } }])).toMatch(/^tree 10/);
      }),
      { numRuns: 1000 },
    );
    expect(parseTold({ containers: 3 })).toBeNull();
    expect(parseTold(null)).toBeNull();
    expect(parseTold({ containers: [{ name: '../x.0' }, 3, null] })?.containers).toEqual([]);
  });

  it('tells how a run ended', () => {
    const endOf = (lastEnd: unknown) => told([instance('a/b.0', { lastEnd })]).containers[0]?.lastEnd;
    expect(endOf({ exitCode: 3, signal: null, failure: null })).toBe('exit code 3');
    expect(endOf({ exitCode: null, signal: 15, failure: null })).toBe('signal 15');
    expect(endOf({ exitCode: null, signal: null, failure: null })).toBe('killed with its knot');
    expect(endOf({ exitCode: null, signal: 9, failure: null, oomKilled: false })).toBe('signal 9');
    expect(endOf({ exitCode: null, signal: null, failure: { message: 'bind: no' } })).toBe('bind: no');
    expect(endOf(null)).toBeNull();
  });
});

describe('the JSON document', () => {
  it('has the keys of the specification and no others', () => {
    expect(JSON.parse(surveyJson({ trees: [tree], problems: [] }))).toEqual({
      trees: [
        {
          pid: 10,
          config: '/etc/a.yaml',
          children: [
            {
              name: 'box/web.0',
              pid: 20,
              ok: true,
              processes: [
                {
                  pid: 22,
                  processes: 2,
                  threads: 5,
                  mem_rss: 3 << 20,
                  mem_swap: 0,
                  start_time: 1_700_000_000_000,
                  user_time: 10,
                  system_time: 20,
                  child_user_time: 30,
                  child_system_time: 40,
                },
              ],
            },
            { name: 'box/web.1', pid: 20, ok: false, processes: [] },
          ],
        },
      ],
    });
  });

  it('is not ok with two programs', () => {
    const two = { ...tree, containers: [container('box/web.0', [program, { ...program, pid: 23 }])] };
    expect(JSON.parse(surveyJson({ trees: [two], problems: [] })).trees[0].children[0].ok).toBe(false);
  });

  it('brings any path through a terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (config) => {
        const json = surveyJson({ trees: [{ ...tree, config }], problems: [] });
        expect(JSON.parse(json).trees[0].config).toBe(config);
        expect(json.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});

describe('quantities', () => {
  it('are short', () => {
    expect([0, 1023, 1024, 10_189, 10_190, 1_048_063, 1_048_064, 5 * 2 ** 30].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '10 KiB',
      '10 KiB',
      '1023 KiB',
      '1.0 MiB',
      '5.0 GiB',
    ]);
    expect([0, 400, 59_400, 60_000, 61_000, 3_600_000, 3_661_000, 90_000_000].map(formatDuration)).toEqual([
      '0 s',
      '0 s',
      '59 s',
      '1 min',
      '1 min 1 s',
      '1 h',
      '1 h 1 min',
      '1 d 1 h',
    ]);
    expect(formatDuration(-5)).toBe('0 s');
  });
});

describe('colour', () => {
  it('is for terminals, unless NO_COLOR or an option says otherwise', () => {
    expect(wantsColor('auto', undefined, true)).toBe(true);
    expect(wantsColor('auto', '', true)).toBe(true);
    expect(wantsColor('auto', '1', true)).toBe(false);
    expect(wantsColor('auto', undefined, false)).toBe(false);
    expect(wantsColor('always', '1', false)).toBe(true);
    expect(wantsColor('never', undefined, true)).toBe(false);
  });

  it('is not put around what cannot be printed', () => {
    expect(painter(true)('bad', '\x1b[2J')).toBe('\x1b[31m\ufffd[2J\x1b[0m');
    expect(printable('a\u202eb')).toBe('a\ufffdb');
  });
});
