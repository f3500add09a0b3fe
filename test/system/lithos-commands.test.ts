import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { type LithosHost, lithosHost } from './lithos-host.ts';

const isRoot = process.getuid?.() === 0;
const self = process.getuid?.() ?? 0;
const hasKeygen = spawnSync('ssh-keygen', ['-?']).error === undefined;

let host: LithosHost;
afterEach(() => host.remove());

const shell = (script: string, more = ''): string =>
  `executable: /usr/bin/sh\narguments: [-c, ${JSON.stringify(script)}]\n${more}`;

function withCommand(script: string, more = ''): void {
  host = lithosHost(self);
  host.container('job', shell(script, `kind: Command\n${more}`));
  writeFileSync(
    host.processes,
    'job: { kind: Command, image: app, config: /config/job.yaml }\nsleeper: { image: app, config: /config/sleeper.yaml }\n',
  );
}

const cmd = (...words: readonly string[]) => host.lithos('cmd', '--master', host.master, ...words);

describe('lithos cmd', () => {
  it('runs a Command, shows and logs what it writes, adds arguments and leaves nothing', () => {
    withCommand('echo "$LITHOS_NAME" "$0" "$@"');
    const { code, out } = cmd('box', 'job', 'first', '--second', '-x');
    expect(code).toBe(0);
    expect(out).toMatch(/^box\/cmd\.job\.\d+ first --second -x\n$/);
    expect(host.output()).toContain(out);
    expect(existsSync(join(host.dir, 'run', 'state', 'box'))).toBe(false);
    const groups = spawnSync('find', ['/sys/fs/cgroup', '-name', '*cmd.job*'], { encoding: 'utf8' }).stdout;
    expect(groups).toBe('');
  });

  it('ends with the exit code of the program, or 128 and the signal', () => {
    withCommand('exit 7');
    expect(cmd('box', 'job').code).toBe(7);
    host.container('job', shell('kill -KILL $$', 'kind: Command\n'));
    expect(cmd('box', 'job').code).toBe(137);
  });

  it('gives the terminal to an interactive one', () => {
    withCommand('read line; echo "got $line"', 'interactive: true\n');
    const { stdout } = spawnSync(
      process.execPath,
      ['bin/stellwerk.js', 'lithos', 'cmd', '--master', host.master, 'box', 'job'],
      {
        input: 'a word\n',
        encoding: 'utf8',
      },
    );
    expect(stdout).toBe('got a word\n');
    expect(host.output()).not.toContain('a word');
  });

  it('refuses what is no Command, what is not there, and bad names', () => {
    withCommand('true');
    expect(cmd('box', 'sleeper')).toMatchObject({
      code: 1,
      err: expect.stringContaining('a Daemon; expected a Command'),
    });
    expect(cmd('box', 'gone')).toMatchObject({ code: 1, err: expect.stringContaining('no gone; its Commands: job') });
    expect(cmd('../box', 'job')).toMatchObject({ code: 2, err: expect.stringContaining('expected a name') });
    expect(cmd('nobox', 'job').code).toBe(1);
    host.container('job', shell('true'));
    expect(cmd('box', 'job').err).toContain('Container type mismatch: Command here, Daemon in');
  });

  it('runs beside a tree, which leaves it alone', async () => {
    withCommand('sleep 2; echo done');
    await host.start();
    const run = spawn(process.execPath, ['bin/stellwerk.js', 'lithos', 'cmd', '--master', host.master, 'box', 'job']);
    let written = '';
    run.stdout.on('data', (chunk: Buffer) => (written += chunk));
    const later = new Promise<string>((resolve) => run.on('close', () => resolve(written)));
    await sleep(500);
    await host.endTree('SIGKILL');
    await host.start();
    expect(await later).toContain('done\n');
    expect((await host.status()).containers.map(({ name }) => name)).toEqual(['box/sleeper.0']);
  });
});

