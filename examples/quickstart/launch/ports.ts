import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** First ports of the three nodes; each node has its own address, so the numbers are the same on all. */
export interface Ports {
  /** HTTP and UDP of the agents. */
  readonly agent: number;
  /** nginx. */
  readonly router: number;
  /** Instance N of `web` listens on web + N. */
  readonly web: number;
}

export const defaultPorts: Ports = { agent: 8379, router: 8380, web: 18100 };

/** As many `web` instances as one node could be given. */
const webPortsPerNode = 24;

const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];

/** The ports of the set that something else holds, as "127.0.0.1:8379/udp". */
export async function portsInUse(ports: Ports): Promise<string[]> {
  const tcp = [ports.agent, ports.router, ...Array.from({ length: webPortsPerNode }, (_, n) => ports.web + n)];
  const used = await Promise.all(
    addresses.flatMap((address) => [
      ...tcp.map(async (port) => ((await tcpIsFree(address, port)) ? [] : [`${address}:${port}/tcp`])),
      udpIsFree(address, ports.agent).then((free) => (free ? [] : [`${address}:${ports.agent}/udp`])),
    ]),
  );
  return used.flat();
}

/** A free set, tried at distances so that two runs at once do not meet. */
export async function freePorts(seed: number): Promise<Ports> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const agent = 20_000 + ((seed + attempt * 7) % 380) * 32;
    const ports = { agent, router: agent + 1, web: agent + 2 };
    if ((await portsInUse(ports)).length === 0) return ports;
  }
  throw new Error('no free ports between 20000 and 32200');
}

function tcpIsFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function udpIsFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
