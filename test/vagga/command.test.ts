import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Volume } from '../../src/vagga/config/volumes.ts';
import { commandMaps } from '../../src/vagga/run/command.ts';
import { commandEnvironment, defaultPath, parseEnvironFile } from '../../src/vagga/run/environment.ts';
import { jobStep } from '../../src/vagga/run/job-control.ts';
import { type MountRequest, planMounts } from '../../src/vagga/run/mounts.ts';
import { commandWords, programCandidates, workFolder } from '../../src/vagga/run/words.ts';

describe('the environment of a command', () => {
  const none = {
    caller: {},
    proxies: true,
    environFile: new Map<string, string>(),
    container: new Map<string, string>(),
    command: new Map<string, string>(),
    propagate: [],
    settings: new Map<string, string>(),
    use: [],
    set: new Map<string, string | null>(),
  };

  it('has nothing of the caller but TERM and proxies', () => {
    const caller = { TERM: 'xterm', HOME: '/home/anna', PATH: '/own', http_proxy: 'http://proxy' };
    expect(commandEnvironment({ ...none, caller })).toEqual({
      TERM: 'xterm',
      PATH: defaultPath,
      http_proxy: 'http://proxy',
    });
    expect(commandEnvironment({ ...none, caller, proxies: false })).not.toHaveProperty('http_proxy');
  });

  it('takes each variable from the strongest layer that has it', () => {
    const layers = [
      { environFile: new Map([['X', 'file']]) },
      { container: new Map([['X', 'container']]) },
      { command: new Map([['X', 'command']]) },
      { propagate: ['X*'], caller: { X: 'propagated', VAGGAENV_X: 'prefixed' } },
      { settings: new Map([['X', 'settings']]) },
    ];
    const seen = layers.map((_, index) => {
      const some = Object.assign({}, none, ...layers.slice(0, index + 1));
      const { VAGGAENV_X: _dropped, ...caller } = some.caller as Record<string, string>;
      return commandEnvironment({ ...some, caller }).X;
    });
    expect(seen).toEqual(['file', 'container', 'command', 'propagated', 'settings']);
    const all = Object.assign({}, none, ...layers);
    expect(commandEnvironment(all).X).toBe('prefixed');
    expect(commandEnvironment({ ...all, use: ['X'] }).X).toBe('propagated');
    expect(commandEnvironment({ ...all, use: ['X'], set: new Map([['X', 'set']]) }).X).toBe('set');
    expect(commandEnvironment({ ...all, set: new Map([['X', null]]) })).not.toHaveProperty('X');
  });

  it('of a file is lines of KEY=value; another is told with its number', () => {
    expect(parseEnvironFile('A=1\n\nB="x y"\n', '/e')).toEqual({
      value: new Map([
        ['A', '1'],
        ['B', 'x y'],
      ]),
    });
    expect(parseEnvironFile('A=1\nnothing\n', '/e')).toEqual({
      problem: '/e:2: expected KEY=value, found "nothing"',
    });
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parseEnvironFile(text, '/e');
        return 'problem' in parsed || [...parsed.value.keys()].every((key) => key !== '' && !key.includes('='));
      }),
    );
  });
});

describe('the words of a command', () => {
  const shell = ['/bin/sh', '-c', '$cmdline', '--'];

  it('are those of a list with the arguments, or of the shell', () => {
    const list = { run: { kind: 'words', words: ['a'] }, acceptsArguments: null, defaultShell: shell } as const;
    expect(commandWords(list, ['b'])).toEqual({ words: ['a', 'b'] });
    const script = { run: { kind: 'shell', script: 'echo $1' }, acceptsArguments: true, defaultShell: shell } as const;
    expect(commandWords(script, ['b'])).toEqual({ words: ['/bin/sh', '-c', 'echo $1', '--', 'b'] });
    expect(commandWords({ ...script, acceptsArguments: null }, ['b'])).toHaveProperty('problem');
  });

  it('name a program that is looked for along PATH, unless they have its path', () => {
    expect(programCandidates('x', '/a:/b')).toEqual(['/a/x', '/b/x']);
    expect(programCandidates('./x', '/a:/b')).toEqual(['./x']);
  });

  it('start in the folder of the caller below /work', () => {
    expect(workFolder(null, '/p', '/p/sub')).toBe('/work/sub');
    expect(workFolder(null, '/p', '/pother')).toBe('/work');
    expect(workFolder('a/../b', '/p', '/p/sub')).toBe('/work/b');
    expect(workFolder('/srv', '/p', '/p/sub')).toBe('/srv');
  });
});

