import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashJson, type JsonObject } from '../../src/verwalter/canonical.ts';
import { compileTemplates } from '../../src/verwalter/render/handlebars.ts';
import { runCommand } from '../../src/verwalter/render/process.ts';
import { type Renderer, startRenderer } from '../../src/verwalter/render/renderer.ts';
import type { Schedule } from '../../src/verwalter/schedule.ts';
import { skipped } from '../skipped.ts';

const hasNginx = spawnSync('nginx', ['-v'], { env: { PATH: '/usr/sbin:/usr/bin:/bin' } }).status === 0;

let root: string;
let renderer: Renderer | undefined;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'verwalter-render-'));
});
afterEach(async () => {
  await renderer?.stop();
  renderer = undefined;
  rmSync(root, { recursive: true, force: true });
});

const put = (path: string, text: string, mode = 0o644): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
};
const get = (path: string): string => readFileSync(join(root, path), 'utf8');

const start = (): Renderer => {
  // A stand-in for `lithos switch`: refuses a file with "bad", keeps the others and counts.
  put(
    'switch',
    `#!/bin/sh\ngrep -q bad "$2" && { echo "image: no such" >&2; exit 1; }\ncat "$2" > ${root}/live-$1\necho x >> ${root}/switched\n`,
    0o755,
  );
  renderer = startRenderer({
    hostname: 'h',
    version: '1.2.3',
    configDir: join(root, 'config'),
    storageDir: join(root, 'storage'),
    logDir: join(root, 'log'),
    lithosSwitch: [join(root, 'switch')],
    machine: () => ({}),
    logKeep: { ms: 1e9, bytes: 1e9 },
    onChange: () => {},
  });
  return renderer;
};

const scheduleOf = (data: JsonObject): Schedule => ({
  timestamp: 1_800_000_000_000,
  hash: hashJson(data),
  origin: 'a'.repeat(32),
  data,
});
const oneRole = (variables: JsonObject, role = 'r'): Schedule =>
  scheduleOf({ nodes: { h: { roles: { [role]: { template: 't', ...variables } } } } });

