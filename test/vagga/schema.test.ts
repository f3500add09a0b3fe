import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { loadProject } from '../../src/vagga/config/project.ts';
import { customTags, settingsJsonSchema, vaggaJsonSchema } from '../../src/vagga/schema/json-schemas.ts';
import { userSettingsSchema } from '../../src/vagga/settings.ts';

/** What an editor sees: values without their tags. */
const seen = (yaml: string): unknown => parse(yaml, { merge: true, logLevel: 'silent' });

const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictTypes: false });
const isVagga = ajv.compile(vaggaJsonSchema());
const isSettings = ajv.compile(settingsJsonSchema());

const problems = (yaml: string): readonly string[] =>
  isVagga(seen(yaml)) ? [] : (isVagga.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);

/** Every kind of step, volume and command, as people write them. */
const everything = `
minimum-vagga: v0.8.0
mixins: [more.yaml]
containers:
  base:
    setup: &setup
    - !Ubuntu jammy
    - !UbuntuRelease { codename: jammy, keep-chfn-command: true }
    - !UbuntuUniverse
    - !UbuntuRepo { url: "http://x", suite: a, components: [main] }
    - !UbuntuPPA owner/name
    - !AptTrust { keys: [ABCD] }
    - !Alpine v3.15
    - !AlpineRepo { repo: main }
    - !Debian bookworm
    - !Debian { codename: bookworm, components: [main, contrib] }
    - !Repo edge/testing
    - !Install [make, gcc]
    - !BuildDeps [git]
    - !Sh "make install"
    - !Sh |
        many
        lines
    - !Cmd [make, -j, 4]
    - !RunAs { user-id: 1, script: id, supplementary-gids: [3] }
    - !Env { A: 1, B: true }
    - !Download { url: "https://x/y", path: /y, mode: 0o755 }
    - !Tar { url: ./a.tar.gz, sha256: ${'a'.repeat(64)} }
    - !TarInstall { url: ./a.tar.gz, script: make }
    - !Unzip { url: ./a.zip, path: /opt }
    - !Git { url: "https://x/y.git", path: /y, branch: main }
    - !GitInstall { url: "https://x/y.git" }
    - !GitDescribe /etc/version
    - !GitDescribe { output-file: /etc/version, pattern: "v*" }
    - !Text { /etc/hello: Hello, /etc/number: 7 }
    - !Copy { source: /work/x, path: /x, owner_uid: 1, umask: 0o022, rules: [/a, "!*.o"] }
    - !Depends requirements.txt
    - !Depends { path: src, ignore-regex: "[.]o$" }
    - !EnsureDir /data
    - !EmptyDir /tmp/x
    - !Remove /usr/share/doc
    - !CacheDirs { /var/cache: var-cache }
    - !Build { container: other, source: /usr, path: /usr }
    - !SubConfig { source: !Container other, path: vagga.yaml, container: app }
    - !SubConfig { source: !Directory , path: sub/vagga.yaml, container: app }
    - !PipConfig
    - !PipConfig { dependencies: true, index-urls: ["http://x"] }
    - !Py3Install [django]
    - !Py3Requirements requirements.txt
    - !NpmConfig { npm-exe: npm }
    - !NpmInstall [less]
    - !NpmDependencies
    - !YarnDependencies { production: true }
    - !GemInstall [rake]
    - !GemBundle { trust-policy: HighSecurity }
    - !ComposerInstall [x]
    - !ComposerDependencies { prefer: dist }
    - !*Unpack [!Sh a, !Sh b]
    environ: { PATH: /bin, N: 1 }
    uids: [0-100, 200]
    gids: [0]
    volumes:
      /tmp: !Tmpfs { size: 100Mi, mode: 0o766, subdirs: { a: { mode: 0o700 }, b: }, files: { x: "", y: } }
      /a: !BindRW /work/a
      /b: !BindRO /volumes/b
      /c: !CacheDir c
      /d: !Empty
      /e: !VaggaBin
      /f: !Snapshot
      /g: !Snapshot { size: 1G, container: other }
      /h: !Container other
      /i: !Persistent data
      /j: !Persistent { name: data, init-command: _init }
    resolv-conf-path: null
    auto-clean: true
    image-cache-url: "http://x/\${container_name}"
    data-dirs: [/data]
    default_shell: [/bin/bash, -c, $cmdline]
  same: { setup: *setup }
  other: {}
  included: { setup: !*Include setup.yaml }
  empty:
commands:
  run: !Command &run
    description: Run
    container: base
    run: [a, 1]
    aliases: [r]
    pass-tcp-socket: 8080
    banner-delay: 0.5
    accepts-arguments: true
    options: |
      Usage: vagga run [options]
    _comment: for people
  again: !Command { <<: *run, run: "a b", write_mode: transient-hard-link-copy }
  all: !Supervise
    mode: wait-all-successful
    kill-unresponsive-after: 5
    children:
      one: !Command { container: base, run: x, network: { ip: 172.23.0.1, ports: { 80: 8080 } } }
      two: !BridgeCommand { container: base, run: x }
  capsule: !CapsuleCommand { run: [vagga, _capsule, build, base], uids: [0-10] }
`;

