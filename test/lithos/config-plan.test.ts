import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Handlebars from 'handlebars';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planLayout, writeLayout } from '../../examples/quickstart/launch/layout.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { hostnameOf } from '../../src/lithos/config/instances.ts';
import { loadDesired } from '../../src/lithos/config/load-desired.ts';
import { loadMaster } from '../../src/lithos/config/master.ts';
import { prepareInstance } from '../../src/lithos/prepare.ts';
import { type Host, makeHost, processText, sandboxText } from './config-host.ts';

const deadlineMs = 20_000; // a busy two-core machine

let host: Host;
beforeEach(() => {
  host = makeHost();
});
afterEach(() => host.remove());

/** Pairs that belong together, so that an expectation can be read line by line. */
const words = (...lines: readonly string[]) => lines.flatMap((line) => line.split(' '));

describe('the plan of an instance', () => {
  it('says word by word what the configs say', () => {
    host.write('images/app/etc/hosts', '');
    host.write('sandboxes/shop.yaml', sandboxText(host.dir, 'additional-hosts: {db: 10.0.0.1}\n'));
    host.write('processes/shop.yaml', `${processText}  instances: 2\n  variables: {port: 8080}\n`);
    host.write(
      'images/app/config/web.yaml',
      `variables: {port: !TcpPort}
executable: /bin/sh
arguments: [-c, "listen @{port} @{unclosed"]
environ: {PORT: "@{port}", NAME: "@{lithos:name}", PID: "@{lithos:pid}", LITHOS_NAME: forged}
workdir: /tmp
fileno-limit: 2Ki
memory-limit: 64Mi
cpu-shares: 512
restart-timeout: 0.25
kill-timeout: 2
normal-exit-codes: [0, 3]
volumes:
  /tmp: !Tmpfs { size: 10Mi, mode: 0o1777 }
  /usr: !Readonly /usr
  /run: !Statedir
hosts-file: { copy-from-host: false, localhost: true, public-hostname: false }
`,
    );
    expect(host.problems()).toEqual([]);
    const [, second] = host.load().instances;
    const state = `${host.dir}/run/state/shop/web.1`;
    const log = `${host.dir}/log/stdio/shop.log`;
    expect(second).toEqual({
      name: 'shop/web.1',
      sandbox: 'shop',
      process: 'web',
      instance: 1,
      instanceJson:
        '{"instances":1,"image":"app","config":"/config/web.yaml","variables":{"port":"8080"},"kind":"Daemon"}',
      image: 'app',
      restartTimeoutMs: 250,
      killTimeoutMs: 2000,
      restartTimeoutMaxMs: 250,
      restartsInPlace: false,
      logFile: `${host.dir}/log/shop.log`,
      sockets: [],
      secrets: null,
      limits: {
        ...{ memoryBytes: 67_108_864, memoryHighBytes: null, cpuShares: 512, cpuCores: null },
        ...{ pids: null, ioWeight: null, ioMax: [] },
      },
      cgroupLeaf: 'shop:web.1.scope',
      preparations: [
        { kind: 'beneath', base: '/usr', path: '/usr' },
        { kind: 'folder', base: state, path: `${state}/volume`, mode: 0o777, uid: 231_000, gid: 231_000, fresh: true },
        {
          kind: 'file',
          path: `${state}/hosts`,
          copyFrom: null,
          append: '127.0.0.1 localhost.localdomain localhost\n10.0.0.1 db\n',
          mode: 0o644,
        },
      ],
      planWords: [
        ...words('name shop/web.1', 'kill-timeout-ms 2000', 'normal-exit-code 0', 'normal-exit-code 3'),
        ...words(`log-file ${host.dir}/log/shop.log`, 'log-level warn', `output-file ${log}`),
        ...words(`root ${host.dir}/images/app`),
        ...words('hostname web-1.shop', 'cwd /tmp', 'uid 1000', 'gid 1000'),
        ...words('uid-map 0 231000 65536', 'gid-map 0 231000 65536'),
        ...words('unshare user', 'unshare mount', 'unshare pid', 'unshare ipc', 'unshare uts', 'unshare cgroup'),
        ...words('dev /dev', 'sys /sys', 'proc /proc'),
        ...words('tmpfs /tmp 10485760 1777', 'bind /usr /usr ro exec', 'beneath /usr'),
        ...words(`bind ${state}/volume /run rw noexec`, `beneath ${state}`),
        ...words(`bind ${state}/hosts /etc/hosts ro noexec`),
        ...words('rlimit nofile 2048', 'seccomp default', 'no-new-privileges'),
        ...words('env TERM=dumb', 'env PORT=8080', 'env NAME=shop/web.1', 'env PID=2'),
        ...words('env LITHOS_NAME=shop/web.1', 'env LITHOS_CONFIG=/config/web.yaml'),
        ...words('argv /bin/sh', 'argv -c'),
        ...['argv', 'listen 8080 @{unclosed'],
      ],
    });
  });

  it('has no user namespace for root without maps', () => {
    host.write('sandboxes/shop.yaml', sandboxText(host.dir).replace(/^[ug]id-map.*\n/gm, ''));
    const [instance] = host.load().instances;
    expect(instance?.planWords).not.toContain('user');
    expect(instance?.planWords).not.toContain('uid-map');
  });

  it('gives host names that a host may have', () => {
    expect(hostnameOf('my_shop', 'web_1', 3)).toBe('web-1-3.my-shop');
    expect(hostnameOf('__', '-', 0)).toBe('x-0.x');
    const long = hostnameOf('s'.repeat(100), 'p'.repeat(100), 9999);
    expect(long).toMatch(/^p+-9999(\.s*)?$/);
    expect(long.length).toBeLessThanOrEqual(64);
  });
});