const settled = async (schedule: Schedule): Promise<ReturnType<Renderer['status']>> => {
  const active = renderer ?? start();
  active.render(schedule);
  for (let tries = 0; tries < 400; tries++) {
    const status = active.status();
    if (!status.running && status.renderedHash === schedule.hash) return status;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the render did not end');
};

const renderYaml = (commands: string, templates = 'conf: conf.hbs'): void =>
  put('config/templates/t/x.render.yaml', `templates: {${templates}}\ncommands:\n${commands}`);

describe('templates', () => {
  const render = (source: string, variables: unknown = {}): string =>
    compileTemplates({ 't.hbs': source }).render('t.hbs', variables);

  it('are strict, unescaped and have the helpers of the specification', () => {
    const variables = { list: [3, 1, 2], map: { b: 1, a: '<&>' }, n: 4, s: "it's" };
    expect(render('{{map.a}} {{json map}} {{quote s}} {{shell_quote s}}', variables)).toBe(
      `<&> {"a":"<&>","b":1} "it's" 'it'\\''s'`,
    );
    expect(render('{{join (sort list) "-"}} {{#each map}}{{@key}}{{/each}} {{join (keys map)}}', variables)).toBe(
      '1-2-3 ab a,b',
    );
    expect(
      render('{{#each (range 2)}}{{add this 10}},{{/each}}{{#if (and (gt n 3) (not (lt n 3)))}}yes{{/if}}', variables),
    ).toBe('10,11,yes');
    expect(render('{{default missing "d"}}{{#if (or (eq n 5) (ne n 5))}}x{{/if}}{{yaml list}}', variables)).toBe(
      'dx- 3\n- 1\n- 2',
    );
    expect(() => render('a\n{{missing}}')).toThrow('missing');
    expect(() => render('{{map.missing}}', variables)).toThrow('missing');
    expect(() => render('{{#if}}')).toThrow();
    expect(render('{{constructor}}', { constructor: 'own' })).toBe('own');
    expect(() => render('{{map.constructor.name}}', variables)).toThrow();
  });

  it('use one another by path', () => {
    const set = compileTemplates({ 'a/part.hbs': 'part of {{role}}', 'main.hbs': '{{> a/part.hbs}}' });
    expect(set.render('main.hbs', { role: 'r' })).toBe('part of r');
  });
});

describe('a command', () => {
  const options = { timeoutMs: 5000, cwd: '/' };
  it('runs without our environment, with nothing on stdin', async () => {
    const result = await runCommand(['/bin/sh', '-c', 'env; cat; echo err >&2; exit 3'], options);
    expect(result).toMatchObject({ ok: false, problem: 'exit code 3', output: expect.stringContaining('err') });
    expect(result.output).not.toMatch(/HOME=|VITEST/);
  });

  it('is killed with its whole group at its time-out', async () => {
    const started = performance.now();
    const result = await runCommand(['/bin/sh', '-c', 'sleep 98765 & sleep 98765'], { ...options, timeoutMs: 200 });
    expect(result).toMatchObject({ ok: false, problem: 'killed after 200 ms' });
    expect(performance.now() - started).toBeLessThan(3000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(processesRunning(['sleep', '98765'])).toEqual([]);
  });

  it('that does not exist is said to be so', async () => {
    expect(await runCommand(['/no/such'], options)).toMatchObject({
      ok: false,
      problem: expect.stringContaining('cannot start'),
    });
  });
});

describe('rendering a role', () => {
  it('writes its file, keeps one with the same bytes, and renders an unchanged role once', async () => {
    put('config/templates/t/conf.hbs', 'value {{value}} of {{role}} on {{node}}\n');
    renderYaml(`- !Copy { dest: ${root}/out, mode: 0640 }\n- !Cmd [/bin/sh, -c, "echo ran >> ${root}/ran"]\n`);
    expect(await settled(oneRole({ value: 1 }))).toMatchObject({ failedRoles: [] });
    expect(get('out')).toBe('value 1 of r on h\n');
    expect(statSync(join(root, 'out')).mode & 0o777).toBe(0o640);
    const { mtimeMs } = statSync(join(root, 'out'));
    await settled(scheduleOf({ ...oneRole({ value: 1 }).data, state: { more: 1 } }));
    expect(get('ran')).toBe('ran\n');
    renderer?.force();
    await expect.poll(() => get('ran')).toBe('ran\nran\n');
    expect(statSync(join(root, 'out')).mtimeMs).toBe(mtimeMs);
    await expect.poll(() => readdirSync(join(root, 'storage/render/work'))).toEqual([]);
    expect(renderer?.log('r').join('\n')).toContain('has these bytes already');
    expect(get('log/r/latest')).toContain('rendering schedule');
  });

  it('runs nothing when a later template fails', async () => {
    put('config/templates/t/conf.hbs', 'fine');
    put('config/templates/t/bad.hbs', '\n{{missing}}');
    renderYaml(`- !Cmd [/bin/sh, -c, "echo ran > ${root}/ran"]\n`, 'conf: conf.hbs, bad: bad.hbs');
    const status = await settled(oneRole({}));
    expect(status.failedRoles).toEqual(['r']);
    expect(status.roles[0]?.error).toContain('bad.hbs');
    expect(existsSync(join(root, 'ran'))).toBe(false);
  });

  it('puts a file back when a check fails, and renders the other roles', async () => {
    put('config/templates/t/conf.hbs', '{{value}}');
    renderYaml(
      `- !Copy { dest: "${root}/out-{{ role }}" }\n- !Check [grep, -q, good, "${root}/out-{{ role }}"]\n- !Cmd [/bin/sh, -c, "echo reload >> ${root}/reloads"]\n`,
    );
    const both = (value: string): Schedule =>
      scheduleOf({
        nodes: { h: { roles: { a: { template: 't', value }, b: { template: 't', value: 'good b' }, c: {} } } },
      });
    await settled(both('good a'));
    const status = await settled(both('evil'));
    expect(status.failedRoles).toEqual(['a', 'c']);
    expect([get('out-a'), get('out-b')]).toEqual(['good a', 'good b']);
    expect(get('reloads')).toBe('reload\nreload\n');
    expect(status.roles.map((role) => role.error)).toEqual([
      expect.stringContaining('x.render.yaml:4: !Check grep'),
      null,
      'no template',
    ]);
    expect(status.roles[0]?.retryAtMs).toBeGreaterThan(Date.now() + 5000);
  });

  it('puts the files back when the reload fails, and reloads with the old ones', async () => {
    put('config/templates/t/conf.hbs', '{{value}}');
    put('reload', `#!/bin/sh\ncat ${root}/out >> ${root}/seen\n! grep -q evil ${root}/out\n`, 0o755);
    renderYaml(`- !Copy { dest: ${root}/out }\n- !Cmd [${root}/reload]\n`);
    await settled(oneRole({ value: 'good;' }));
    expect((await settled(oneRole({ value: 'evil;' }))).failedRoles).toEqual(['r']);
    expect([get('out'), get('seen')]).toEqual(['good;', 'good;evil;good;']);
  });

  it('removes on failure a file that was not there before', async () => {
    put('config/templates/t/conf.hbs', 'x');
    renderYaml(`- !Copy { dest: ${root}/new }\n- !Cmd [false]\n`);
    await settled(oneRole({}));
    expect(existsSync(join(root, 'new'))).toBe(false);
  });

  it('runs the commands of a !Condition when its files changed, else not', async () => {
    put('config/templates/t/conf.hbs', '{{value}}');
    renderYaml(
      `- !Copy { dest: ${root}/dir/out }\n- !Condition\n  dirs_changed: [${root}/dir]\n  commands:\n  - !Cmd [/bin/sh, -c, "echo reload >> ${root}/reloads"]\n`,
    );
    mkdirSync(join(root, 'dir'));
    await settled(oneRole({ value: 1 }));
    await settled(oneRole({ value: 1, other: 2 }));
    expect(get('reloads')).toBe('reload\n');
  });

  it('hands lithos a file, and the last good one again when something after it fails', async () => {
    put('config/templates/t/conf.hbs', '{{value}}');
    renderYaml(
      `- !Lithos { sandbox: box, src: "{{ files.conf }}" }\n- !Check [/bin/sh, -c, "! grep -q worse ${root}/live-box"]\n`,
    );
    await settled(oneRole({ value: 'one' }));
    expect(get('live-box')).toBe('one');
    const refused = await settled(oneRole({ value: 'bad' }));
    expect(refused.roles[0]?.error).toContain('image: no such');
    expect(get('live-box')).toBe('one');
    await settled(oneRole({ value: 'worse' }));
    expect(get('live-box')).toBe('one');
  });

  it('renders a role that left the node once more, as removed, also after a restart', async () => {
    put('config/templates/t/conf.hbs', '{{#if removed}}removed {{/if}}{{daemons.web.instances}}');
    renderYaml('- !Lithos { sandbox: "{{ role }}", src: "{{ files.conf }}" }\n');
    await settled(oneRole({ daemons: { web: { instances: 4 } } }));
    expect(get('live-r')).toBe('4');
    await renderer?.stop();
    start();
    expect((await settled(scheduleOf({}))).roles).toEqual([]);
    expect(get('live-r')).toBe('removed 0');
    await settled(scheduleOf({ x: 1 }));
    expect(get('switched')).toBe('x\nx\n');
  });

  it('reports a role that cannot be removed as orphaned or failed, and one that never came to a command not at all', async () => {
    put('config/templates/t/conf.hbs', '{{#if removed}}{{missing}}{{/if}}x');
    renderYaml('- !Lithos { sandbox: "{{ role }}", src: "{{ files.conf }}" }\n');
    await settled(oneRole({}));
    expect((await settled(scheduleOf({}))).failedRoles).toEqual(['r']);
    put('config/templates/t/conf.hbs', '{{missing}}');
    await settled(oneRole({}, 'never'));
    expect((await settled(scheduleOf({}))).failedRoles).toEqual(['r']);
  });

  it('does not let a hung command hold it up', async () => {
    put('config/templates/t/conf.hbs', 'x');
    renderYaml('- !Cmd [sleep, 60]\n');
    put('config/sandbox/limits.yaml', 'command-timeout: 0.15\n');
    start();
    const status = await settled(oneRole({}));
    expect(status.roles[0]?.error).toContain('killed after 150 ms');
  });

  it('renders again when a template was repaired, without waiting', async () => {
    put('config/templates/t/conf.hbs', '{{missing}}');
    renderYaml(`- !Copy { dest: ${root}/out }\n`);
    await settled(oneRole({}));
    put('config/templates/t/conf.hbs', 'repaired');
    renderer?.recheck();
    await expect.poll(() => existsSync(join(root, 'out'))).toBe(true);
    expect(renderer?.status().failedRoles).toEqual([]);
  });
});

const noNginx = skipped(hasNginx, 'the router of the quickstart', 'nginx is missing (apt-get install nginx-light)');
describe.skipIf(noNginx)('the router of the quickstart', () => {
  const upstream = [{ host: '127.0.0.1', port: 18_100 }];
  it('is checked by nginx before it takes the place of the old one', async () => {
    cpSync(join(import.meta.dirname, '../../examples/quickstart/templates/router'), join(root, 'config/templates/t'), {
      recursive: true,
    });
    const prefix = join(root, 'h/nginx');
    for (const kind of ['client', 'proxy', 'fastcgi', 'uwsgi', 'scgi'])
      mkdirSync(join(prefix, 'temp', kind), { recursive: true });
    const port = 20_000 + (process.pid % 10_000);
    put(
      'h/nginx/nginx.conf',
      `daemon on; pid nginx.pid; error_log error.log; events {} http { access_log off; server { listen 127.0.0.9:${port}; return 404; } }`,
    );
    const nginx = (...args: string[]): Buffer =>
      execFileSync('nginx', ['-q', '-p', `${prefix}/`, '-e', 'stderr', '-c', join(prefix, 'nginx.conf'), ...args], {
        env: { PATH: '/usr/sbin:/usr/bin:/bin' },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
    nginx();
    try {
      const role = { listen: `127.0.0.9:${port}`, as_root: process.getuid?.() === 0, upstream };
      const status = await settled(oneRole(role));
      expect(status.roles[0]?.error ?? null).toBeNull();
      expect(get('h/nginx/nginx.conf')).toContain('server 127.0.0.1:18100');
      // Reloaded: no web listens, so the router says 502 where it said 404.
      await expect.poll(async () => (await fetch(`http://127.0.0.9:${port}/`)).status, { timeout: 5000 }).toBe(502);
      const before = get('h/nginx/nginx.conf');
      const refused = await settled(oneRole({ ...role, listen: 'not an address' }));
      expect(refused.roles[0]?.error).toContain('!Cmd nginx: exit code 1');
      expect(get('h/nginx/nginx.conf')).toBe(before);
    } finally {
      nginx('-s', 'stop');
    }
  });
});

/** Pids whose command line is this, proc_pid_cmdline(5). */
function processesRunning(words: readonly string[]): string[] {
  const wanted = words.map((word) => `${word}\0`).join('');
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') === wanted;
    } catch {
      return false;
    }
  });
}
