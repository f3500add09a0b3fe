import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PeerRecord } from '../../src/cluster/peer-record.ts';
import { packageRoot } from '../../src/native/load.ts';

/**
 * Real agents, each in a network namespace of its own with an address on each of two bridges, which are in a namespace
 * too: nothing of it is to be seen in the host's network, and all of it goes with the namespaces.
 */
export interface NetnsCluster {
  readonly count: number;
  /** Of node `number`, from 1, on network 1 or 2. */
  addr(number: number, network?: 1 | 2): string;
  start(number: number): void;
  /** At once, as a crash. Resolves when it is gone. */
  kill(number: number): Promise<void>;
  /** As node `number` sees them, by the number of each; null while its agent does not answer. */
  peers(number: number): Promise<ReadonlyMap<number, PeerRecord> | null>;
  json(number: number, path: string): Promise<unknown>;
  /** Lets in nothing from these nodes, on either network. */
  deafen(number: number, to: readonly number[]): void;
  hearAgain(number: number): void;
  linkDown(number: number, network: 1 | 2): void;
  linkUp(number: number, network: 1 | 2): void;
  /** Bytes and packets that the interfaces of the node sent since it was made, headers and all. */
  sent(number: number): { readonly bytes: number; readonly packets: number };
  stop(): Promise<void>;
}

const port = 8379;
const run = promisify(execFile);

export const namespacesOf = (prefix: string): string[] => {
  try {
    return readdirSync('/run/netns').filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
};

export function netnsCluster(count: number, prefix: string): NetnsCluster {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-netns-'));
  const key = join(folder, 'key');
  writeFileSync(key, `${randomBytes(32).toString('hex')}\n`);
  const agents = new Map<number, ChildProcess>();
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const hub = `${prefix}-hub`;
  const namespace = (number: number): string => `${prefix}-${number}`;
  const ip = (...words: string[]): void => void execFileSync('ip', words);
  const id = (number: number): string => number.toString(16).padStart(32, '0');
  const host = (number: number, network: 1 | 2): string => `10.77.${network}.${number}`;

  const rules = (number: number, text: string): void =>
    void execFileSync('ip', ['netns', 'exec', namespace(number), 'nft', '-f', '-'], { input: text });

  const make = (): void => {
    ip('netns', 'add', hub);
    for (const network of [1, 2]) {
      ip('-n', hub, 'link', 'add', `br${network}`, 'type', 'bridge');
      ip('-n', hub, 'link', 'set', `br${network}`, 'up');
    }
    for (const number of numbers) {
      const own = namespace(number);
      ip('netns', 'add', own);
      ip('-n', own, 'link', 'set', 'lo', 'up');
      for (const network of [1, 2] as const) {
        const [inside, outside] = [`eth${network}`, `v${network}-${number}`];
        ip('-n', own, 'link', 'add', inside, 'type', 'veth', 'peer', 'name', outside, 'netns', hub);
        ip('-n', hub, 'link', 'set', outside, 'master', `br${network}`, 'up');
        ip('-n', own, 'address', 'add', `${host(number, network)}/24`, 'dev', inside);
        ip('-n', own, 'link', 'set', inside, 'up');
      }
      rules(
        number,
        'add table inet filter\nadd chain inet filter in { type filter hook input priority 0; policy accept; }\n',
      );
    }
  };

  const destroy = (): void => {
    for (const name of namespacesOf(prefix)) ip('netns', 'del', name);
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    make();
  } catch (error) {
    destroy();
    throw error;
  }

  const json = async (number: number, path: string): Promise<unknown> => {
    const url = `http://127.0.0.1:${port}${path}`;
    const { stdout } = await run('ip', ['netns', 'exec', namespace(number), 'curl', '-sfm', '5', url], {
      maxBuffer: 16 * 1024 * 1024,
    });
    return JSON.parse(stdout);
  };

  return {
    count,
    addr: (number, network = 1) => `${host(number, network)}:${port}`,
    start(number) {
      const own = join(folder, `node${number}`);
      const dirs = ['config', 'carbon', 'storage', 'log'].map((name) => join(own, name));
      for (const dir of dirs) mkdirSync(dir, { recursive: true });
      const [config = '', carbon = '', storage = '', log = ''] = dirs;
      const agent = spawn(
        'ip',
        [
          ...[
            'netns',
            'exec',
            namespace(number),
            process.execPath,
            join(packageRoot(), 'bin', 'stellwerk.js'),
            'agent',
          ],
          ...['--host', '0.0.0.0', '--port', String(port), '--machine-id', id(number), '--hostname', `n${number}`],
          ...['--cluster-key-file', key, '--join', `${host(1, 1)}:${port}`, '--interval', '10000'],
          ...['--config-dir', config, '--carbon-dir', carbon, '--storage-dir', storage, '--log-dir', log],
          ...['--no-process-metrics', '--log-level', 'fatal', '--lithos-master', join(own, 'no-tree.yaml')],
        ],
        { stdio: ['ignore', 'ignore', 'inherit'] },
      );
      agents.set(number, agent);
    },
    async kill(number) {
      const agent = agents.get(number);
      agents.delete(number);
      if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return;
      const gone = new Promise((resolve) => agent.once('exit', resolve));
      // ip(8) has become the agent by exec.
      agent.kill('SIGKILL');
      await gone;
    },
    async peers(number) {
      const reply = await json(number, '/all_peers').catch(() => null);
      if (reply === null) return null;
      const { peers } = reply as { peers: PeerRecord[] };
      return new Map(peers.map((peer) => [Number.parseInt(peer.id, 16), peer]));
    },
    json,
    deafen(number, to) {
      const list = to.flatMap((other) => [host(other, 1), host(other, 2)]).join(', ');
      rules(number, `add rule inet filter in ip saddr { ${list} } drop\n`);
    },
    hearAgain: (number) => rules(number, 'flush chain inet filter in\n'),
    linkDown: (number, network) => ip('-n', namespace(number), 'link', 'set', `eth${network}`, 'down'),
    linkUp: (number, network) => ip('-n', namespace(number), 'link', 'set', `eth${network}`, 'up'),
    sent(number) {
      const text = execFileSync('ip', ['-n', namespace(number), '-j', '-s', 'link'], { encoding: 'utf8' });
      const links = JSON.parse(text) as { ifname: string; stats64: { tx: { bytes: number; packets: number } } }[];
      const own = links.filter(({ ifname }) => ifname.startsWith('eth')).map(({ stats64 }) => stats64.tx);
      const sum = (field: 'bytes' | 'packets'): number => own.reduce((total, tx) => total + tx[field], 0);
      return { bytes: sum('bytes'), packets: sum('packets') };
    },
    async stop() {
      for (const number of [...agents.keys()]) await this.kill(number);
      destroy();
    },
  };
}