describe('files of the network', () => {
  const container = (more: string) =>
    host.write('images/app/config/web.yaml', `executable: /bin/sh\nvolumes: {/usr: !Readonly /usr}\n${more}`);
  const planned = () => host.load().instances[0]?.planWords.join(' ') ?? '';

  it('are mounted where the image has a file for them, and left alone where it has none or a link', () => {
    host.write('images/app/etc/resolv.conf', '');
    symlinkSync('/run/hosts', join(host.dir, 'images/app/etc/hosts'));
    container('');
    expect(planned()).toContain(`bind ${host.dir}/run/state/shop/web.0/resolv.conf /etc/resolv.conf ro noexec`);
    expect(planned()).not.toContain('/etc/hosts');
    container('resolv-conf: {mount: false}\n');
    expect(planned()).not.toContain('/etc/resolv.conf');
    container('resolv-conf: {copy-from-host: false}\n');
    expect(planned()).not.toContain('/etc/resolv.conf');
  });

  it('are refused where they are asked for and there is no place for them', () => {
    symlinkSync('/run/hosts', join(host.dir, 'images/app/etc/hosts'));
    container('hosts-file: {mount: true}\nresolv-conf: {mount: true}\n');
    expect(host.problems()).toEqual([
      '/images/app/config/web.yaml:3:14: hosts-file.mount: /etc/hosts is not a valid mount point',
      '/images/app/config/web.yaml:4:15: resolv-conf.mount: /etc/resolv.conf is not a valid mount point',
    ]);
  });
});

