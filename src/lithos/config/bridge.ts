import { BlockList, isIPv6 } from 'node:net';
import { blake2b } from '@noble/hashes/blake2.js';
import type { NetworkPlan } from '../plan.ts';
import type { SandboxConfig } from './sandbox.ts';

type Bridged = NonNullable<SandboxConfig['bridgedNetwork']>;

/** Why a bridged container cannot have this address; null where it can. */
export function addressProblem({ network }: Bridged, address: string): string | null {
  const family = isIPv6(network.address) ? 'ipv6' : 'ipv4';
  if (isIPv6(address) !== (family === 'ipv6')) return `${address} is of another family than ${network.address}`;
  const list = new BlockList();
  list.addSubnet(network.address, network.prefix, family);
  return list.check(address, family) ? null : `${address} is not in ${network.address}/${network.prefix}`;
}

/** lithos 5.3; `address` null (commands may have none): only `lo`. */
export function planNetwork(bridged: Bridged, address: string | null): NetworkPlan {
  const afterSetup = bridged.afterSetupCommand.map((word) => replaceAddress(word, address));
  if (address === null) return { bridge: null, afterSetup };
  return {
    bridge: {
      bridge: bridged.bridge,
      outer: interfaceName(bridged.bridge, address, '_'),
      inner: interfaceName(bridged.bridge, address, '-'),
      address,
      prefix: bridged.network.prefix,
      gateway: bridged.defaultGateway,
      isolated: bridged.isolated,
    },
    afterSetup,
  };
}

const replaceAddress = (word: string, address: string | null): string =>
  word.replace(/@\{\s*([^}]*?)\s*\}/g, (_, name: string) => (name === 'container_ip' ? (address ?? '') : ''));

const hashBytes = 3;

/**
 * `li_HHHHHH_AAAA`: 6 digits of a hash over bridge and address, and the last two bytes of the address. 15 bytes are the
 * most that an interface may be called (IFNAMSIZ, netdevice(7)).
 */
function interfaceName(bridge: string, address: string, separator: '_' | '-'): string {
  const hash = blake2b(Buffer.from(JSON.stringify({ bridge, ip: address })), { dkLen: hashBytes });
  const last = lastTwoBytes(address).map((byte) => byte.toString(16).padStart(2, '0'));
  return `li${separator}${Buffer.from(hash).toString('hex')}${separator}${last.join('')}`;
}

function lastTwoBytes(address: string): readonly number[] {
  if (!isIPv6(address)) return address.split('.').slice(-2).map(Number);
  const group = Number.parseInt(address.split(':').at(-1) || '0', 16);
  return [(group >> 8) & 0xff, group & 0xff];
}