describe('lithos knot', () => {
  const knot = (name: string, json: string) =>
    host.lithos(
      'knot',
      '--name',
      name,
      '--master',
      host.master,
      '--config',
      json,
      '--log-stderr',
      '--log-level',
      'info',
    );
  const json = '{"instances":1,"image":"app","config":"/config/app.yaml","kind":"Daemon"}';

  it('runs one instance with the exit codes of a knot', () => {
    host = lithosHost(self);
    host.container('app', shell('exit 4', 'normal-exit-codes: [4]\n'));
    expect(knot('box/app.3', json)).toMatchObject({
      code: 0,
      err: expect.stringContaining('Process box/app.3 ended with exit code 4'),
    });
    host.container('app', shell('exit 5'));
    expect(knot('box/app.3', json).code).toBe(2);
  });

  it('says what is wrong with an instance', () => {
    host = lithosHost(self);
    expect(knot('box', json)).toMatchObject({ code: 2, err: expect.stringContaining('expected SANDBOX/PROCESS.N') });
    expect(knot('box/app.0', '{')).toMatchObject({ code: 1, err: expect.stringContaining('no JSON') });
    expect(knot('box/app.0', '{"image":"../x","config":"/c"}')).toMatchObject({
      code: 1,
      err: expect.stringContaining('folder name'),
    });
    expect(knot('box/app.0', '{"imgae":"x"}').err).toContain('unknown key in process config; did you mean image?');
  });

  it('refuses ids that the sandbox does not allow, whatever was checked before', () => {
    host = lithosHost(self);
    host.container('app', shell('true', 'user-id: 0\n'));
    expect(knot('box/app.0', json)).toMatchObject({
      code: 1,
      err: expect.stringContaining('User is not in allowed range (uid: 0)'),
    });
    host.container('app', shell('true', 'group-id: 7\n'));
    expect(knot('box/app.0', json).err).toContain('Group is not in allowed range (gid: 7)');
  });
});

