import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkConfigDir, scheduleOnce } from '../../src/verwalter/check.ts';
import { renderOnce } from '../../src/verwalter/render/render-once.ts';

// A configuration folder as the manual of the original verwalter describes one: it has to work as it is.

const files: Readonly<Record<string, string>> = {
  'scheduler/v1/main.lua': `
local func = require "func_tools"
local function scheduler(state)
  local version = "v1.2"
  local meta = state.runtime.django[version].daemons
  local schedule = {
    vars = { cluster = "main" },
    roles = {
      django = { template = "django/v1", title = "Django", frontend = { kind = "version" } },
      celery = { template = "celery/v1" },
    },
    nodes = {},
    state = { django = { version = version, running = version } },
  }
  local hosts = { state.current_host }
  for _, peer in pairs(state.peers) do table.insert(hosts, peer.hostname) end
  for _, host in func.each(hosts) do
    schedule.nodes[host] = { roles = {
      django = { daemons = { django = {
        key = "django", image = meta.django.image, config = meta.django.config, instances = 2 } } },
      celery = { daemons = { celery = {
        key = "celery", image = meta.celery.image, config = meta.celery.config, instances = 1 } } },
    } }
  end
  local json = require "json"
  return json.encode(schedule), "placed " .. #hosts .. " hosts"
end
return { scheduler = scheduler }
`,
  'scheduler/v1/func_tools.lua': 'local T = {}\nfunction T.each(list) return ipairs(list) end\nreturn T\n',
  'runtime/django/v1.2/daemons.yaml': `
django: { image: django-v1.2, config: /config/django.yaml, update: { restart: smooth } }
celery: { image: django-v1.2, config: /config/celery.yaml }
`,
  'runtime/django/v1.2/timestamp.txt': '1500000000\n',
  'runtime/django/v1.1.json': '{"daemons": {}}',
  'templates/django/v1/processes.render.yaml': `
templates:
  processes: lithos.yaml.hbs
  parts: nginx-parts.hbs
  keep: keep.txt.hbs
commands:
- !Cmd [lithos_check, --sandbox, "{{ role }}", --alternate-config, "{{ files.processes }}"]
- !RootCommand [lithos_switch, "{{ role }}", "{{ files.processes }}"]
- !SplitText
  section: '^-- ([\\w.-]+) --$'
  validate: '^[\\w.-]+$'
  src: "{{ templates.parts }}"
  dest: ROOT/out/nginx/(*).conf
  mode: 0o644
- !CleanFiles
  pattern: ROOT/out/old/(*).conf
  keep-list: "{{ files.keep }}"
- !Condition
  dirs-changed: [ROOT/out/nginx]
  commands:
  - !RootCommand [nginx, -s, reload]
- !PeekLog "stderr/{{ role }}.log"
`,
  'templates/django/v1/lithos.yaml.hbs': `{{#each daemons}}
{{ @key }}:
  kind: Daemon
  image: {{ image }}
  config: {{ config }}
  instances: {{ instances }}
{{/each}}
# {{ verwalter_version }} {{ deployment_id }}
`,
  'templates/django/v1/nginx-parts.hbs': '{{#each daemons}}\n-- {{ @key }} --\n# {{ ../cluster }}\n{{/each}}\n',
  'templates/django/v1/keep.txt.hbs': '{{#each daemons}}{{ @key }}\n{{/each}}',
  'templates/celery/v1/celery.render.yaml': `
templates: { main: celery.handlebars }
commands:
- !Copy { dest: ROOT/out/celery.yaml }
- !Sh "true {{ role }}"
`,
  'templates/celery/v1/celery.handlebars':
    '{{ daemons.celery.image }} x {{ daemons.celery.instances }} on {{ node }}\n',
  'sandbox/log.yaml': 'log-dirs:\n  stderr: ROOT/log/stderr\n',
  'machine/disk.yaml': 'kind: ssd\n',
};

let root: string;
let config: string;
const put = (path: string, text: string): void => {
  const file = join(config, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text.replaceAll('ROOT', root));
};
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'verwalter-original-'));
  config = join(root, 'config');
  for (const [path, text] of Object.entries(files)) put(path, text);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const round = async (): Promise<string> => {
  const peers = { ['b'.repeat(32)]: { id: 'b'.repeat(32), hostname: 'n2', name: 'n2.example.org' } };
  const runtime = {
    django: {
      'v1.2': {
        daemons: {
          django: { image: 'django-v1.2', config: '/config/django.yaml' },
          celery: { image: 'django-v1.2', config: '/config/celery.yaml' },
        },
      },
    },
  };
  const input = { now: 1, current_host: 'n1', current_id: 'a'.repeat(32), parents: [], actions: {}, runtime, peers };
  writeFileSync(join(root, 'input.json'), JSON.stringify(input));
  const result = await scheduleOnce({ input: join(root, 'input.json'), configDir: config, verify: true });
  expect([result.error, result.warnings, result.log]).toEqual([null, [], 'placed 2 hosts']);
  const file = join(root, 'schedule.json');
  writeFileSync(file, result.text);
  return file;
};

