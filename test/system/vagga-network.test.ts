import { type ChildProcess, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, until, vaggaHost, type Who } from './vagga/host.ts';

const missing = missingForRootless() ?? missingForNetworks();
const noNetworks = skipped(missing === null, 'test networks of vagga', missing ?? '');

function missingForNetworks(): string | null {
  const script =
    'ip link add name br0 type bridge && ip link add name ve0 type veth peer name ve1 && nft add table ip t';
  const made = spawnSync('unshare', ['-Urn', 'sh', '-c', script], { encoding: 'utf8' });
  return made.status === 0 ? null : `the kernel makes no bridge, veth or nftables here: ${made.stderr.trim()}`;
}

const slirp = spawnSync('sh', ['-c', 'command -v slirp4netns && test -e /dev/net/tun']).status === 0;
const noOutside = skipped(slirp, 'the outside of test networks', 'slirp4netns or /dev/net/tun is missing');

/** Of this run: two may share a machine. */
const port = 20_000 + (process.pid % 20_000);

// A node says its host name to whoever asks.
const node = 'mkdir /tmp/web; hostname > /tmp/web/name; exec httpd -f -p 7000 -h /tmp/web';

const yaml = `
containers: { c: { setup: [!Tar { url: ./root.tar.gz }] } }
commands:
  net: !Supervise
    children:
      tester: !BridgeCommand { container: c, run: [sh, -e, /work/test.sh], user-id: 1 }
      one: !Command { container: c, run: '${node}', network: { ip: 172.23.0.1, ports: { ${port}: 7000 } } }
      two: !Command { container: c, run: '${node}', network: { ip: 172.23.0.2, hostname: zwei } }
      three: !Command { container: c, run: '${node}', network: { ip: 172.23.0.3 }, user-id: 1 }
      beside: !Command { container: c, run: 'cat /proc/sys/kernel/hostname > /work/beside; vagga _network status || touch /work/no-vagga; while ! [ -e /work/end ]; do sleep 0.1; done' }
  clash: !Supervise
    children:
      one: !Command { container: c, run: 'true', network: { ip: 172.23.0.1 } }
      two: !Command { container: c, run: 'true', network: { ip: 172.23.0.1 } }
  alone: !Supervise
    isolate-network: true
    children:
      one: !Command { container: c, run: 'true', network: { ip: 172.23.0.1 } }
  low: !Supervise
    mode: wait-all-successful
    children:
      server: !Command { container: c, run: 'nc -l -p 80 < /dev/null', network: { ip: 172.23.0.1 }, user-id: 1 }
      client: !Command { container: c, run: 'ping -c 1 -W 5 server > /dev/null; while ! nc server 80 < /dev/null; do sleep 0.1; done', network: { ip: 172.23.0.2 } }
`;

/**
 * `ask A B`: the host name that node B says to node A; `mute A B`: `silence`, unless B says it. An answer is waited for
 * long, silence shortly.
 */
const prelude = `
at() { case $1 in one) echo 1;; two) echo 2;; three) echo 3;; esac; }
ask() { vagga _network run $1 timeout -s KILL 60 wget -q -O - http://172.23.0.$(at $2):7000/name; }
mute() {
  got=$(vagga _network run $1 sh -c "wget -q -O - http://172.23.0.$(at $2):7000/name & sleep 0.4; kill -9 \\$!" 2> /dev/null || true)
  echo \${got:-silence}
}
for node in one two three; do until ask $node $node > /dev/null 2>&1; do sleep 0.1; done; done
`;

/** Interfaces of the machine itself. */
const interfaces = (): readonly string[] => readdirSync('/sys/class/net').sort();

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noNetworks) host = await vaggaHost();
});
afterAll(() => host?.remove());

/** Processes that descend from one, and itself. */
function familyOf(pid: number): readonly number[] {
  const all = spawnSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).stdout.split('\n');
  const parents = all.map((line) => line.trim().split(/ +/).map(Number));
  const family = [pid];
  for (const member of family) family.push(...parents.flatMap(([child = 0, of]) => (of === member ? [child] : [])));
  return family;
}

const networkOf = (pid: number | string): string | null => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null; // it has ended
  }
};