describe.skipIf(skipped(hasKeygen, 'secrets', 'ssh-keygen is missing (apt-get install openssh-client)'))(
  'secrets',
  () => {
    function withSecret(namespace: string): { readonly key: string; readonly wire: string } {
      host = lithosHost(self);
      const key = join(host.dir, 'key');
      expect(spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]).status).toBe(0);
      const sealed = host.lithos('crypt', 'encrypt', '-k', `${key}.pub`, '-d', 's3cret', '-n', namespace);
      expect(sealed.code).toBe(0);
      const wire = sealed.out.trim();
      host.sandbox(`secrets-private-key: ${key}\nsecrets-namespaces: [prod]\n`);
      host.container('app', shell('echo "token is $TOKEN"; sleep 1000', `secret-environ: { TOKEN: "${wire}" }\n`));
      host.want({ app: 1 });
      return { key, wire };
    }

    it('reach the program, and neither a file nor the status', async () => {
      withSecret('prod');
      expect(host.lithos('check', '-C', host.master)).toMatchObject({ code: 0, err: '' });
      await host.start();
      await host.until('the secret', () => host.output().includes('token is s3cret'));
      const dir = join(host.dir, 'run', 'state', 'box', 'app.0');
      expect(readdirSync(dir)).not.toContain('secrets');
      for (const name of readdirSync(dir)) {
        if (name !== 'volume') expect(readFileSync(join(dir, name), 'utf8')).not.toContain('s3cret');
      }
    });

    it('of another namespace, without a key, or with a key that others may read are refused by check and tree', async () => {
      const { key } = withSecret('test');
      const refusal = (): string => {
        const { code, err } = host.lithos('check', '-C', host.master);
        expect(code).toBe(1);
        return err;
      };
      expect(refusal()).toContain('secret-environ.TOKEN: namespace "test"; expected one of "prod"');
      chmodSync(key, 0o644);
      expect(refusal()).toContain(`${key}: has mode 644; expected at most 600`);
      const sandbox = join(host.dir, 'sandboxes', 'box.yaml');
      writeFileSync(sandbox, readFileSync(sandbox, 'utf8').replace(/^secrets-.*\n/gm, ''));
      expect(refusal()).toContain('secrets, but the sandbox has no secrets-private-key');
      await host.start();
      await sleep(200);
      expect((await host.status()).containers).toEqual([]);
      expect((await host.status()).problems.some(({ message }) => message.includes('no secrets-private-key'))).toBe(
        true,
      );
    });

    it('are decrypted and told apart by lithos crypt', () => {
      const { key, wire } = withSecret('prod');
      expect(host.lithos('crypt', 'decrypt', '-i', key, '-d', wire)).toEqual({
        code: 0,
        out: 's3cret',
        err: 'namespace:prod\n',
      });
      expect(host.lithos('crypt', 'check-key', '-k', `${key}.pub`, '-d', wire).code).toBe(0);
      spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${key}2`]);
      expect(host.lithos('crypt', 'check-key', '-k', `${key}2.pub`, '-d', wire).code).toBe(1);
      expect(host.lithos('crypt', 'decrypt', '-i', `${key}2`, '-d', wire)).toMatchObject({ code: 1, out: '' });
      expect(host.lithos('crypt', 'decrypt', '-i', key, '-d', 'v1:x')).toMatchObject({
        code: 1,
        err: expect.stringContaining('expected v2'),
      });
    });
  },
);

describe('lithos switch', () => {
  it('says by --plan what would change, and changes nothing', async () => {
    host = lithosHost(self);
    host.want({ sleeper: 2 });
    await host.start();
    const next = join(host.dir, 'next.yaml');
    writeFileSync(
      next,
      'sleeper: { image: app, config: /config/sleeper.yaml, instances: 1, variables: { a: b } }\nfailing: { image: app, config: /config/failing.yaml }\n',
    );
    const { code, out } = host.lithos('switch', '--plan', '--master', host.master, 'box', next);
    expect({ code, out }).toEqual({
      code: 0,
      out: 'start   box/failing.0\nreplace box/sleeper.0\nstop    box/sleeper.1\n3 of 3 instances would change\n',
    });
    expect(readFileSync(host.processes, 'utf8')).not.toContain('failing');
  });
});

describe('lithos check', () => {
  it('tells every mistake of every layer in one go', () => {
    host = lithosHost(self);
    host.sandbox('allow-tcp-port: [1]\n');
    const other = join(host.dir, 'sandboxes', 'two.yaml');
    mkdirSync(join(host.dir, 'images', 'broken', 'config'), { recursive: true });
    writeFileSync(join(host.dir, 'images', 'broken', 'config', 'x.yaml'), 'executable: sh\nvolums: {}\nuser-id: x\n');
    writeFileSync(other, `image-dir: ${host.dir}/images\nallow-users: [1]\nallow-groups: [0]\n`);
    writeFileSync(
      join(host.dir, 'processes', 'two.yaml'),
      'a: { image: broken, config: /config/x.yaml }\nb: { image: ../x, config: /c }\nc: { image: gone, config: /c }\n',
    );
    const { code, err } = host.lithos('check', '-C', host.master);
    expect(code).toBe(1);
    for (const told of [
      'box.yaml:10:1: allow-tcp-port: unknown key in sandbox config; did you mean allow-tcp-ports?',
      'x.yaml:1:13: executable: "sh"; expected an absolute path',
      'x.yaml:2:1: volums: unknown key in container config; did you mean volumes?',
      'x.yaml:3:10: user-id: "x"; expected an id from 0',
      'two.yaml:2:6: b.image: "../x": expected 1 folder name(s)',
      `two.yaml:3:6: c.image: image ${host.dir}/images/gone is not there`,
    ]) {
      expect(err).toContain(told);
    }
  });
});

describe('configs in JSON', () => {
  it('load and run like those in YAML', async () => {
    host = lithosHost(self);
    const user =
      self === 0 ? { inside: 0, outside: 231_000, count: 65_536 } : { inside: 1000, outside: self, count: 1 };
    const json = (path: string, value: object): void =>
      writeFileSync(join(host.dir, path), JSON.stringify(value, null, 2));
    json('master.yaml', {
      'runtime-dir': `${host.dir}/run`,
      cgroup_name: host.cgroupName,
      default_log_dir: `${host.dir}/log`,
      'stdio-log-dir': `${host.dir}/log/stdio`,
      'config-log-dir': null,
      'mount-dir': 'mnt',
      'cgroup-controllers': ['name', 'cpu', 'memory'],
    });
    json('sandboxes/box.yaml', {
      ...{
        'image-dir': `${host.dir}/images`,
        'allow-users': [1000],
        'allow-groups': ['1000-1001'],
        'default-user': 1000,
      },
      ...{ 'default-group': 1000, 'uid-map': [user], 'gid-map': [user], 'readonly-paths': { '/usr': '/usr' } },
      ...{ 'executable-paths': ['/usr'], 'additional-hosts': { db: '10.0.0.1' } },
    });
    json('images/app/config/app.yaml', {
      ...{ kind: 'Daemon', executable: '/usr/bin/sh', arguments: ['-c', 'echo json $NAME; sleep 1000'] },
      ...{
        environ: { NAME: '@{lithos:name}' },
        'fileno-limit': '1k',
        'restart-timeout': 0.5,
        metadata: { any: ['thing'] },
      },
      resolv_conf: { mount: false },
    });
    const image = join(host.dir, 'images', 'app', 'config', 'app.yaml');
    // A tag has no form in JSON; YAML takes JSON as it is, so that a tagged value may stand in it.
    writeFileSync(image, readFileSync(image, 'utf8').replace(/}\s*$/, ', "volumes": {"/usr": !Readonly "/usr"}}'));
    json('processes/box.yaml', { app: { image: 'app', config: '/config/app.yaml', instances: 2, variables: {} } });
    expect(host.lithos('check', '-C', host.master)).toMatchObject({ code: 0, err: '' });
    await host.start();
    await host.until('both', () => /json box\/app\.0/.test(host.output()) && /json box\/app\.1/.test(host.output()));
  });
});

describe('lithos check of ports', () => {
  it('warns of an address that two sandboxes share', () => {
    host = lithosHost(self);
    host.container('app', shell('true', 'tcp-ports: { 18099: { fd: 3 } }\n'));
    host.sandbox('allow-tcp-ports: [18099]\n');
    const two = join(host.dir, 'sandboxes', 'two.yaml');
    writeFileSync(two, readFileSync(join(host.dir, 'sandboxes', 'box.yaml'), 'utf8'));
    host.want({ app: 1 });
    writeFileSync(join(host.dir, 'processes', 'two.yaml'), readFileSync(host.processes, 'utf8'));
    expect(host.lithos('check', '-C', host.master)).toEqual({
      code: 0,
      out: '',
      err: `warning: ${two}: 0.0.0.0:18099 is a port of sandbox box too: each may get the other's connections\n`,
    });
  });
});

