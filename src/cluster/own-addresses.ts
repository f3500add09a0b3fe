import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { isLoopback } from '../http/address.ts';
import { joinAddr, splitAddr } from './addr.ts';
import { plainIp } from './wire/ips.ts';

export interface OwnAddresses {
  readonly addr: string;
  readonly otherAddrs: readonly string[];
}

/** An IP address of this host and the name of its interface. */
export interface InterfaceAddress {
  readonly interface: string;
  readonly ip: string;
}

export function systemAddresses(): InterfaceAddress[] {
  const all = Object.entries<NetworkInterfaceInfo[] | undefined>(networkInterfaces());
  return all.flatMap(([name, list]) => (list ?? []).map(({ address }) => ({ interface: name, ip: address })));
}

export const isWildcardAddr = (addr: string): boolean => /^(0\.0\.0\.0|\[::\]):/.test(addr);

/**
 * What a node tells of where it is: the one address that it is bound to, or all of the host's that the socket hears.
 * Loopback means somebody else on every host, and a link-local address needs an interface's name with it: neither is
 * told, and no more than `most` beside the first. IPv4 goes first, as packets have it; bridges of containers, the same on every host, last.
 */
export function ownAddresses(bound: string, interfaces: readonly InterfaceAddress[], most: number): OwnAddresses {
  if (!isWildcardAddr(bound)) return { addr: bound, otherAddrs: [] };
  const port = splitAddr(bound)?.port ?? 0;
  const both = bound.startsWith('[');
  const ranked = interfaces
    .filter(({ ip }) => !isLoopback(ip) && !isLinkLocal(ip) && (both || !ip.includes(':')))
    .map((address, index) => ({ ...address, rank: rank(address), index }))
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
    .map(({ ip }) => joinAddr(plainIp(ip), port));
  const [addr, ...others] = [...new Set(ranked)];
  // A host without a network: nobody can be told anything yet, and addresses are looked at again.
  if (addr === undefined) return { addr: joinAddr('127.0.0.1', port), otherAddrs: [] };
  const kept = others.slice(0, most);
  const isIp4 = (other: string): boolean => !other.startsWith('[');
  return { addr, otherAddrs: [...kept.filter(isIp4), ...kept.filter((other) => !isIp4(other))] };
}

const rank = ({ interface: name, ip }: InterfaceAddress): number =>
  (/^(docker|br-|virbr|veth|cni|cali|flannel|lxc|podman)/.test(name) ? 2 : 0) + (ip.includes(':') ? 1 : 0);

const isLinkLocal = (ip: string): boolean => /^fe[89ab]/i.test(ip) || ip.startsWith('169.254.');
