import { spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { matchingFiles, pathPattern } from '../../src/verwalter/render/path-pattern.ts';
import { redactor } from '../../src/verwalter/render/redact.ts';
import { parseRenderFile } from '../../src/verwalter/render/render-yaml.ts';
import { readSandbox } from '../../src/verwalter/render/sandbox.ts';
import { splitText } from '../../src/verwalter/render/split-text.ts';
import { skipped } from '../skipped.ts';
import { type RenderHost, renderHost } from './render-host.ts';

let host: RenderHost;
beforeEach(() => {
  host = renderHost();
});
afterEach(() => host.remove());

const errorOf = async (variables = {}): Promise<string> => (await host.render(variables)).roles[0]?.error ?? '';

describe('!SplitText', () => {
  const yaml = () =>
    host.commands(`commands:
- !SplitText { section: '^\\[(.+)\\]$', validate: '^[a-z./]+$', dest: "${host.root}/out/(*).conf", mode: 0600 }
`);

  it('writes each part to its file, and removes those that are parts no more', async () => {
    mkdirSync(join(host.root, 'out'));
    host.put('out/old.conf', 'old');
    host.put('out/other.txt', 'not ours');
    host.put('config/templates/t/conf.hbs', '\n[a]\none\ntwo\n[b]\n{{value}}\n');
    yaml();
    expect(await errorOf({ value: 1 })).toBe('');
    expect(readdirSync(join(host.root, 'out')).sort()).toEqual(['a.conf', 'b.conf', 'other.txt']);
    expect([host.get('out/a.conf'), host.get('out/b.conf')]).toEqual(['one\ntwo\n', '1\n']);
    expect(statSync(join(host.root, 'out/a.conf')).mode & 0o777).toBe(0o600);
  });

  it('refuses a part that would leave its folder, before any write', async () => {
    mkdirSync(join(host.root, 'out'));
    host.put('config/templates/t/conf.hbs', '[a]\nfine\n[../x]\nevil\n');
    yaml();
    expect(await errorOf()).toMatch(/x\.render\.yaml:3: !SplitText .*line 3: "\.\.\/x" is no name/);
    expect(readdirSync(join(host.root, 'out'))).toEqual([]);
  });

  it('is put back as it was, removed files too, when a later command fails', async () => {
    host.put('out/old.conf', 'old');
    host.put('config/templates/t/conf.hbs', '[a]\none\n');
    host.commands(`commands:
- !SplitText { section: '^\\[(.+)\\]$', validate: '^[a-z]+$', dest: "${host.root}/out/(*).conf" }
- !Cmd [false]
`);
    expect(await errorOf()).toContain('!Cmd false: exit code 1');
    expect(readdirSync(join(host.root, 'out'))).toEqual(['old.conf']);
    expect(host.get('out/old.conf')).toBe('old');
  });

  it('loses no line of any text that it takes', () => {
    const name = fc.stringMatching(/^[a-z]{1,6}$/);
    const body = fc.array(fc.stringMatching(/^[^[\n]*$/), { maxLength: 4 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, body), { selector: ([key]) => key }), (parts) => {
        const text = parts.map(([key, lines]) => [`[${key}]`, ...lines].map((line) => `${line}\n`).join('')).join('');
        expect(splitText(text, /^\[(.+)\]$/u, /./u)).toEqual(
          parts.map(([key, lines]) => ({ name: key, text: lines.map((line) => `${line}\n`).join('') })),
        );
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parts = splitText(text, /^#(.*)$/u, /^.*$/u);
        if (!('problem' in parts)) for (const part of parts) expect(part.name).toMatch(/^[^./\0][^/\0]*$/u);
      }),
    );
  });
});

describe('!CleanFiles', () => {
  it('removes what matches and is not on its list, and nothing else', async () => {
    for (const path of ['a.conf', 'b.conf', '.hidden.conf', 'deep/c.conf', 'd.txt']) host.put(`out/${path}`, path);
    symlinkSync('/etc/passwd', join(host.root, 'out/link.conf'));
    host.put('config/templates/t/conf.hbs', 'a\nx\n');
    host.commands(`commands:
- !CleanFiles { pattern: "${host.root}/out/(*).conf", keep-list: "{{ files.conf }}" }
`);
    expect(await errorOf()).toBe('');
    expect(readdirSync(join(host.root, 'out')).sort()).toEqual([
      '.hidden.conf',
      'a.conf',
      'd.txt',
      'deep',
      'link.conf',
    ]);
  });

  it('removes nothing where its list is missing', async () => {
    host.put('out/a.conf', 'a');
    host.put('config/templates/t/conf.hbs', '');
    host.commands(`commands:\n- !CleanFiles { pattern: "${host.root}/out/(*).conf", keep_list: /no/such }\n`);
    expect(await errorOf()).toMatch(/ENOENT.*\/no\/such/);
    expect(host.get('out/a.conf')).toBe('a');
  });

  it('compares what stands in the parentheses', () => {
    const part = (pattern: string, path: string) => {
      const compiled = pathPattern(pattern);
      return 'problem' in compiled ? compiled.problem : compiled.match(path);
    };
    expect(part('/dir/(*).conf', '/dir/a.conf')).toBe('a');
    expect(part('/dir/(*.conf)', '/dir/a.conf')).toBe('a.conf');
    expect(part('/dir/(**/*.conf)', '/dir/x/y/a.conf')).toBe('x/y/a.conf');
    expect(part('/dir/(**/*.conf)', '/dir/a.conf')).toBe('a.conf');
    expect(part('/dir/(**)', '/dir/x/y')).toBe('x/y');
    expect(part('/dir/(*)', '/dir/x/y')).toBeNull();
    expect(part('/dir/(*)', '/dir/.x')).toBeNull();
    expect(part('/dir/(**/*)', '/dir/.git/x')).toBeNull();
    expect(part('/dir/a?(*)', '/dir/abc')).toBe('c');
    expect(part('/a.b/(*)', '/axb/c')).toBeNull();
    expect(part('/dir/*', '/dir/x')).toMatch(/parentheses/);
    expect(part('dir/(*)', '/dir/x')).toMatch(/not an absolute path/);
  });

  it('takes any pattern without an exception, and finds only what lies below its base', () => {
    const piece = fc.constantFrom('*', '**', '?', '/', 'a', '.', '[', '\\', '+', '|', '{', '$', '^', '-');
    fc.assert(
      fc.property(fc.array(piece), fc.array(piece), fc.string(), (before, inside, path) => {
        const compiled = pathPattern(`/x/${before.join('')}(${inside.join('')})`);
        if ('problem' in compiled) return;
        if (compiled.match(path) !== null) expect(path.startsWith('/x/')).toBe(true);
        expect(compiled.base.startsWith('/x')).toBe(true);
      }),
    );
    const none = pathPattern(`${host.root}/none/(*)`);
    if (!('problem' in none)) expect(matchingFiles(none).size).toBe(0);
  });
});

describe('!Atomic', () => {
  const yaml = (more = '') =>
    host.commands(`commands:
- !Atomic
  dest: ${host.root}/site
  commands:
  - !Copy { src: "{{ files.conf }}", dest: "{{ staging }}/main.conf" }
  - !Sh "echo {{ role }} > {{ staging }}/role; ! grep -q evil {{ staging }}/main.conf"
${more}`);

  it('swaps a whole folder by its link, and removes the one that was there', async () => {
    host.put('config/templates/t/conf.hbs', '{{value}}');
    yaml();
    expect(await errorOf({ value: 1 })).toBe('');
    const first = readlinkSync(join(host.root, 'site'));
    expect([host.get('site/main.conf'), host.get('site/role')]).toEqual(['1', 'r\n']);
    expect(await errorOf({ value: 2 })).toBe('');
    expect(host.get('site/main.conf')).toBe('2');
    expect(existsSync(join(host.root, first))).toBe(false);
    expect(readdirSync(host.root).filter((name) => name.startsWith('site')).length).toBe(2);
  });

  it('keeps the old folder when filling the new one fails, or something after it', async () => {
    host.put('config/templates/t/conf.hbs', '{{value}}');
    yaml('- !Check [sh, -c, "! grep -q bad $0", "{{ files.conf }}"]\n');
    await host.render({ value: 'good' });
    const link = readlinkSync(join(host.root, 'site'));
    for (const value of ['evil', 'bad']) {
      expect(await errorOf({ value })).not.toBe('');
      expect(readlinkSync(join(host.root, 'site'))).toBe(link);
      expect(host.get('site/main.conf')).toBe('good');
      expect(readdirSync(host.root).filter((name) => name.startsWith('site')).length).toBe(2);
    }
  });

  it('does not take the place of a folder that is no link', async () => {
    host.put('site/mine', 'mine');
    host.put('config/templates/t/conf.hbs', '');
    yaml();
    expect(await errorOf()).toMatch(/is there and is no link; move it away/);
    expect(lstatSync(join(host.root, 'site')).isDirectory()).toBe(true);
    expect(readdirSync(host.root).filter((name) => name.startsWith('site.'))).toEqual([]);
  });
});

describe('!Sh, !Signal, !PeekLog and conditions', () => {
  it('run a script that knows role and files, without our environment', async () => {
    host.put('config/templates/t/conf.hbs', 'x');
    host.commands(
      `commands:\n- !Sh |\n    test "$VW_FILES_CONF" = {{ files.conf }}\n    echo $VW_ROLE $VW_NODE $HOME > ${host.root}/out\n`,
    );
    expect(await errorOf()).toBe('');
    expect(host.get('out')).toBe('r h\n');
  });

  it('send a signal to the process of a pid file', async () => {
    const child = spawn('sleep', ['98766'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
    host.put('pid', `${child.pid}\n`);
    host.put('config/templates/t/conf.hbs', '');
    host.commands(`commands:\n- !Signal { pidfile: ${host.root}/pid, signal: usr1 }\n`);
    expect(await errorOf()).toBe('');
    expect(await ended).toBe('SIGUSR1');
    expect((await host.render({ again: 1 })).roles[0]?.error).toMatch(/!Signal SIGUSR1 .*ESRCH/);
    host.put('pid', 'nonsense');
    expect(await errorOf({ again: 2 })).toMatch(/holds no process id/);
  });

  it('note the length of a log that sandbox/ names, and never fail', async () => {
    host.put('config/sandbox/a.yaml', `log-dirs: { err: ${host.root}/err }\n`);
    host.put('err/r.log', '12345');
    host.put('config/templates/t/conf.hbs', '');
    host.commands(`commands:\n- !PeekLog "err/{{ role }}.log"\n- !PeekLog err/../secret\n- !PeekLog none/x\n`);
    expect(await errorOf()).toBe('');
    const index = host
      .get('log/.index/latest')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(index.filter(([, , , marker]) => marker === 'ExternalLog').map(([, , pointer]) => pointer)).toEqual([
      { variant: 'External', fields: ['err/r.log', 5] },
    ]);
  });

  it('run when a variable changed', async () => {
    host.put('config/templates/t/conf.hbs', '');
    host.commands(`commands:
- !Condition
  vars_changed: [daemons.web.image]
  commands:
  - !Sh "echo changed >> ${host.root}/ran"
`);
    await host.render({ daemons: { web: { image: 'a', instances: 1 } } });
    await host.render({ daemons: { web: { image: 'a', instances: 2 } } });
    expect(host.get('ran')).toBe('changed\n');
    await host.render({ daemons: { web: { image: 'b', instances: 2 } } });
    expect(host.get('ran')).toBe('changed\nchanged\n');
  });
});

describe('a render file', () => {
  const refusal = (yaml: string): string => {
    try {
      parseRenderFile('x.render.yaml', yaml);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  const one = (command: string) => refusal(`templates: {}\ncommands:\n- ${command}\n`);

  it('is refused with line and key before anything runs', () => {
    expect(refusal('templates: {}\ncomands: []\n')).toMatch(/^x\.render\.yaml:2: comands: unknown key/);
    expect(one('!Cmd []')).toMatch(/:3: commands\[0\] !Cmd: no program/);
    expect(one('!Cmd [a, "{{ nope }}"]')).toMatch(/:3: !Cmd: unknown name \{\{ nope \}\}/);
    expect(one('!Cmd [a, "{{ staging }}"]')).toMatch(/unknown name \{\{ staging \}\}/);
    expect(one('!Copy { dest: /a/ }')).toMatch(/dest: must name a file/);
    expect(one('!Copy { dest: /a, src: b, mode: 9 }')).toMatch(/mode: not an octal mode/);
    expect(one("!SplitText { section: 'x', validate: y, src: a, dest: '/(*)' }")).toMatch(/has no group/);
    expect(one("!SplitText { section: '(x', validate: y, src: a, dest: '/(*)' }")).toMatch(
      /section: .*[Uu]nterminated/,
    );
    expect(one("!SplitText { section: '(x)', validate: y, src: a, dest: /a }")).toMatch(/has \(\*\) once/);
    expect(one('!CleanFiles { pattern: /a, keep_list: b }')).toMatch(/pattern: .*parentheses/);
    expect(one('!Signal { pidfile: a, signal: NOPE }')).toMatch(/no signal NOPE/);
    expect(one('!Condition { commands: [] }')).toMatch(/vars_changed is needed/);
    expect(one('!Atomic { dest: a, commands: [!Atomic { dest: b }] }')).toMatch(/not within a !Atomic/);
    expect(one('!RootCmd [a]')).toMatch(/!RootCmd: unknown command/);
    expect(one('plain')).toMatch(/begins with a tag/);
    expect(refusal('templates: {}\ncommands: []\nrollback: maybe\n')).toMatch(/:3: rollback: true or false/);
  });

  it('of any bytes gives a file or an error with its name', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('!Cmd', '!Copy', '!Condition', '!Atomic', '!SplitText'), (text, tag) => {
        for (const yaml of [text, `templates: {}\ncommands:\n- ${tag} ${text}\n`]) {
          const said = refusal(yaml);
          if (said !== '') expect(said).toContain('x.render.yaml');
        }
      }),
    );
  });

  it('may leave what it wrote as it is', async () => {
    host.put('config/templates/t/conf.hbs', 'new');
    host.commands(`rollback: false\ncommands:\n- !Copy { dest: ${host.root}/out }\n- !Cmd [false]\n`);
    expect(await errorOf()).toContain('exit code 1');
    expect(host.get('out')).toBe('new');
  });
});

describe('sandbox/*.yaml', () => {
  it('bounds which programs start and which files are written', async () => {
    host.put('config/templates/t/conf.hbs', 'x');
    host.put('config/sandbox/a.yaml', `allowed-commands: [/usr/bin/tru*]\nwritable-paths: ["${host.root}/out/**"]\n`);
    mkdirSync(join(host.root, 'out'));
    host.commands(`commands:\n- !Cmd [true]\n- !Copy { dest: ${host.root}/out/a }\n- !Copy { dest: ${host.root}/b }\n`);
    expect(await errorOf()).toMatch(/:5: !Copy .*\/b: not among writable-paths of sandbox/);
    expect(existsSync(join(host.root, 'out/a'))).toBe(false);
    host.commands('commands:\n- !Cmd [false]\n');
    expect(await errorOf({ v: 1 })).toMatch(/!Cmd \S*\/false: not among allowed-commands/);
    host.commands('commands:\n- !Sh "true"\n');
    expect(await errorOf({ v: 2 })).toMatch(/!Sh \/bin\/sh: not among allowed-commands/);
  });

  it('is refused with file, line and key; the last good one holds', async () => {
    host.put('config/sandbox/a.yaml', 'allowed-commands: [/usr/bin/true]\n');
    host.put('config/templates/t/conf.hbs', '');
    host.commands('commands:\n- !Cmd [false]\n');
    await host.render({ v: 1 });
    host.put('config/sandbox/a.yaml', 'command-timeout: 5s\nallowed-comands: []\n');
    const status = await host.render({ v: 2 });
    expect(status.sandboxProblem).toMatch(/a\.yaml:2: allowed-comands: unknown key .*did you mean allowed-commands/);
    expect(status.roles[0]?.error).toMatch(/not among allowed-commands/);
    const refusal = (text: string) => {
      host.put('other/x.yaml', text);
      return () => readSandbox(join(host.root, 'other'));
    };
    expect(refusal('log-dirs: { a: relative }\n')).toThrow(/x\.yaml:1: log-dirs\.a: relative is no absolute path/);
    expect(refusal('log-dirs: { "../a": /b }\n')).toThrow(/not a plain name/);
    expect(refusal('writable-paths: [/a/../b]\n')).toThrow(/without \.\./);
    expect(refusal('command-timeout: soon\n')).toThrow(/expected a duration/);
    expect(refusal('- a\n')).toThrow(/not a mapping/);
  });

  it('keeps named variables out of logs and errors', async () => {
    host.put('config/sandbox/a.yaml', 'redact: [db.password]\n');
    host.put('config/templates/t/conf.hbs', 'password={{db.password}}\n');
    host.commands(`commands:\n- !Copy { dest: ${host.root}/out }\n- !Cmd [sh, -c, "cat ${host.root}/out; false"]\n`);
    const error = await errorOf({ db: { password: 'hunter22', user: 'me' } });
    expect(error).toContain('password=<db.password>');
    expect(host.get('log/r/latest')).toContain('+password=<db.password>');
    expect(host.get('log/r/latest') + host.renderer().log('r').join()).not.toContain('hunter22');
    fc.assert(
      fc.property(fc.string({ minLength: 4 }), fc.string(), fc.string(), (secret, before, after) => {
        expect(redactor({ a: { b: [secret] } }, ['a'])(`${before}${secret}${after}`)).toContain('<a>');
      }),
    );
  });

  const noRoot = skipped(process.getuid?.() === 0, 'run-as', 'only root can start commands as another user');
  it.skipIf(noRoot)('names the user who runs commands, and who owns files', async () => {
    host.put('config/sandbox/a.yaml', 'run-as: nobody\n');
    host.put('config/templates/t/conf.hbs', 'x');
    host.commands(`commands:
- !Copy { dest: ${host.root}/out, owner: nobody, group: "65534", mode: 0640 }
- !Check [sh, -c, "test $(id -u) = 65534 && test $(id -G) = 65534"]
- !RootCommand [sh, -c, "test $(id -u) = 0"]
`);
    expect(await errorOf()).toBe('');
    const stat = statSync(join(host.root, 'out'));
    expect([stat.uid, stat.gid, stat.mode & 0o777]).toEqual([65_534, 65_534, 0o640]);
    host.commands(`commands:\n- !Copy { dest: ${host.root}/out, owner: no-such-user }\n`);
    expect(await errorOf({ v: 1 })).toMatch(/no-such-user: there is no such user/);
  });
});
