import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatProblem } from '../../src/config/problem.ts';
import { checkAll, checkContainer } from '../../src/lithos/config/check.ts';
import { containerSchema } from '../../src/lithos/config/container.ts';
import { loadDesired } from '../../src/lithos/config/load-desired.ts';
import { loadMaster, masterSchema } from '../../src/lithos/config/master.ts';
import { instanceJson, processSchema } from '../../src/lithos/config/process.ts';
import { sandboxFields } from '../../src/lithos/config/sandbox.ts';
import { substitute, variableProblem } from '../../src/lithos/config/variables.ts';
import { containerText, type Host, makeHost, processText, sandboxText } from './config-host.ts';

let host: Host;
beforeEach(() => {
  host = makeHost();
});
afterEach(() => host.remove());

const container = (text: string) => host.write('images/app/config/web.yaml', text);
const sandbox = (more: string, drop: RegExp = /^$/) =>
  host.write('sandboxes/shop.yaml', sandboxText(host.dir, more).replace(drop, ''));

/** Every key that lithos 2.1 to 2.4 names. */
const specified = {
  master: `sandboxes-dir processes-dir runtime-dir state-dir mount-dir devfs-dir cgroup-name cgroup-controllers
    default-log-dir log-file log-level config-log-dir stdio-log-dir syslog-facility syslog-app-name syslog-name`,
  sandbox: `config-file image-dir image-dir-levels log-file log-level readonly-paths writable-paths allow-users
    default-user allow-groups default-group allow-tcp-ports additional-hosts uid-map gid-map used-images-list auto-clean
    resolv-conf hosts-file bridged-network secrets-private-key secrets-namespaces`,
  process: 'kind image config instances variables ip-addresses extra-secrets-namespaces',
  container: `kind variables metadata executable arguments environ secret-environ secret-environ-file workdir user-id
    group-id uid-map gid-map memory-limit cpu-shares fileno-limit restart-timeout kill-timeout normal-exit-codes
    restart-process-only interactive stdout-stderr-file volumes resolv-conf hosts-file tcp-ports`,
} as const;

describe('the keys of the specification', () => {
  it('are all known by name, and ours beside them', () => {
    const names = (text: string) => text.split(/\s+/).sort();
    expect(Object.keys(masterSchema.fields).sort()).toEqual(
      names(`${specified.master} control-users limits-required stdio-log-size stdio-log-files`),
    );
    expect(Object.keys(sandboxFields.fields).sort()).toEqual(
      names(
        `${specified.sandbox} executable-paths seccomp seccomp-allow capabilities idmapped-image idmapped-paths io-max`,
      ),
    );
    expect(Object.keys(processSchema.fields).sort()).toEqual(names(specified.process));
    expect(Object.keys(containerSchema.fields).sort()).toEqual(
      names(`${specified.container} memory-high cpu-limit pids-limit io-weight restart-timeout-max`),
    );
  });

  it('with a value that they cannot have are told where they stand', () => {
    sandbox('bridged-network: {bridge: br0}\nsecrets_namespaces: [a/b]\nseccomp: maybe\n');
    expect(host.problems()).toEqual([
      '/sandboxes/shop.yaml:11:18: bridged-network.network: missing; a bridged network needs a network as 10.0.0.0/24',
      '/sandboxes/shop.yaml:12:22: secrets-namespaces[0]: "a/b"; expected a name of letters, digits, _, . and -',
      '/sandboxes/shop.yaml:13:10: seccomp: "maybe"; expected one of default, off',
    ]);
  });
});

