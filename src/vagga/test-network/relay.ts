import { connect, createServer, type Socket } from 'node:net';

/** A listening socket of the host, and the node's port that what it accepts is connected to. */
export interface Relay {
  readonly fd: number;
  readonly ip: string;
  readonly port: number;
}

/** Passes on bytes and ends of both directions, each on its own. A node that does not listen: the caller is reset. */
export function relayPort({ fd, ip, port }: Relay): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (outside) => {
    const inside = connect({ host: ip, port, allowHalfOpen: true, noDelay: true });
    reset(outside, inside);
    reset(inside, outside);
    outside.pipe(inside);
    inside.pipe(outside);
  });
  server.listen({ fd });
}

function reset(broken: Socket, other: Socket): void {
  broken.on('error', () => other.resetAndDestroy());
  broken.on('close', () => {
    // What was read of it before is still on its way.
    if (broken.readableEnded) return;
    other.destroy();
  });
}
