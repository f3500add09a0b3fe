import { isIP } from 'node:net';
import { addressText } from '../../http/address.ts';

/** IP addresses as packets carry them: IPv4 as one number, IPv6 as its two halves, each in network order. */
export interface Ips {
  readonly ip4: readonly number[];
  readonly ip6: readonly (readonly [high: bigint, low: bigint])[];
}

/** Throws RangeError where one is none. */
export function packIps(hosts: readonly string[]): Ips {
  const ip4: number[] = [];
  const ip6: [bigint, bigint][] = [];
  for (const host of hosts) {
    if (isIP(host) === 4) ip4.push(host.split('.').reduce((sum, part) => sum * 256 + Number(part), 0));
    else if (isIP(host) === 6) ip6.push(halvesOf(host));
    else throw new RangeError(`no IP address: ${JSON.stringify(host)}`);
  }
  return { ip4, ip6 };
}

export const ip4Text = (ip: number): string => addressText(Uint8Array.of(ip >>> 24, ip >>> 16, ip >>> 8, ip));

export function ip6Text(high: bigint, low: bigint): string {
  const bytes = new DataView(new ArrayBuffer(16));
  bytes.setBigUint64(0, high);
  bytes.setBigUint64(8, low);
  return addressText(new Uint8Array(bytes.buffer));
}

/** The one spelling that packets bring back: RFC 5952, and IPv4 mapped into IPv6 as the IPv4 that it is. */
export function plainIp(host: string): string {
  if (isIP(host) !== 6) return host;
  return ip6Text(...halvesOf(host));
}

function halvesOf(host: string): [bigint, bigint] {
  // The URL parser takes every spelling, and writes none with an IPv4 tail.
  const [left = '', right] = new URL(`http://[${host}]/`).hostname.slice(1, -1).split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(left), groups(right ?? '')];
  const zeros = right === undefined ? 0 : 8 - before.length - after.length;
  const all = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  const hex = all.map((group) => group.padStart(4, '0')).join('');
  return [BigInt(`0x${hex.slice(0, 16)}`), BigInt(`0x${hex.slice(16)}`)];
}