/** Processes that are in one of these networks. */
const processesIn = (networks: ReadonlySet<string>): readonly string[] =>
  readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && networks.has(networkOf(pid) ?? ''));

for (const who of ['user', 'root'] as const satisfies readonly Who[]) {
  describe.skipIf(noNetworks)(`a test network of ${who === 'root' ? 'root' : 'an ordinary user'}`, () => {
    let running: ChildProcess | undefined;
    afterEach(() => running?.kill('SIGKILL'));

    const run = (script: string) => {
      const project = host.project(who, yaml, { 'test.sh': prelude + script });
      const { status, stdout, stderr } = project.vagga(['net']);
      const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
      return { project, status, lines, stderr };
    };

    it('partitions nodes while they run: isolate, fullmesh, disjoint, split', () => {
      const { status, lines, stderr } = run(`
echo mesh $(ask one two) $(ask two three) $(ask three one)
vagga _network isolate two
vagga _network isolate two
echo isolated $(mute one two) $(mute two one) $(ask one three) $(ask two two) $(wget -q -O - http://two:7000/name)
echo told $(vagga _network run two ping -q -c 1 -W 1 172.23.0.1 2>&1 | grep -o 'not permitted\\|100% packet loss')
vagga _network disjoint one two -- three
echo disjoint $(ask one two) $(mute two three) $(mute three one)
vagga _network split one two -- two three
echo split $(ask one two) $(ask two three) $(mute three one)
vagga _network split one two
echo rest $(ask one two) $(mute two three)
vagga _network fullmesh
echo healed $(ask one two) $(ask two three) $(ask three one)
vagga _network status
`);
      expect({ status, lines }, stderr).toEqual({
        status: 0,
        lines: [
          'mesh zwei three one',
          'isolated silence silence three zwei zwei',
          'told 100% packet loss',
          'disjoint zwei silence silence',
          'split zwei three silence',
          'rest zwei silence',
          'healed zwei three one',
          'one    172.23.0.1    reaches two three',
          'two    172.23.0.2    reaches one three',
          'three  172.23.0.3    reaches one two',
        ],
      });
    });

    // The filter is the same for both.
    const once = who === 'user' ? it : () => {};
    once('loses a share of the packets on demand', () => {
      const { lines, stderr } = run(`
vagga _network loss 100 two
echo lost $(mute one two) $(ask one three) $(wget -q -O - http://172.23.0.2:7000/name)
vagga _network loss 50%
vagga _network run one ping -q -c 100 -i 0.01 -W 1 172.23.0.3 | grep -o '[0-9]*% packet loss'
vagga _network loss 0
echo kept $(ask one two)
`);
      const [lost, share = '', kept] = lines;
      expect([lost, kept], stderr).toEqual(['lost silence three zwei', 'kept zwei']);
      // Three of four round trips: the request and the answer may be lost. Beyond it once in 10^12.
      const percent = Number.parseInt(share, 10);
      expect(percent > 30 && percent < 99, share).toBe(true);
    });

    it('has host names, addresses, a default route and names of peers; the bridge command sees all nodes', () => {
      const { project, lines, stderr } = run(`
vagga _network run two hostname
vagga _network run two ip -4 -o addr show dev eth0 | grep -o 'inet [^ ]*'
vagga _network run two ip route | grep default
head -n 3 /etc/hosts | tr '\\t' ' '
ls /tmp/vagga/namespaces
id -u
vagga _network run two sh -c 'exit 7' || echo $?
vagga _network run nobody true 2>&1 || echo $?
vagga _network isolate 2>&1 || echo $?
vagga _network run one no-such-program 2>&1 || echo $?
vagga _list 2>&1 || echo $?
while ! [ -e /work/no-vagga ]; do sleep 0.1; done
`);
      expect(lines, stderr).toEqual([
        'zwei',
        'inet 172.23.0.2/24',
        'default via 172.23.0.254 dev eth0 ',
        '172.23.0.1 one',
        '172.23.0.2 zwei two',
        '172.23.0.3 three',
        ...['net', 'uts'].flatMap((kind) => [1, 2, 3].map((last) => `${kind}.172.23.0.${last}`)),
        '0',
        '7',
        expect.stringMatching(/^vagga: there is no node nobody.*\(nodes: one, two, three\)$/),
        '122',
        'vagga: isolate needs the name of a node',
        '122',
        'vagga: no-such-program: No such file or directory',
        '127',
        'vagga: inside a !BridgeCommand there is only vagga _network',
        '121',
      ]);
      expect(spawnSync('cat', [project.file('beside')], { encoding: 'utf8' }).stdout).toBe(
        spawnSync('hostname', { encoding: 'utf8' }).stdout,
      );
    });

    it('forwards ports of the host to nodes, isolated or not, and leaves nothing when it is killed', async () => {
      const before = interfaces();
      const script = `${prelude}vagga _network isolate one; echo ready; while :; do sleep 0.1; done`;
      const project = host.project(who, yaml, { 'test.sh': script });
      running = project.start(['net']);
      let output = '';
      running.stdout?.on('data', (text) => {
        output += text;
      });
      await until('the test network', () => output.includes('ready'));
      expect(await answerOf(port)).toBe('one\n');
      expect(await answerOf(port)).toBe('one\n');
      expect(interfaces()).toEqual(before);
      const pid = pidOf(project);
      const networks = new Set(familyOf(pid).flatMap((each) => networkOf(each) ?? []));
      networks.delete(networkOf('self') ?? '');
      // Of the bridge and the three nodes.
      expect(networks.size).toBe(4);
      const inBridge = project.vagga(['_run_in_netns', 'c', 'wget', '-q', '-O', '-', 'http://172.23.0.2:7000/name']);
      expect(inBridge.stdout, inBridge.stderr).toBe('zwei\n');
      const server = processesIn(networks).find((each) => readFileSync(`/proc/${each}/comm`, 'utf8') === 'httpd\n');
      const inNode = project.vagga(['_run_in_netns', '--pid', String(server), 'c', 'hostname']);
      expect(inNode.stdout, inNode.stderr).toMatch(/^(one|zwei|three)\n$/);
      process.kill(pid, 'SIGKILL');
      await until('the end of all processes', () => processesIn(networks).length === 0);
      await until('its own end', () => running?.signalCode === 'SIGKILL');
      expect(interfaces()).toEqual(before);
      // What the killed one could not remove goes with the next.
      expect(project.vagga(['low']).status).toBe(0);
      expect(readdirSync(project.file('.vagga/.test-networks'))).toEqual([]);
    });
  });
}

