import { isIP } from 'node:net';

export interface Addr {
  readonly host: string;
  readonly port: number;
}

/** "1.2.3.4:80" and "[::1]:80"; null for anything else, names included. */
export function splitAddr(text: string): Addr | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([1-9]\d{0,4})$/.exec(text);
  if (match === null) return null;
  const host = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  const family = isIP(host);
  if (port > 65_535 || family !== (match[1] === undefined ? 4 : 6)) return null;
  return { host, port };
}

export const joinAddr = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