describe('a configuration folder of the original', () => {
  it('is checked, decides and renders as it is', async () => {
    const file = await round();
    expect(await checkConfigDir(config, file)).toEqual({
      problems: [],
      seen: '2 scheduler file(s), templates celery/v1, django/v1',
    });
    const out = join(root, 'rendered');
    const said: string[] = [];
    const exit = await renderOnce(
      {
        ...{ scheduleFile: file, configDir: config, logDir: join(root, 'log'), storageDir: join(root, 'storage') },
        ...{ dryRun: false, all: true, node: 'n2', out, diff: false },
      },
      { version: '1.0.0', lithosSwitch: ['/bin/false'], print: () => {}, complain: (text) => said.push(text) },
    );
    expect([exit, said]).toEqual([0, []]);
    const django = readFileSync(join(out, 'django.txt'), 'utf8');
    expect(django).toContain(
      'django:\n  kind: Daemon\n  image: django-v1.2\n  config: /config/django.yaml\n  instances: 2',
    );
    expect(django).toContain('# v1.0.0 ');
    for (const word of ['lithos_check', 'lithos_switch', 'nginx', 'stderr/django.log']) expect(django).toContain(word);
    expect(readFileSync(join(out, 'celery.txt'), 'utf8')).toContain('django-v1.2 x 1 on n2');
  });

  it.each([
    [{ 'scheduler/v1/scheduler.wasm': '\0asm' }, 'scheduler.wasm: WebAssembly is not run; write scheduler/v1/main.lua'],
    [{ 'scheduler/v1/query.wasm': '\0asm' }, 'query.wasm: WebAssembly is not run; write scheduler/v1/query.lua'],
    [
      { 'scheduler/v1/main.lua': "return { schedule = function() return '{}', '' end }" },
      "the table has 'schedule'; the function must be named 'scheduler'",
    ],
    [
      { 'templates/django/v1/x.tera': '' },
      'django/v1/x.tera: templates in Tera are not rendered; write Handlebars in x.hbs',
    ],
    [{ 'templates/other/x.trm': '' }, 'other/x.trm: templates in Trimmer are not rendered; write Handlebars in x.hbs'],
    [{ 'templates/old/v1/web.vw.yaml': '' }, 'old/v1/web.vw.yaml: nothing reads it; call it web.render.yaml'],
    [{ 'sandbox/log.yaml': 'log-dir: {}\n' }, 'sandbox/log.yaml:1: log-dir: unknown key'],
    [
      {
        'templates/celery/v1/celery.render.yaml':
          'templates: { main: celery.handlebars }\ncommands:\n- !CmdCommand [x]\n',
      },
      'celery.render.yaml:3: ',
    ],
    [
      {
        'templates/celery/v1/celery.render.yaml':
          'templates: { main: celery.handlebars }\ncommands:\n- !Cmd [x, "{{ files.x }}"]\n',
      },
      'celery.render.yaml:3: ',
    ],
  ] as const)('is refused for %j with what to write instead', async (changed, message) => {
    for (const [path, text] of Object.entries(changed)) put(path, text);
    const { problems } = await checkConfigDir(config);
    expect(problems).toEqual([expect.stringContaining(message)]);
  });

  it('is checked against a schedule: roles without template, templates that miss a variable, on which nodes', async () => {
    const file = await round();
    put('templates/celery/v1/celery.handlebars', '{{ daemons.celery.memory }}');
    const schedule = JSON.parse(readFileSync(file, 'utf8'));
    schedule.nodes.n1.roles.stray = {};
    schedule.roles.gone = { template: 'gone/v1' };
    schedule.nodes.n2.roles.gone = {};
    writeFileSync(file, JSON.stringify(schedule));
    const { problems } = await checkConfigDir(config, file);
    expect(problems).toEqual([
      expect.stringMatching(/^.*schedule\.json: on n1, n2: role celery: celery\/v1\/celery\.handlebars: .*memory/),
      expect.stringContaining('schedule.json: on n1: role stray: no template'),
      expect.stringContaining('schedule.json: on n2: role gone: '),
    ]);
    writeFileSync(file, '{');
    expect((await checkConfigDir(config, file)).problems).toEqual([expect.stringContaining('schedule.json')]);
  });
});