const pidOf = (project: Project): number => Number(readdirSync(project.file('.vagga/.test-networks'))[0]);

/** What the web server behind a port of the host says. */
function answerOf(at: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(at, '127.0.0.1', () => socket.end('GET /name HTTP/1.0\r\n\r\n'));
    socket.on('data', (part) => {
      text += part;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text.split('\r\n\r\n')[1] ?? ''));
  });
}

describe.skipIf(noNetworks)('a test network', () => {
  let project: Project;
  beforeAll(() => {
    project = host.project('user', yaml);
  });

  it('lets nodes use low ports and ping whoever they are', () => {
    const { status, stderr } = project.vagga(['low']);
    expect([status, stderr.includes('cannot')]).toEqual([0, false]);
  });

  it('is refused where two nodes have one address, or all children are to be isolated', () => {
    const clash = project.vagga(['clash']);
    expect([clash.status, clash.stderr]).toEqual([
      126,
      'vagga: clash: children one and two have the same ip 172.23.0.1\n',
    ]);
    expect(project.vagga(['alone']).status).toBe(126);
    expect(project.vagga(['--isolate-network', 'low']).status).toBe(126);
  });

  it('is refused while a port of the host is taken', async () => {
    const { createServer } = await import('node:net');
    const server = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => server.on('listening', resolve));
    const refused = project.vagga(['net']);
    server.close();
    expect([refused.status, refused.stderr]).toEqual([
      121,
      expect.stringMatching(new RegExp(`child one: port ${port} of 127\\.0\\.0\\.1: .*Address already in use`)),
    ]);
  });

  it('needs no _create_netns, which says so, and with --dry-run only prints what it would do', () => {
    const create = project.vagga(['_create_netns', '--dry-run', '--no-iptables']);
    expect([create.status, create.stdout]).toEqual([0, 'sudo ip address add 172.23.255.2/32 dev lo\n']);
    expect(create.stderr).toContain('Test networks need no set-up');
    expect(project.vagga(['_destroy_netns', '--dry-run']).stdout).toBe('sudo ip address del 172.23.255.2/32 dev lo\n');
    expect(project.vagga(['_destroy_netns']).stderr).toBe('There is nothing to destroy\n');
    const network = project.vagga(['_network', 'fullmesh']);
    expect([network.status, network.stderr]).toEqual([
      121,
      'vagga: _network works only inside a !BridgeCommand of a !Supervise\n',
    ]);
    expect(project.vagga(['_run_in_netns', 'c', 'true'])).toMatchObject({
      status: 121,
      stderr: 'vagga: no test network of this project runs now\n',
    });
  });

  it('shows its ports at the address of the original too, where root has made that', () => {
    const ofRoot = host.project('root', yaml, {
      'test.sh': `${prelude}echo ready > /work/ready; while ! [ -e /work/end ]; do sleep 0.1; done`,
    });
    const v = `${process.execPath} ${join(packageRoot(), 'bin/stellwerk.js')} vagga`;
    const script = `
      ip link set lo up; cd ${ofRoot.folder}
      ${v} _create_netns; ${v} _create_netns 2>&1 | tail -n 1
      ${v} net > /dev/null & while ! [ -e ready ]; do sleep 0.1; done
      busybox wget -q -O - http://172.23.255.2:${port}/name; busybox wget -q -O - http://127.0.0.1:${port}/name
      touch end; wait; ${v} _destroy_netns; ip -o address show to 172.23.255.2 | wc -l`;
    const done = spawnSync('unshare', ['-n', 'sh', '-c', script], { encoding: 'utf8', timeout: 120_000 });
    expect(done.stdout, done.stderr).toBe(
      [
        'ip address add 172.23.255.2/32 dev lo',
        'Namespaces already created',
        'one',
        'one',
        'ip address del 172.23.255.2/32 dev lo',
        '0\n',
      ].join('\n'),
    );
  });

  it.skipIf(noOutside)('reaches the outside through slirp4netns, unless it is isolated from it', () => {
    const ask = 'wget -q -O - http://198.51.100.1:8000/file';
    const test = [
      `echo $(vagga _network run two ${ask})`,
      'vagga _network isolate two',
      `echo one $(vagga _network run one ${ask})`,
      `echo two $(vagga _network run two sh -c '${ask} & sleep 0.4; kill -9 $!' 2> /dev/null || true)`,
      'head -n 1 /etc/resolv.conf',
    ];
    const inside = host.project('user', yaml, { 'test.sh': test.join('\n'), 'web/file': 'outside\n' });
    const user = `setpriv --reuid=${host.uid} --regid=${host.gid} --clear-groups env HOME=${inside.folder}`;
    // An outside of its own, with a device that every user may open, as distributions have it.
    const script = `
      mount -t tmpfs none /dev/net; mknod /dev/net/tun c 10 200; chmod 666 /dev/net/tun
      echo 'nameserver 127.0.0.53' > ${inside.folder}/resolv.conf; mount --bind ${inside.folder}/resolv.conf /etc/resolv.conf
      ip link set lo up; ip address add 198.51.100.1/32 dev lo; cd ${inside.folder}
      busybox httpd -f -p 198.51.100.1:8000 -h ${inside.folder}/web & server=$!
      ${user} ${process.execPath} ${join(packageRoot(), 'bin/stellwerk.js')} vagga net
      kill $server; ps -eo args | grep -c '^[^ ]*slirp4netns.*/proc/' || true`;
    const done = spawnSync('unshare', ['-nmpf', '--mount-proc', 'sh', '-c', script], {
      encoding: 'utf8',
      timeout: 120_000,
    });
    const lines = done.stdout.split('\n').filter((line) => !line.startsWith('-----'));
    expect(lines, done.stderr).toEqual(['outside', 'one outside', 'two', 'nameserver 10.0.2.3', '0', '']);
  });
});
