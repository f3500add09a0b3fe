import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { joinAddr, splitAddr } from './addr.ts';
import { plainIp } from './wire/ips.ts';

/** The address cannot be had for packets. `code` is the errno's name. */
export class UdpBindError extends Error {
  readonly code: string;
  readonly host: string;
  readonly port: number;

  constructor(code: string, host: string, port: number) {
    super(bindProblem(code, host, port));
    this.name = 'UdpBindError';
    this.code = code;
    this.host = host;
    this.port = port;
  }
}

/** What is wrong and what to do, for errors of bind(2), ip(7) and getaddrinfo(3). */
function bindProblem(code: string, host: string, port: number): string {
  const where = `cannot receive packets on UDP ${host}:${port}`;
  switch (code) {
    case 'EADDRINUSE':
      return `${where}: another program has it (who: ss -lunp 'sport = :${port}'); stop that or choose another --port`;
    case 'EADDRNOTAVAIL':
      return `${where}: no interface of this host has the address ${host} (see: ip address); choose another --host`;
    case 'EACCES':
      return `${where}: ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another --port`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${where}: the name ${host} does not resolve; give an IP address as --host`;
    default:
      return `${where}: ${code}`;
  }
}

export interface Udp {
  /** "ip:port" as bound. */
  readonly addr: string;
  /** `failed` is called with an errno's name, later; never throws. */
  send(addr: string, bytes: Uint8Array, failed: (code: string) => void): void;
  close(): Promise<void>;
}

export interface UdpOptions {
  /** An address or a name that resolves to one; 0.0.0.0: all of IPv4, `::`: all of both. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  receive(bytes: Uint8Array, addr: string): void;
  /** An error of the socket itself, by errno's name; it goes on. */
  failed(code: string): void;
}

/** Rejects with UdpBindError. */
export async function openUdp({ host, port, receive, failed }: UdpOptions): Promise<Udp> {
  const { address, family } = await lookup(host).catch((error: unknown) => {
    throw new UdpBindError(codeOf(error), host, port);
  });
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', lookup: asIs });
  await bind(socket, address, port, host);
  socket.on('error', (error) => failed(codeOf(error)));
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => receive(bytes, joinAddr(plainIp(from.address), from.port)));
  // A socket of both families takes IPv4 in the clothes of IPv6 (RFC 4038, 4.2).
  const outward = (ip: string): string => (address === '::' && !ip.includes(':') ? `::ffff:${ip}` : ip);
  let open = true;
  return {
    addr: joinAddr(address, socket.address().port),
    send(addr, bytes, sendFailed) {
      const to = splitAddr(addr);
      if (!open || to === null) return;
      socket.send(bytes, to.port, outward(to.host), (error) => {
        if (error !== null && open) sendFailed(codeOf(error));
      });
    },
    close() {
      if (!open) return Promise.resolve();
      open = false;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

function bind(socket: Socket, address: string, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error): void => {
      socket.close();
      reject(new UdpBindError(codeOf(error), host, port));
    };
    socket.once('error', refused);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', refused);
      resolve();
    });
  });
}

/** Every address of a peer is an IP address: the library's own look-up would only cost a turn of the event loop each. */
function asIs(
  host: string,
  _options: unknown,
  done: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  done(null, host, host.includes(':') ? 6 : 4);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
}
