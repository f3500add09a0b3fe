import { networkInterfaces } from 'node:os';

// vagga's own test networks had a gateway that root had to set up on the host, and showed the ports of nodes there. Ours
// show them on loopback and need none; whoever has tests that ask at the old address gives it to the host.

export const originalAddress = '172.23.255.2';
const interfaceName = 'lo';

export function hasOriginalAddress(): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === originalAddress));
}

export type Words = readonly [string, ...string[]];

const asRoot = (isRoot: boolean, words: Words): Words => (isRoot ? words : ['sudo', ...words]);
const onInterface = [`${originalAddress}/32`, 'dev', interfaceName] as const;

export const createCommands = (isRoot: boolean): readonly Words[] => [
  asRoot(isRoot, ['ip', 'address', 'add', ...onInterface]),
];

export const destroyCommands = (isRoot: boolean): readonly Words[] => [
  asRoot(isRoot, ['ip', 'address', 'del', ...onInterface]),
];
