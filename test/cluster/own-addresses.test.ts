import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { joinAddr } from '../../src/cluster/addr.ts';
import { type InterfaceAddress, ownAddresses } from '../../src/cluster/own-addresses.ts';
import { ip4Text, ip6Text, packIps, plainIp } from '../../src/cluster/wire/ips.ts';

const on = (name: string, ...ips: string[]): InterfaceAddress[] => ips.map((ip) => ({ interface: name, ip }));
const host = [
  ...on('lo', '127.0.0.1', '::1'),
  ...on('docker0', '172.17.0.1'),
  ...on('eth0', '192.0.2.7', 'fe80::1', '2001:db8::7'),
  ...on('eth1', '169.254.3.4', '198.51.100.7'),
];

describe('a node tells that it is', () => {
  test('where it is bound to, and nowhere else', () => {
    expect(ownAddresses('192.0.2.7:1', host, 7)).toEqual({ addr: '192.0.2.7:1', otherAddrs: [] });
    expect(ownAddresses('127.0.0.1:1', host, 7)).toEqual({ addr: '127.0.0.1:1', otherAddrs: [] });
  });

  test('at all IPv4 addresses of the host but loopback and link-local ones, containers’ bridges last', () => {
    expect(ownAddresses('0.0.0.0:1', host, 7)).toEqual({
      addr: '192.0.2.7:1',
      otherAddrs: ['198.51.100.7:1', '172.17.0.1:1'],
    });
  });

  test('at those of IPv6 too, behind the others', () => {
    expect(ownAddresses('[::]:1', host, 7)).toEqual({
      addr: '192.0.2.7:1',
      otherAddrs: ['198.51.100.7:1', '172.17.0.1:1', '[2001:db8::7]:1'],
    });
    expect(ownAddresses('[::]:1', on('eth0', 'fe80::1', '2001:db8::7'), 7).addr).toBe('[2001:db8::7]:1');
  });

  test('at no more than fit', () => {
    const many = on('eth0', ...Array.from({ length: 20 }, (_, index) => `192.0.2.${index + 1}`));
    expect(ownAddresses('0.0.0.0:1', many, 7).otherAddrs).toHaveLength(7);
    expect(ownAddresses('0.0.0.0:1', many, 0).otherAddrs).toEqual([]);
  });

  test('on loopback while the host has no network', () => {
    expect(ownAddresses('[::]:1', on('lo', '127.0.0.1'), 7)).toEqual({ addr: '127.0.0.1:1', otherAddrs: [] });
  });
});

test('any IP address goes into a packet and comes out in its one spelling', () => {
  const unpacked = (ip: string): string => {
    const { ip4, ip6 } = packIps([ip]);
    const [four] = ip4;
    const [six] = ip6;
    return four !== undefined ? ip4Text(four) : ip6Text(...(six ?? [0n, 0n]));
  };
  fc.assert(
    fc.property(fc.ipV4(), (ip) => {
      expect(unpacked(ip)).toBe(ip);
    }),
  );
  fc.assert(
    fc.property(fc.ipV6(), (ip) => {
      expect([plainIp(ip), plainIp(plainIp(ip))]).toEqual([unpacked(ip), plainIp(ip)]);
    }),
  );
  expect(plainIp('::FFFF:192.0.2.7')).toBe('192.0.2.7');
  expect(plainIp('2001:0db8:0:0:0:0:0:7')).toBe('2001:db8::7');
  expect(() => packIps(['node2'])).toThrow('no IP address: "node2"');
  expect(joinAddr(plainIp('::1'), 1)).toBe('[::1]:1');
});
