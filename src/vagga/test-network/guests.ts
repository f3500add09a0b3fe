import type { Child } from '../config/command.ts';

// Who is where in a test network: vagga 6, "Test networks".

export const bridgeName = 'children';
export const bridgeAddress = '172.23.0.254';
export const prefixBits = 24;

/** A child of a !Supervise with a network and a host name of its own: a node. */
export interface Guest {
  readonly name: string;
  readonly hostname: string;
  readonly ip: string;
  /** TCP ports of the host, each with the guest's behind it. */
  readonly ports: ReadonlyMap<number, number>;
}

/** Whether any of them needs the network that this folder is about. */
export function wantsTestNetwork(children: Iterable<Child>): boolean {
  return [...children].some((child) => child.tag === 'BridgeCommand' || child.value.network !== null);
}

/** The nodes among the children, in their order. */
export function planGuests(
  children: ReadonlyMap<string, Child>,
): { readonly guests: readonly Guest[] } | { readonly problem: string } {
  const guests: Guest[] = [];
  const ips = new Map<string, string>();
  const hostnames = new Map<string, string>();
  const ports = new Map<number, string>();
  for (const [name, child] of children) {
    if (child.value.isolateNetwork) {
      return { problem: `child ${name}: isolate-network does not go together with children that have a network` };
    }
    if (child.tag === 'BridgeCommand' || child.value.network === null) continue;
    const { network } = child.value;
    const hostname = network.hostname ?? name;
    if (!/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62})$/.test(hostname)) {
      return {
        problem: `child ${name}: hostname "${hostname}" is no host name (letters, digits, - and ., 63 at most)`,
      };
    }
    const guest: Guest = {
      ...{ name, hostname, ip: network.ip },
      ports: new Map([...network.ports].map(([external, internal]) => [Number(external), internal])),
    };
    const other = ips.get(guest.ip);
    if (other !== undefined) return { problem: `children ${other} and ${name} have the same ip ${guest.ip}` };
    const namesake = hostnames.get(hostname);
    if (namesake !== undefined)
      return { problem: `children ${namesake} and ${name} have the same hostname ${hostname}` };
    for (const port of guest.ports.keys()) {
      const owner = ports.get(port);
      if (owner !== undefined)
        return { problem: `children ${owner} and ${name} have the same port ${port} of the host` };
      ports.set(port, name);
    }
    ips.set(guest.ip, name);
    hostnames.set(hostname, name);
    guests.push(guest);
  }
  return { guests };
}

/** /etc/hosts of all children: nodes find each other by host name and by the name of the child. */
export function hostsText(guests: readonly Guest[], ofHost: string): string {
  const lines = guests.map(({ ip, hostname, name }) => `${ip}\t${hostname === name ? name : `${hostname} ${name}`}\n`);
  return `${lines.join('')}${ofHost}`;
}