describe('master.yaml', () => {
  it('may be empty, and has the defaults of the specification', () => {
    const file = host.write('empty/master.yaml', '');
    expect(loadMaster(file)).toEqual({
      kind: 'loaded',
      master: {
        path: file,
        runtimeDir: '/run/lithos',
        stateDir: '/run/lithos/state',
        sandboxesDir: join(host.dir, 'empty/sandboxes'),
        processesDir: join(host.dir, 'empty/processes'),
        cgroupName: 'lithos.slice',
        cgroupControllers: [],
        logDir: '/var/log/lithos',
        logFile: '/var/log/lithos/master.log',
        logLevel: 'warn',
        configLogDir: '/var/log/lithos/config',
        stdioLogDir: '/var/log/lithos/stderr',
        stdioLogBytes: null,
        stdioLogFiles: 5,
        devfsDir: null,
        limitsRequired: process.geteuid?.() === 0,
        syslog: null,
        controlUsers: [],
      },
    });
  });

  it('has to be there', () => {
    expect(loadMaster(join(host.dir, 'no.yaml'))).toMatchObject({ kind: 'refused', problems: [{ line: 0 }] });
  });

  it('turns cgroups off with null, and takes no name that leads elsewhere', () => {
    const load = (text: string) => loadMaster(host.write('m.yaml', text));
    expect(load('cgroup-name: null\ncontrol-users: [1000, 1001]\n')).toMatchObject({
      master: { cgroupName: null, controlUsers: [1000, 1001] },
    });
    for (const name of ['..', 'a/b', '/a', '""']) {
      expect(load(`cgroup-name: ${name}\n`)).toMatchObject({
        kind: 'refused',
        problems: [{ line: 1, key: 'cgroup-name' }],
      });
    }
  });
});

describe('a runtime-dir', () => {
  it('leaves room for the socket in it', () => {
    const long = `/${'r'.repeat(97)}`;
    const load = (text: string) => loadMaster(host.write('m.yaml', `\nruntime-dir: ${text}\n`));
    expect(load(long)).toMatchObject({
      kind: 'refused',
      problems: [{ line: 2, key: 'runtime-dir', message: expect.stringContaining('has room for 107') }],
    });
    expect(load(long.slice(0, -1)).kind).toBe('loaded');
  });
});

describe('a sandbox', () => {
  it('that is broken does not stop the others, and is named', () => {
    host.write('sandboxes/other.yaml', 'image-dri: /x\n');
    host.write('sandboxes/README.txt', 'not ours: [');
    host.write('sandboxes/.shop.yaml.swp.yaml', '{');
    host.write('sandboxes/bad name.yaml', '');
    const { instances, brokenSandboxes } = host.load();
    expect(instances.map(({ name }) => name)).toEqual(['shop/web.0']);
    expect(brokenSandboxes).toEqual(['other']);
    expect(host.problems()).toEqual([
      '/sandboxes/bad name.yaml: expected a file name of letters, digits, _ and -',
      '/sandboxes/other.yaml:1:1: image-dri: unknown key in sandbox config; did you mean image-dir?',
    ]);
  });

  it('without its process config is broken for the tree, and only a warning for a check', () => {
    host.write('sandboxes/other.yaml', sandboxText(host.dir));
    expect(host.load().brokenSandboxes).toEqual(['other']);
    const { problems, warnings, summary } = checkAll(join(host.dir, 'master.yaml'));
    expect(problems).toEqual([]);
    expect(warnings.map(formatProblem)).toEqual([`${host.dir}/processes/other.yaml: cannot be read (ENOENT)`]);
    expect(summary).toBe('2 sandbox(es), 1 instance(s)');
    host.write('processes/other.yaml', '['.repeat(600_000));
    expect(checkAll(join(host.dir, 'master.yaml'))).toMatchObject({ problems: [{ line: 0 }], warnings: [] });
  });

  it('keeps all that runs when not even the list of sandboxes can be read', () => {
    host.folder('run/state/shop/web.0');
    const master = { ...host.master(), sandboxesDir: '/nowhere' };
    expect(loadDesired(master)).toMatchObject({ instances: [], brokenSandboxes: ['shop'], problems: [{ line: 0 }] });
  });

  it('maps users and groups both or neither, without overlaps', () => {
    sandbox('', /^gid-map.*\n/m);
    expect(host.problems()).toEqual(['/sandboxes/shop.yaml:1:1: uid-map and gid-map: expected both or neither']);
    sandbox('', /^uid-map.*\n/m);
    host.write(
      'sandboxes/shop.yaml',
      'uid-map: [{inside: 0, outside: 9, count: 5}, {inside: 4, outside: 99, count: 1}]\ngid-map: [{inside: 0, outside: 4294967000, count: 9999}]\n',
    );
    expect(host.problems()).toEqual([
      '/sandboxes/shop.yaml:1:10: uid-map: rows overlap inside the container',
      '/sandboxes/shop.yaml:2:11: gid-map[0]: the last id is above 4294967294',
    ]);
  });

  it('has its default user within what it allows and maps', () => {
    host.write('sandboxes/shop.yaml', sandboxText(host.dir).replace('default-user: 1000', 'default-user: 99'));
    expect(host.problems()).toEqual(['/sandboxes/shop.yaml:4:1: default-user: User is not in allowed range (99)']);
  });
});

