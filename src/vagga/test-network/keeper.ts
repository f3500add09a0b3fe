/**
 * The keeper of a test network: a process in the network of the bridge, root of the user namespace that owns it. It makes
 * the bridge, connects the nodes, forwards ports and answers `vagga _network`, until it is killed. Descriptor 3 holds a
 * KeeperJob (v8.serialize); to descriptor 4 it writes `ready`, or what went wrong, and closes it.
 */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { containerAddon, isFailure } from '../../native/container.ts';
import { networkControl, serveControl } from './control.ts';
import { bridgeAddress, bridgeName, prefixBits } from './guests.ts';
import { jobFd, type KeeperJob, readyFd } from './keeper-job.ts';
import { outsideInterface } from './outside.ts';
import { relayPort } from './relay.ts';

/** What kept it from being made; null: it is there. */
function makeNetwork({ nodes, outside }: KeeperJob): string | null {
  const addon = containerAddon();
  const bridge = addon.createBridge(bridgeName, bridgeAddress, prefixBits);
  if (isFailure(bridge)) {
    const absent = bridge.code === 'EOPNOTSUPP' || bridge.code === 'ENOENT';
    return `${bridge.message}${absent ? '; the kernel has no bridges (modprobe bridge)' : ''}`;
  }
  for (const { name, ip, net } of nodes) {
    const plugged = addon.plugGuest(net, {
      bridge: bridgeName,
      outer: `ch${ip.split('.').at(-1)}`,
      inner: 'eth0',
      address: ip,
      prefix: prefixBits,
      gateway: bridgeAddress,
    });
    if (isFailure(plugged)) {
      const absent = plugged.code === 'EOPNOTSUPP';
      return `node ${name}: ${plugged.message}${absent ? '; the kernel has no veth (modprobe veth)' : ''}`;
    }
  }
  return outside ? letOut() : null;
}

/** What nodes send beyond the bridge goes out as if this network had sent it. */
function letOut(): string | null {
  const done = containerAddon().masquerade(outsideInterface);
  if (isFailure(done)) return `${done.message}; the kernel has no nft_masq (modprobe nft_masq)`;
  // Of the network of the thread that writes.
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  return null;
}

function report(text: string): void {
  writeSync(readyFd, text);
  closeSync(readyFd);
}

const job = deserialize(readFileSync(jobFd)) as KeeperJob;
closeSync(jobFd);
const problem = makeNetwork(job);
if (problem !== null) {
  report(problem);
  process.exit(1);
}
for (const relay of job.relays) relayPort(relay);
const nets = new Map(job.nodes.map(({ name, net }) => [name, net]));
const own = openSync('/proc/self/ns/net', 'r');
const control = networkControl(job.nodes, (node, filter) =>
  containerAddon().filterPackets(node === null ? own : (nets.get(node.name) ?? -1), filter),
);
serveControl(control, (failed) => {
  report(failed ?? 'ready');
  if (failed !== null) process.exit(1);
});