describe('logs of the tree', () => {
  it('are opened anew on SIGUSR1, its own and those of knots', async () => {
    host = lithosHost(self);
    host.container('app', shell('while :; do echo line; sleep 0.1; done'));
    host.want({ app: 1 });
    await host.start();
    await host.until('output', () => host.output().includes('line'));
    for (const name of ['master.log', 'box.log'])
      renameSync(join(host.dir, 'log', name), join(host.dir, 'log', `${name}.1`));
    host.kill('SIGUSR1');
    await host.until(
      'a new log',
      () => existsSync(join(host.dir, 'log', 'master.log')) && existsSync(join(host.dir, 'log', 'box.log')),
    );
    expect(host.treePid()).toBe((await host.status()).pid);
  });

  it.skipIf(skipped(isRoot && !existsSync('/dev/log'), 'syslog', 'needs root, and a /dev/log that nobody has'))(
    'go to syslog where the master config says so',
    async () => {
      host = lithosHost(0);
      writeFileSync(
        host.master,
        `${readFileSync(host.master, 'utf8')}syslog-facility: local3\nsyslog-app-name: our-lithos\n`,
      );
      const heard = join(host.dir, 'heard');
      const listener = spawn('python3', [
        '-c',
        `import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.bind("/dev/log")\nf = open(${JSON.stringify(heard)}, "ab", 0)\nwhile True: f.write(s.recv(9999) + b"\\n")`,
      ]);
      try {
        for (let wait = 0; wait < 100 && !existsSync('/dev/log'); wait++) await sleep(20);
        host.want({ sleeper: 1 });
        await host.start();
        await host.until('a message', () => existsSync(heard) && readFileSync(heard, 'utf8').includes('supervises'));
        // local3 (19) and info (6): RFC 3164.
        expect(readFileSync(heard, 'utf8')).toMatch(
          new RegExp(`<${19 * 8 + 6}>.* our-lithos\\[\\d+\\]: tree \\d+ supervises`),
        );
      } finally {
        listener.kill('SIGKILL');
        rmSync('/dev/log', { force: true });
      }
    },
  );
});

describe.skipIf(skipped(isRoot, 'a devfs-dir', 'needs root, to make devices'))('devfs-dir', () => {
  it('made by lithos mkdev is the /dev of containers; one that is not there stops the tree', async () => {
    host = lithosHost(0);
    const dev = join(host.dir, 'devfs');
    writeFileSync(host.master, `${readFileSync(host.master, 'utf8')}devfs-dir: ${dev}\n`);
    const refused = host.lithos('tree', '-C', host.master);
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining(`devfs-dir: ${dev} is not there`) });
    expect(host.lithos('mkdev', dev).code).toBe(0);
    host.container(
      'app',
      shell('ls -l /dev; echo x > /dev/null && head -c 4 /dev/zero | od -c; touch /dev/new; ls /dev/pts; sleep 1000'),
    );
    host.want({ app: 1 });
    await host.start();
    await host.until('a list', () => host.output().includes('ptmx\n') && host.output().includes('0000004'));
    expect(host.output()).toMatch(/crw-rw-rw-.* null/);
    expect(host.output()).toContain('Read-only file system');
  });
});