describe('a process', () => {
  const process = (text: string) => host.write('processes/shop.yaml', text);

  it('runs as many instances as it says, each with its own name', () => {
    process(`${processText}  instances: 3\n`);
    expect(host.load().instances.map(({ name, cgroupLeaf }) => [name, cgroupLeaf])).toEqual([
      ['shop/web.0', 'shop:web.0.scope'],
      ['shop/web.1', 'shop:web.1.scope'],
      ['shop/web.2', 'shop:web.2.scope'],
    ]);
    process(`${processText}  instances: 0\n`);
    expect(host.load()).toEqual({ instances: [], problems: [], brokenSandboxes: [] });
    process(`${processText}  instances: 10001\n`);
    expect(host.problems()).toEqual([
      '/processes/shop.yaml:4:14: web.instances: "10001"; expected an integer from 0 to 10000',
    ]);
  });

  it('names no image outside of image-dir, however it tries', () => {
    host.folder('outside/config');
    symlinkSync('../outside', join(host.dir, 'images/link'));
    for (const [image, message] of [
      ['../outside', 'expected 1 folder name(s)'],
      ['/etc', 'expected 1 folder name(s)'],
      ['.', 'expected 1 folder name(s)'],
      ['app/v1', 'has 2 component(s); the sandbox'],
      ['link', 'leads out of /images, to /outside'],
      ['gone', 'image /images/gone is not there'],
    ] as const) {
      process(processText.replace('image: app', `image: ${image}`));
      expect(host.load()).toMatchObject({ instances: [], brokenSandboxes: ['shop'] });
      expect(host.problems()).toEqual([expect.stringMatching(/^\/processes\/shop\.yaml:2:3: web\.image: /)]);
      expect(host.problems()[0]).toContain(message);
    }
  });

  it('reads no config outside of its image', () => {
    host.write('secret.yaml', 'executable: /bin/true\n');
    symlinkSync('../../../secret.yaml', join(host.dir, 'images/app/config/up.yaml'));
    symlinkSync(join(host.dir, 'secret.yaml'), join(host.dir, 'images/app/config/absolute.yaml'));
    symlinkSync('loop.yaml', join(host.dir, 'images/app/config/loop.yaml'));
    for (const [name, message] of [
      ['up', 'leads out of the image'],
      ['absolute', 'is not there'],
      ['loop', 'more than 40 symbolic links'],
      ['none', '/config/none.yaml is not there'],
    ] as const) {
      process(processText.replace('web.yaml', `${name}.yaml`));
      expect(host.problems()).toEqual([expect.stringContaining('/processes/shop.yaml:3:3: web.config: ')]);
      expect(host.problems()[0]).toContain(message);
    }
    for (const path of ['config/web.yaml', '/config/../../secret.yaml']) {
      process(processText.replace('/config/web.yaml', path));
      expect(host.problems()).toEqual([expect.stringMatching(/^\/processes\/shop\.yaml:3:11: web\.config: /)]);
    }
  });

  it('has the kind that its container config says', () => {
    process(`${processText}  kind: Command\n`);
    expect(host.problems()[0]).toContain('web.kind: Container type mismatch: Command here, Daemon in /images/app');
    container(`${containerText}kind: CommandOrDaemon\n`);
    expect(host.load()).toEqual({ instances: [], problems: [], brokenSandboxes: [] });
  });

  it('does not stop its neighbours when it is refused', () => {
    process(`${processText}bad:\n  image: gone\n  config: /x\n`);
    const { instances, brokenSandboxes } = host.load();
    expect(instances.map(({ name }) => name)).toEqual(['shop/web.0']);
    expect(brokenSandboxes).toEqual(['shop']);
  });

  it('is known by a JSON whose bytes do not depend on the order of the file', () => {
    const base = {
      kind: 'Daemon',
      image: 'app',
      config: '/c',
      instances: 3,
      ipAddresses: [],
      extraSecretsNamespaces: [],
    } as const;
    const json = instanceJson(
      {
        ...base,
        variables: new Map([
          ['b', '1'],
          ['a', '"'],
          ['10', ''],
          ['9', 'x'],
        ]),
      },
      0,
    );
    expect(json).toBe(
      '{"instances":1,"image":"app","config":"/c","variables":{"10":"","9":"x","a":"\\"","b":"1"},"kind":"Daemon"}',
    );
    expect(instanceJson({ ...base, variables: new Map() }, 0)).toBe(
      '{"instances":1,"image":"app","config":"/c","kind":"Daemon"}',
    );
    const more = { extraSecretsNamespaces: ['b', 'a'], ipAddresses: ['10.0.0.1', '10.0.0.2'] };
    expect(instanceJson({ ...base, ...more, variables: new Map() }, 1)).toBe(
      '{"instances":1,"image":"app","config":"/c","extra_secrets_namespaces":["b","a"],"ip_address":"10.0.0.2","kind":"Daemon"}',
    );
  });

  it('can be checked from another file before it is put in place', () => {
    const file = host.write('next.yaml', 'web: {image: app}\n');
    const look = (name: string) => checkAll(join(host.dir, 'master.yaml'), { alternate: { sandbox: name, file } });
    expect(look('shop').problems.map(formatProblem)).toEqual([
      `${file}:1:6: web.config: missing; process config needs an absolute path`,
    ]);
    expect(look('nobody').problems[0]?.message).toBe('no sandbox nobody; known: shop');
    expect(checkAll(join(host.dir, 'master.yaml')).problems).toEqual([]);
    const gone = { sandbox: 'shop', file: join(host.dir, 'gone.yaml') };
    expect(checkAll(join(host.dir, 'master.yaml'), { alternate: gone }).problems).toHaveLength(1);
  });
});