describe('what is prepared before a start', () => {
  it('copies, makes folders once, and empties those that die with the container', () => {
    const state = host.folder('state');
    const disk = host.folder('disk');
    const from = host.write('hosts', '1.2.3.4 a');
    const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const preparations = [
      { kind: 'file', path: `${state}/hosts`, copyFrom: from, append: '5.6.7.8 b\n', mode: 0o644 },
      { kind: 'folder', base: disk, path: `${disk}/a/b`, mode: 0o1777, ...own, fresh: false },
      { kind: 'folder', base: state, path: `${state}/volume`, mode: 0o700, ...own, fresh: true },
      { kind: 'beneath', base: disk, path: `${disk}/a/b` },
    ] as const;
    expect(prepareInstance({ preparations })).toBeNull();
    expect(readFileSync(`${state}/hosts`, 'utf8')).toBe('1.2.3.4 a\n5.6.7.8 b\n');
    expect(statSync(`${disk}/a/b`).mode & 0o7777).toBe(0o1777);
    expect(statSync(`${state}/volume`).mode & 0o7777).toBe(0o700);
    writeFileSync(`${disk}/a/b/kept`, '');
    writeFileSync(`${state}/volume/gone`, '');
    expect(prepareInstance({ preparations })).toBeNull();
    expect(existsSync(`${disk}/a/b/kept`)).toBe(true);
    expect(existsSync(`${state}/volume/gone`)).toBe(false);
  });

  it('says what cannot be done, and follows no link that was planted', () => {
    const disk = host.folder('disk');
    const victim = host.folder('victim');
    symlinkSync(victim, join(disk, 'a'));
    const folder = {
      kind: 'folder',
      base: disk,
      path: `${disk}/a/b`,
      mode: 0o777,
      uid: 0,
      gid: 0,
      fresh: false,
    } as const;
    expect(prepareInstance({ preparations: [folder] })).toEqual({ message: `prepare: ${disk}/a is a symbolic link` });
    expect(lstatSync(`${victim}/b`, { throwIfNoEntry: false })).toBeUndefined();
    expect(prepareInstance({ preparations: [{ kind: 'beneath', base: disk, path: `${disk}/a` }] })).not.toBeNull();
    const file = { kind: 'file', path: `${disk}/f`, copyFrom: '/nowhere', append: '', mode: 0o644 } as const;
    expect(prepareInstance({ preparations: [file] })).toEqual({ message: 'prepare: open: /nowhere: ENOENT' });
  });
});

describe('the quickstart', () => {
  const ports = { agent: 7001, web: 8000, router: 9000 };

  for (const uid of [0, 1000]) {
    it(`loads on all three nodes for uid ${uid}`, () => {
      const options = { dir: join(host.dir, 'q'), ports, nginx: true, uid, gid: uid };
      const layout = planLayout(options);
      writeLayout(layout, options);
      const template = Handlebars.compile(
        readFileSync('examples/quickstart/templates/quickstart/processes.yaml.hbs', 'utf8'),
        { noEscape: true },
      );
      const daemon = (name: string, variables: Record<string, string | number>) => ({
        image: 'app',
        config: `/config/${name}.yaml`,
        instances: 2,
        variables: { node: 'node1', ...variables },
      });
      const rendered = template(
        {
          node: 'node1',
          daemons: {
            web: daemon('web', { listen_host: '127.0.0.1', base_port: 8000 }),
            worker: daemon('worker', {}),
            load: daemon('load', { rate: 40, target_host: '127.0.0.1', target_port: 9000, target_count: 3 }),
          },
        },
        { helpers: { quote: (value: unknown) => JSON.stringify(String(value)) } },
      );
      for (const node of layout.nodes) {
        const loaded = loadMaster(node.lithosMaster);
        if (loaded.kind === 'refused') throw new Error(loaded.problems.map(formatProblem).join('\n'));
        const { master } = loaded;
        expect(master.runtimeDir).toBe(node.lithosRuntime);
        expect(master.cgroupName).toBe(node.cgroupName);
        const load = () => loadDesired(master, { starter: { uid, gid: uid, term: 'dumb' } });
        expect(load()).toEqual({ instances: [], problems: [], brokenSandboxes: [] });
        writeFileSync(join(master.processesDir, 'quickstart.yaml'), rendered);
        const { instances, problems } = load();
        expect(problems.map(formatProblem)).toEqual([]);
        expect(instances.map(({ name }) => name)).toEqual(
          ['web', 'worker', 'load'].flatMap((name) => [`quickstart/${name}.0`, `quickstart/${name}.1`]),
        );
        expect(instances[0]?.planWords.join(' ')).toContain('bind /usr /usr ro exec');
        expect(instances[0]?.planWords).toContain('BASE_PORT=8000');
        expect(instances[0]?.planWords.join(' ')).toContain(
          uid === 0 ? 'uid-map 0 231000 65536' : 'uid-map 1000 1000 1',
        );
      }
    });
  }
});