describe('the mounts of a command', () => {
  const request = (volumes: readonly (readonly [string, Volume])[]): MountRequest => ({
    root: '/image',
    volumes: new Map(volumes),
    resolvConf: '/etc/resolv.conf',
    hostsFile: null,
    unmaskedProc: true,
    places: {
      project: '/project',
      externalVolumes: new Map([['data', '/srv/data']]),
      cache: '/cache',
      volumes: '/volumes',
      programs: '/programs',
      roots: new Map(),
      initialising: new Set(['fresh']),
    },
    exists: () => true,
  });
  const mountsOf = (...volumes: readonly (readonly [string, Volume])[]) => {
    const plan = planMounts(request(volumes));
    if (plan.kind === 'problem') throw new Error(plan.problem);
    return plan;
  };

  it('are the system’s, then volumes by path, so that none hides one below it', () => {
    const { mounts } = mountsOf(
      ['/tmp/a', { tag: 'BindRW', value: '/work/a' }],
      ['/a', { tag: 'VaggaBin', value: null }],
    );
    const targets = mounts.map(({ target }) => target);
    expect(targets).toEqual([
      '/dev',
      '/dev/pts',
      '/proc',
      '/sys',
      '/work',
      '/a',
      '/run',
      '/run/shm',
      '/tmp',
      '/tmp/a',
      '/etc/resolv.conf',
    ]);
  });

  it('lead to the project and to external volumes only', () => {
    const source = (value: string) =>
      mountsOf(['/v', { tag: 'BindRO', value }]).mounts.find(({ target }) => target === '/v');
    expect(source('/work/sub')).toMatchObject({ source: '/project/sub', readonly: true });
    expect(source('/volumes/data/x')).toMatchObject({ source: '/srv/data/x' });
    expect(planMounts(request([['/v', { tag: 'BindRO', value: '/volumes/other' }]]))).toHaveProperty('problem');
  });

  it('have a persistent volume under its temporary name while it is filled', () => {
    const persistent = (name: string): Volume => ({
      tag: 'Persistent',
      value: { name, initCommand: null, ownerUid: 0, ownerGid: 0 },
    });
    expect(mountsOf(['/v', persistent('fresh')]).folders).toEqual([{ path: '/volumes/.tmp.fresh' }]);
    expect(mountsOf(['/v', persistent('old')]).folders).toEqual([{ path: '/volumes/old' }]);
  });

  it('of a cache folder never leave the cache', () => {
    for (const value of ['', '/abs', 'a/../../b']) {
      expect(planMounts(request([['/v', { tag: 'CacheDir', value }]]))).toHaveProperty('problem');
    }
  });
});

describe('ids of a command', () => {
  const map = [
    { inside: 0, outside: 1000, count: 1 },
    { inside: 1, outside: 100000, count: 10 },
  ];
  const ids = {
    maps: { uidMap: map, gidMap: map },
    userId: 0,
    groupId: 0,
    supplementaryGids: [],
    externalUserId: null,
  };

  it('with an outer id are a map of that one', () => {
    expect(commandMaps({ ...ids, userId: 7, externalUserId: 0 })).toEqual({
      uidMap: [{ inside: 7, outside: 1000, count: 1 }],
      gidMap: map,
    });
  });

  it('that the container has not are refused', () => {
    expect(commandMaps({ ...ids, userId: 11 })).toEqual({ problem: 'user id 11 is not mapped in the container' });
    expect(commandMaps({ ...ids, supplementaryGids: [12] })).toHaveProperty('problem');
  });
});

describe('job control', () => {
  const kinds = (...args: Parameters<typeof jobStep>) =>
    jobStep(...args).map((effect) => ('signal' in effect ? `${effect.kind} ${effect.signal}` : effect.kind));

  it('sends interrupts to the group and ends to the command', () => {
    expect(kinds({ kind: 'signal', signal: 'SIGINT' }, true)).toEqual(['signal-group SIGINT']);
    expect(kinds({ kind: 'signal', signal: 'SIGTERM' }, true)).toEqual(['signal-command SIGTERM']);
  });

  it('stops with the command, and hands the terminal over when it goes on in the foreground', () => {
    expect(kinds({ kind: 'stopped', by: 'stop' }, true)).toEqual(['stop-self']);
    expect(kinds({ kind: 'signal', signal: 'SIGCONT' }, true)).toEqual(['hand-over-terminal', 'signal-group SIGCONT']);
    expect(kinds({ kind: 'signal', signal: 'SIGCONT' }, false)).toEqual(['signal-group SIGCONT']);
  });

  it('gives the terminal to a command that asks for it, if it is ours to give', () => {
    expect(kinds({ kind: 'stopped', by: 'terminal-access' }, true)).toEqual([
      'hand-over-terminal',
      'signal-group SIGCONT',
    ]);
    expect(kinds({ kind: 'stopped', by: 'terminal-access' }, false)).toEqual(['stop-self']);
  });
});