describe('variables', () => {
  it('are checked by their types', () => {
    const good = [
      [{ tag: 'TcpPort', value: { activation: null } }, '8443'],
      [{ tag: 'Choice', value: ['a', 'b c'] }, 'b c'],
      [{ tag: 'Name', value: null }, 'Az_0-'],
      [{ tag: 'DottedName', value: null }, 'a.b-c.d_e'],
    ] as const;
    for (const [type, value] of good) expect(variableProblem(type, value, [{ first: 8443, last: 8443 }])).toBeNull();
    for (const port of ['0', '70000', 'abc', '', '080', '8_0', ' 80']) {
      expect(
        variableProblem({ tag: 'TcpPort', value: { activation: null } }, port, [{ first: 1, last: 65_535 }]),
      ).toContain(port);
    }
    expect(variableProblem({ tag: 'TcpPort', value: { activation: null } }, '80', [])).toContain(
      'Port 80 is not allowed',
    );
    expect(variableProblem({ tag: 'Choice', value: ['a', 'b'] }, 'c', [])).toBe('"c"; expected one of a, b');
    for (const name of ['', 'a b', 'ä', 'a\n'])
      expect(variableProblem({ tag: 'Name', value: null }, name, [])).not.toBeNull();
    for (const name of ['', '.', 'a..b', '-a.b', 'a-.b', 'a.', 'a b']) {
      expect(variableProblem({ tag: 'DottedName', value: null }, name, [])).not.toBeNull();
    }
  });

  it('are put into texts, and an unclosed one stays', () => {
    const values = new Map([
      ['x', '@{y}'],
      ['y', '2'],
    ]);
    expect(substitute('a @{x} @{ y } @{', values)).toEqual({ text: 'a @{y} 2 @{', unknown: [] });
    expect(substitute('@{a}@{x}@{b}', values).unknown).toEqual(['a', 'b']);
  });

  it('that are missing, of a wrong type or unknown are told in their own files', () => {
    container(`variables: {port: !TcpPort, tier: !Choice [gold, tin]}
executable: /bin/sh
arguments: ["@{port}", "@{prot}", "@{lithos:pid}"]
environ:
  A: "@{tier} @{who}"
  PID: "@{ lithos:pid }"
volumes: {/usr: !Readonly /usr}
`);
    host.write('processes/shop.yaml', `${processText}  variables: {port: 70, extra: 1}\n`);
    expect(host.problems()).toEqual([
      '/images/app/config/web.yaml:3:24: arguments[1]: unknown variable "prot"',
      '/images/app/config/web.yaml:3:35: arguments[2]: @{lithos:pid} is only for the whole value of an environ entry',
      '/images/app/config/web.yaml:5:3: environ.A: unknown variable "who"',
      '/processes/shop.yaml:4:3: web.variables.tier: missing; /images/app/config/web.yaml declares it as !Choice',
      '/processes/shop.yaml:4:15: web.variables.port: Port 70 is not allowed; see allow-tcp-ports of the sandbox',
    ]);
  });
});

