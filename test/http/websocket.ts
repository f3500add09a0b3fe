import { connect } from 'node:net';

export interface Client {
  readonly messages: string[];
  pause(): void;
  resume(): void;
  close(): void;
}

/** A WebSocket client for tests (RFC 6455; Node 20 has none): text frames in, nothing out. */
export function WebSocket(url: string): Promise<Client> {
  const { hostname, port, host, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const messages: string[] = [];
    let bytes: Buffer = Buffer.alloc(0);
    let upgraded = false;
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `GET ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      );
    });
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (!upgraded) {
        const end = bytes.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = bytes.subarray(0, end).toString();
        bytes = bytes.subarray(end + 4);
        upgraded = true;
        if (head.startsWith('HTTP/1.1 101')) {
          resolve({
            messages,
            pause: () => void socket.pause(),
            resume: () => void socket.resume(),
            close: () => void socket.destroy(),
          });
        } else reject(new Error(head));
      }
      for (let frame = takeFrame(bytes); frame !== null; frame = takeFrame(bytes)) {
        if (frame.opcode === 1) messages.push(frame.payload.toString());
        bytes = frame.rest;
      }
    });
  });
}

function takeFrame(bytes: Buffer): { opcode: number; payload: Buffer; rest: Buffer } | null {
  if (bytes.length < 2) return null;
  const short = bytes.readUInt8(1) & 0x7f;
  const head = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < head) return null;
  const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < head + length) return null;
  return {
    opcode: bytes.readUInt8(0) & 0x0f,
    payload: bytes.subarray(head, head + length),
    rest: bytes.subarray(head + length),
  };
}
