import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RenderOnceOptions, renderOnce } from '../../src/verwalter/render/render-once.ts';
import { type RenderHost, renderHost } from './render-host.ts';

let host: RenderHost;
beforeEach(() => {
  host = renderHost();
  host.put('config/templates/t/conf.hbs', 'value {{value}} of {{role}}\n');
  host.commands(`commands:
- !Copy { dest: ${host.root}/out }
- !Check [grep, -q, value, ${host.root}/out]
`);
});
afterEach(() => host.remove());

const run = async (options: Partial<RenderOnceOptions>) => {
  const said = { out: '', err: '' };
  const code = await renderOnce(
    {
      configDir: join(host.root, 'config'),
      logDir: join(host.root, 'log'),
      storageDir: join(host.root, 'storage'),
      ...{ dryRun: false, all: false, diff: false },
      ...options,
    },
    {
      version: '1.2.3',
      lithosSwitch: ['/bin/false'],
      print(text) {
        said.out += text;
      },
      complain(text) {
        said.err += `${text}\n`;
      },
    },
  );
  return { code, ...said };
};

const variables = (more: object = {}): string =>
  JSON.stringify({ role: 'r', template: 't', deployment_id: 'd', verwalter_version: 'v1.2.3', value: 1, ...more });

describe('verwalter render', () => {
  it('renders a role, runs its commands and logs them', async () => {
    expect(await run({ vars: variables() })).toEqual({ code: 0, out: '', err: '' });
    expect(host.get('out')).toBe('value 1 of r\n');
    expect(host.get('log/r/latest')).toMatch(/d ------------ r: RoleStart -.*\+value 1 of r.*r: RoleFinish/s);
  });

  it('has an exit code for each thing that can be wrong, and touches nothing', async () => {
    const codes = async (options: Partial<RenderOnceOptions>) => {
      const { code, err } = await run(options);
      return [code, err.trim()];
    };
    expect(await codes({})).toEqual([2, expect.stringContaining('variables are missing')]);
    expect(await codes({ vars: '{' })).toEqual([3, expect.stringContaining('VARS_JSON')]);
    expect(await codes({ varsFile: '/no/such' })).toEqual([3, expect.stringContaining('/no/such')]);
    expect(await codes({ vars: variables({ deployment_id: 7 }) })).toEqual([
      3,
      expect.stringContaining('deployment_id'),
    ]);
    expect(await codes({ vars: variables({ role: '../x' }) })).toEqual([3, expect.stringContaining('not a role name')]);
    expect(await codes({ vars: variables({ template: undefined }) })).toEqual([4, expect.stringContaining('template')]);
    expect(await codes({ vars: variables({ template: '../t' }) })).toEqual([
      4,
      expect.stringContaining('below templates/'),
    ]);
    expect(await codes({ vars: variables({ verwalter_version: 'v0' }) })).toEqual([
      5,
      expect.stringContaining('restart'),
    ]);
    expect(await codes({ vars: variables({ value: undefined }) })).toEqual([10, expect.stringContaining('value')]);
    expect(await codes({ vars: variables({ template: 'none' }) })).toEqual([10, expect.stringContaining('ENOENT')]);
    expect(existsSync(join(host.root, 'out'))).toBe(false);
    host.commands(`commands:\n- !Copy { dest: ${host.root}/out }\n- !Cmd [false]\n`);
    expect(await codes({ vars: variables() })).toEqual([20, expect.stringContaining('!Cmd false: exit code 1')]);
    host.commands(`commands:\n- !Copy { dest: ${host.root}/out }\n- !Check [false]\n`);
    expect(await codes({ vars: variables() })).toEqual([21, expect.stringContaining('!Check false: exit code 1')]);
    expect(existsSync(join(host.root, 'out'))).toBe(false);
    host.put('config/sandbox/a.yaml', 'nonsense: 1\n');
    expect(await codes({ vars: variables() })).toEqual([3, expect.stringContaining('a.yaml:1: nonsense: unknown key')]);
  });

  it('says that its log could not be written, having done its work', async () => {
    host.put('log', 'a file where the folder should be');
    expect(await run({ vars: variables() })).toMatchObject({ code: 81, err: expect.stringContaining('log: ') });
    expect(host.get('out')).toBe('value 1 of r\n');
  });

  it('prints what a dry run and a check of a folder would write and run', async () => {
    const dry = await run({ vars: variables(), dryRun: true });
    expect(dry.out).toBe(
      `+++ template start: conf.hbs -> (conf) +++\nvalue 1 of r\n+++ template end: conf.hbs +++\n!Copy (conf) ${host.root}/out\n!Check grep -q value ${host.root}/out\n`,
    );
    const check = await run({ vars: '{"value": 2}', check: join(host.root, 'config/templates/t') });
    expect(check).toMatchObject({ code: 0, out: expect.stringContaining('value 2 of t\n') });
    expect(existsSync(join(host.root, 'out'))).toBe(false);
    expect(existsSync(join(host.root, 'log'))).toBe(false);
  });

  it('renders all roles of a node beside the live files, and tells how those would change', async () => {
    host.put('out', 'value 0 of r\n');
    const schedule = JSON.stringify({
      nodes: { h: { roles: { r: { template: 't', value: 5 }, bad: {}, worse: { template: 't' } } } },
    });
    mkdirSync(join(host.root, 'all'));
    const all = await run({ all: true, schedule, node: 'h', out: join(host.root, 'all'), diff: true });
    expect(all.out).toContain('-value 0 of r\n+value 5 of r\n');
    expect(all.err).toMatch(/bad: no template\nworse: conf\.hbs.*value/);
    expect(host.get('all/r.txt')).toContain('value 5 of r');
    expect(all.code).toBe(10);
    expect(host.get('out')).toBe('value 0 of r\n');
    expect((await run({ all: true, schedule })).code).toBe(2);
  });

  it('is a command of the program', () => {
    const bin = join(import.meta.dirname, '../../bin/stellwerk.js');
    const words = ['verwalter', 'render', '-C', join(host.root, 'config/templates/t'), '{"value": "x"}'];
    const ran = spawnSync(process.execPath, [bin, ...words], { encoding: 'utf8' });
    expect(ran).toMatchObject({ status: 0, stdout: expect.stringContaining('value x of t') });
    expect(spawnSync(process.execPath, [bin, 'verwalter', 'render', '--nope'], { encoding: 'utf8' }).status).toBe(2);
  });
});