/** Each with a mistake, and what the editor says of where it is. */
const wrong: readonly (readonly [yaml: string, where: string])[] = [
  ['comands: {}', ' must NOT have additional properties'],
  ['containers: { a: { setup: text of steps } }', '/containers/a/setup must match pattern'],
  ['containers: { a: { uids: yes } }', '/containers/a/uids'],
  ['containers: { a: { auto-clean: perhaps } }', '/containers/a/auto-clean'],
  // Whatever its keys are it could be an !Env.
  ['containers: { a: { setup: [!Tar { url: { a: b } }] } }', '/containers/a/setup/0'],
  ['containers: { a: { environ-file: relative } }', '/containers/a/environ-file must match pattern'],
  ['containers: { "a b": {} }', '/containers must match pattern'],
  ['commands: { a: !Command { container: x } }', '/commands/a must have required property'],
  ['commands: { a: !Command { container: x, run: y, write-mode: sometimes } }', '/commands/a/write-mode'],
];

describe('the JSON Schema of vagga.yaml', () => {
  it('takes all that vagga takes', () => {
    expect(problems(everything)).toEqual([]);
    // The same text is read by vagga itself, with what it includes.
    const loaded = loadProject('/p', ['vagga.yaml'], (path) =>
      path === 'vagga.yaml' ? Buffer.from(everything) : path === 'setup.yaml' ? Buffer.from('[]') : 'is not there',
    );
    expect(loaded.kind === 'refused' ? loaded.problems.map(formatProblem) : loaded.kind).toBe('loaded');
    expect(problems('')).toEqual([]);
  });

  it.each(wrong)('refuses %s', (yaml, where) => {
    expect(problems(yaml).some((problem) => problem.includes(where))).toBe(true);
    expect(loadProject('/p', ['vagga.yaml'], () => Buffer.from(yaml)).kind).toBe('refused');
  });

  it('tells what keys and tags are for', () => {
    const text = JSON.stringify(vaggaJsonSchema());
    expect(text).toContain('"title":"!Unzip","description":"what a zip archive holds"');
    const { definitions } = vaggaJsonSchema() as { definitions: Record<string, { properties: object }> };
    expect(definitions.container?.properties).toMatchObject({
      setup: { description: expect.stringContaining('build steps') },
      'auto-clean': { default: false },
    });
  });

  it('takes numbers exactly where vagga does', () => {
    const suffix = fc.constantFrom('', 'k', 'M', 'Mi', 'Ki', 'ki', 'm', 'b', '.5', 'e3');
    fc.assert(
      fc.property(fc.integer({ min: -5, max: 5000 }), suffix, (number, unit) => {
        const yaml = `containers: { a: { volumes: { /a: !Tmpfs { size: ${number}${unit} } } } }`;
        const takes = loadProject('/p', ['vagga.yaml'], () => Buffer.from(yaml)).kind === 'loaded';
        // A number with a unit is a text to an editor: its bounds are not looked at.
        if (takes) expect(problems(yaml)).toEqual([]);
        if (unit === '' && !takes) expect(problems(yaml)).not.toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('names the tags that editors must be told of', () => {
    const tags = customTags();
    for (const tag of ['!Sh scalar', '!Tar mapping', '!Cmd sequence', '!Depends mapping', '!Depends scalar']) {
      expect(tags).toContain(tag);
    }
    const used = new Set([...everything.matchAll(/!(?:\*)?[A-Z]\w+/g)].map(([tag]) => tag));
    for (const tag of used) expect(tags.some((each) => each.startsWith(`${tag} `))).toBe(true);
    expect(tags).not.toContain('!Sh mapping');
  });
});

describe('the JSON Schema of settings', () => {
  it('takes what vagga takes, and refuses the rest', () => {
    const good =
      'storage-dir: ~/.vagga\nexternal_volumes: { music: ~/music }\nsite-settings: { /p: { version-check: false } }\n';
    expect([isSettings(seen(good)), readConfig('x', Buffer.from(good), userSettingsSchema).kind]).toEqual([
      true,
      'loaded',
    ]);
    const bad = 'storage-dri: x\n';
    expect([isSettings(seen(bad)), readConfig('x', Buffer.from(bad), userSettingsSchema).kind]).toEqual([
      false,
      'refused',
    ]);
  });
});

describe('vagga _schema', () => {
  const root = join(import.meta.dirname, '../..');
  const printed = (...flags: readonly string[]): unknown =>
    JSON.parse(
      execFileSync(process.execPath, [join(root, 'bin/stellwerk.js'), 'vagga', '_schema', ...flags], {
        cwd: '/',
      }).toString(),
    );

  it('prints the schemas that the repository has, and the tags', () => {
    const kept = (name: string): unknown => JSON.parse(readFileSync(join(root, 'schema', name), 'utf8'));
    expect(printed()).toEqual(kept('vagga.schema.json'));
    expect(printed('--settings')).toEqual(kept('vagga-settings.schema.json'));
    expect(printed('--tags')).toEqual(customTags());
  });
});
