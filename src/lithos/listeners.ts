import { isIPv6, SocketAddress } from 'node:net';
import { containerAddon, isFailure, type ListeningSocket } from '../native/container.ts';
import type { TreeSocket } from './plan.ts';

/**
 * The listening sockets that a tree keeps for its containers (lithos 4.7), by address. They stay open while anybody wants
 * them, so that no connection is refused while a program is started again; connections wait in the backlog meanwhile.
 */
export interface Listeners {
  /** Descriptors in the order of `sockets`; those that are open already are as they were first asked for. */
  open(sockets: readonly TreeSocket[]): { readonly fds: readonly number[] } | { readonly message: string };
  /** Of the image before this one, or of knots that have them: one per address is kept, the others are closed. */
  adopt(found: readonly ListeningSocket[]): void;
  /** Closes what nobody wants any more. */
  keepOnly(wanted: Iterable<TreeSocket>): void;
  addresses(): readonly string[];
}

/** `inet_ntop`'s wording, so that `::` and `0::0` are one address. */
export function addressOf({ host, port }: Pick<TreeSocket, 'host' | 'port'>): string {
  const text = isIPv6(host) ? new SocketAddress({ address: host, family: 'ipv6' }).address : host;
  return isIPv6(host) ? `[${text}]:${port}` : `${text}:${port}`;
}

export function listeners(): Listeners {
  const addon = containerAddon();
  const open = new Map<string, number>();
  return {
    open(sockets) {
      const fds: number[] = [];
      for (const socket of sockets) {
        const address = addressOf(socket);
        const known = open.get(address);
        const fd = known ?? addon.listen(socket);
        if (isFailure(fd)) return { message: `${fd.message} (${address})` };
        if (known === undefined) {
          open.set(address, fd);
          addon.keepFd(fd, true);
        }
        fds.push(fd);
      }
      return { fds };
    },
    adopt(found) {
      for (const { host, port, fd } of found) {
        const address = addressOf({ host, port });
        if (open.get(address) === fd) continue;
        if (open.has(address)) {
          addon.closeFd(fd);
          continue;
        }
        open.set(address, fd);
        addon.keepFd(fd, true);
      }
    },
    keepOnly(wanted) {
      const addresses = new Set([...wanted].map(addressOf));
      for (const [address, fd] of open) {
        if (addresses.has(address)) continue;
        open.delete(address);
        addon.keepFd(fd, false);
        addon.closeFd(fd);
      }
    },
    addresses: () => [...open.keys()].sort(),
  };
}