describe('a knot with such a plan', () => {
  const knots: ChildProcess[] = [];
  afterEach(() => {
    for (const knot of knots.splice(0)) if (knot.exitCode === null) knot.kill('SIGKILL');
  });
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;

  it('runs the program, which sees just what the configs say', async () => {
    if (uid !== 0) {
      const own = `uid-map: [{inside: 1000, outside: ${uid}, count: 1}]\ngid-map: [{inside: 1000, outside: ${gid}, count: 1}]\n`;
      host.write('sandboxes/shop.yaml', `${sandboxText(host.dir).replace(/^[ug]id-map.*\n/gm, '')}${own}`);
    }
    host.write('images/app/etc/hosts', 'of the image\n');
    host.write('processes/shop.yaml', `${processText}  variables: {greeting: hello}\n`);
    host.write(
      'images/app/config/web.yaml',
      `variables: {greeting: !Name}
executable: /bin/sh
arguments:
  - -c
  - |
    echo "@{greeting} $LITHOS_NAME $$ $PID $(id -u) $(id -g) $(hostname) $(pwd) $(ulimit -n)"
    env | sort | cut -d= -f1 | tr '\\n' ' '; echo
    cat /etc/hosts
    touch /x 2>/dev/null || echo root is read-only
    touch /usr/x 2>/dev/null || echo usr is read-only
    touch /tmp/x && echo tmp is writable
    exit 3
environ: {PATH: /usr/bin, PID: "@{lithos:pid}"}
workdir: /tmp
fileno-limit: 100
normal-exit-codes: [3]
volumes:
  /usr: !Readonly /usr
  /tmp: !Tmpfs { size: 1Mi, mode: 0o1777 }
hosts-file: { copy-from-host: false, localhost: true, public-hostname: false }
`,
    );
    expect(host.problems({ uid, gid })).toEqual([]);
    const [instance] = host.load({ uid, gid }).instances;
    if (instance === undefined) throw new Error('no instance');
    const master = host.master();
    const state = join(master.stateDir, instance.name);
    mkdirSync(state, { recursive: true });
    mkdirSync(master.stdioLogDir, { recursive: true });
    expect(prepareInstance(instance)).toBeNull();
    const plan = join(state, 'plan');
    writeFileSync(plan, [...instance.planWords, 'state-dir', state].join('\0'));
    const knot = spawn(join(process.cwd(), 'build/knot/knot'), ['--plan', plan], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    knots.push(knot);
    let messages = '';
    knot.stderr.on('data', (chunk) => (messages += chunk));
    const code = await Promise.race([
      new Promise<number | null>((resolve) => knot.on('close', resolve)),
      sleep(deadlineMs, 'never ended'),
    ]);
    const written = readFileSync(join(master.stdioLogDir, 'shop.log'), 'utf8').replace(/^\S+Z: ----- .*\n/gm, '');
    expect({ code, messages, written }).toEqual({
      code: 0,
      messages: '',
      written: `hello shop/web.0 2 2 1000 1000 web-0.shop /tmp 100
LITHOS_CONFIG LITHOS_NAME PATH PID PWD TERM 
127.0.0.1 localhost.localdomain localhost
root is read-only
usr is read-only
tmp is writable
`,
    });
    rmSync(state, { recursive: true });
  });
});