describe('who runs', () => {
  const user = (lines: string) => container(`${containerText}${lines}`);

  it('is refused outside of what the sandbox allows', () => {
    user('user-id: 5\n');
    expect(host.problems()[0]).toContain('user-id: User is not in allowed range (uid: 5)');
    user('group-id: 5\n');
    expect(host.problems()[0]).toContain('group-id: Group is not in allowed range (gid: 5)');
    sandbox('', /^default-user.*\n/m);
    user('');
    expect(host.problems()[0]).toContain('No user id specified and no default is found');
  });

  it('is refused where sandbox and container both map', () => {
    user('uid-map: [{inside: 0, outside: 1000, count: 1}]\ngid-map: [{inside: 0, outside: 1000, count: 1}]\n');
    expect(host.problems()[0]).toContain('uid-map: /sandboxes/shop.yaml has an uid-map too');
  });

  it('may be mapped by the container within the ids that the sandbox allows', () => {
    sandbox('', /^[ug]id-map.*\n[ug]id-map.*\n/m);
    const maps = 'uid-map: [{inside: 0, outside: 1000, count: 11}]\ngid-map: [{inside: 0, outside: 1000, count: 1}]\n';
    user(`${maps}user-id: 10\ngroup-id: 0\n`);
    expect(host.problems()).toEqual([]);
    user(`${maps}user-id: 11\ngroup-id: 0\n`);
    expect(host.problems()).toEqual([expect.stringContaining('User is not in mapped range (uid: 11)')]);
    user(`${maps.replace('count: 11', 'count: 12')}user-id: 1\ngroup-id: 0\n`);
    expect(host.problems()).toEqual([
      expect.stringContaining("uid-map: Bad uid mapping (probably doesn't match allow_users)"),
    ]);
  });

  it('can, without privileges and maps, only be the one who starts', () => {
    sandbox('', /^[ug]id-map.*\n[ug]id-map.*\n/m);
    expect(host.problems({ uid: 1000, gid: 1000 })).toEqual([]);
    expect(host.load({ uid: 1000, gid: 1000 }).instances[0]?.planWords.join(' ')).toContain('uid-map 1000 1000 1');
    expect(host.problems({ uid: 1001, gid: 1000 })).toEqual([
      expect.stringContaining('user-id: uid 1000 is not the own one, 1001: as an ordinary user this needs uid-map'),
    ]);
  });
});

describe('volumes', () => {
  const volumes = (lines: string) => container(`executable: /bin/sh\nvolumes:\n  /usr: !Readonly /usr\n${lines}`);
  const told = () => host.problems().map((line) => line.replace(/^\/images\/app\/config\/web\.yaml:/, ''));

  it('come only from what the sandbox maps, by whole components and the longest prefix', () => {
    host.folder('disk/deep/x');
    sandbox(`writable-paths: {/d: ${host.dir}/nowhere, /d/deep: ${host.dir}/disk/deep}\n`);
    volumes('  /data: !Persistent /d/deep/x\n  /tmp: !Readonly /d/deep\n');
    expect(told()).toEqual([]);
    expect(host.load().instances[0]?.planWords.join(' ')).toContain(
      `bind ${host.dir}/disk/deep /tmp ro noexec beneath ${host.dir}/disk/deep bind ${host.dir}/disk/deep/x /data rw noexec`,
    );
    volumes('  /data: !Persistent /usr\n  /tmp: !Readonly /deep\n  /run: !Readonly /usrx\n');
    expect(told()).toEqual([
      "4:3: volumes./data: Can't find volume for /usr in writable-paths of /sandboxes/shop.yaml",
      "5:3: volumes./tmp: Can't find volume for /deep in readonly-paths of /sandboxes/shop.yaml",
      "6:3: volumes./run: Can't find volume for /usrx in readonly-paths of /sandboxes/shop.yaml",
    ]);
    volumes('  /data: !Persistent /d/deep/../../x\n');
    expect(told()).toEqual(['4:22: volumes./data: /d/deep/../../x: .. is refused']);
  });

  it('do not follow a link that was planted below a mapped folder', () => {
    host.folder('disk');
    symlinkSync('/etc', join(host.dir, 'disk/trap'));
    sandbox(`writable-paths: {/d: ${host.dir}/disk}\n`);
    volumes('  /data: !Persistent /d/trap\n');
    expect(told()).toEqual(['4:3: volumes./data: /disk/trap is a symbolic link; below /disk none is followed']);
  });

  it('need a mount point that is there: in the image, or in an outer volume', () => {
    host.write('images/app/etc/file', '');
    symlinkSync('nowhere', join(host.dir, 'images/app/dangling'));
    volumes(
      '  /cache: !Tmpfs {}\n  /etc/file: !Tmpfs {}\n  /tmp: !Tmpfs {}\n  /tmp/in: !Tmpfs {}\n  /dangling: !Tmpfs {}\n',
    );
    expect(told()).toEqual([
      '4:3: volumes./cache: mount point /cache is missing (/cache is not there)',
      '5:3: volumes./etc/file: mount point /etc/file is not a folder',
      '7:3: volumes./tmp/in: mount point /tmp/in lies in /tmp, which is made at the start',
      '8:3: volumes./dangling: mount point /dangling is missing (/nowhere is not there)',
    ]);
    volumes('  /usr/share: !Tmpfs {}\n  /dev/shm: !Tmpfs {}\n');
    expect(told()).toEqual([]);
    volumes('  /proc: !Tmpfs {}\n  /: !Tmpfs {}\n');
    expect(told()).toEqual(['5:3: volumes./: the root is the image; expected a folder in it']);
    volumes('  /proc: !Tmpfs {}\n');
    expect(told()).toEqual(['4:3: volumes./proc: /proc is mounted for every container']);
  });

  it('are never executable unless the operator says so, whatever the image wants', () => {
    sandbox('', /^executable-paths.*\n/m);
    expect(told()).toEqual([
      "1:1: executable: /usr/bin/dash lies in the volume /usr, from which nothing may be executed; the sandbox's executable-paths can allow it",
    ]);
    sandbox(`writable-paths: {/w: /usr}\n`);
    volumes('  /data: !Persistent /w/share\n');
    expect(host.load().instances[0]?.planWords.join(' ')).toContain('/usr/share /data rw noexec');
  });

  it('are made by the operator’s ids, as the active map has them', () => {
    host.folder('disk');
    sandbox(`writable-paths: {/d: ${host.dir}/disk}\n`);
    volumes(
      '  /data: !Persistent { path: /d/new/er, mkdir: true, user: 10, group: 20, mode: 0o700 }\n  /run: !Statedir { path: /s }\n',
    );
    expect(told()).toEqual([]);
    expect(host.load().instances[0]?.preparations).toEqual(
      [
        {
          kind: 'folder',
          base: `${host.dir}/disk`,
          path: `${host.dir}/disk/new/er`,
          mode: 0o700,
          uid: 231_010,
          gid: 231_020,
          fresh: false,
        },
        { kind: 'beneath', base: `${host.dir}/disk`, path: `${host.dir}/disk/new/er` },
        {
          kind: 'folder',
          base: `${host.dir}/run/state/shop/web.0`,
          path: `${host.dir}/run/state/shop/web.0/volume/s`,
          mode: 0o777,
          uid: 231_000,
          gid: 231_000,
          fresh: true,
        },
        { kind: 'beneath', base: '/usr', path: '/usr' },
      ].sort((a, b) => a.path.length - b.path.length),
    );
    volumes('  /data: !Persistent { path: /d/new, mkdir: true, user: 70000 }\n');
    expect(told()).toEqual(['4:3: volumes./data: user 70000 is not in uid-map']);
  });
});

describe('an image', () => {
  it('needs the folders that every container gets', () => {
    host.write('processes/shop.yaml', processText.replace('app', 'bare'));
    mkdirSync(join(host.dir, 'images/bare/config'), { recursive: true });
    host.write('images/bare/config/web.yaml', 'executable: /bin/sh\n');
    expect(host.problems()).toEqual(
      ['dev', 'sys', 'proc'].map(
        (name) =>
          `/images/bare/config/web.yaml: image /images/bare: mount point /${name} is missing (/${name} is not there)`,
      ),
    );
  });

  it('has to let the mapped ids through its folders', () => {
    chmodSync(join(host.dir, 'images/app'), 0o750);
    expect(host.problems()).toEqual([
      '/images/app/config/web.yaml: folder / of the container (on the host in /images/app) may not be searched by uid 231000, gid 231000; expected mode a+x',
    ]);
  });

  it('has to hold the program and its working folder', () => {
    container('executable: /bin/nothing\nworkdir: /nowhere\nvolumes: {/usr: !Readonly /usr}\n');
    expect(host.problems()).toEqual([
      '/images/app/config/web.yaml:1:1: executable: /usr/bin/nothing is not there',
      '/images/app/config/web.yaml:2:1: workdir: /nowhere is not there',
    ]);
  });
});

describe('a container config by itself', () => {
  it('is checked without image and sandbox', () => {
    expect(checkContainer(container(containerText))).toEqual({ problems: [], warnings: [], summary: 'Daemon /bin/sh' });
    const file = container('executable: sh\nmemory-limit: 1.5Mi\nrestart-timeout: 1h\nvolumes: {tmp: !Tmpfs 5}\n');
    expect(checkContainer(file).problems.map((problem) => formatProblem(problem).replace(file, ''))).toEqual([
      ':1:13: executable: "sh"; expected an absolute path',
      ':2:15: memory-limit: "1.5Mi"; expected bytes from 1, as 64Mi',
      ':3:18: restart-timeout: "1h"; expected seconds from 0 to 86400',
      ':4:11: volumes.tmp: "tmp"; expected an absolute path',
      ':4:23: volumes.tmp: "5"; expected a tmpfs volume',
    ]);
  });
});
