import { Agent, type IncomingMessage, request } from 'node:http';
import { checkReply, proofHeaders, prove } from './cluster-auth.ts';

export interface PeerHttpOptions {
  /** The first signs, all are accepted in replies. Empty: unsigned, for a cluster on one machine. */
  readonly keys: readonly Uint8Array[];
}

export interface PeerClient {
  /** `addr` is "ip:port". Rejects with PeerError. */
  getJson(addr: string, path: string, timeoutMs: number, maxBytes: number): Promise<unknown>;
  postJson(addr: string, path: string, body: unknown, timeoutMs: number, maxBytes: number): Promise<unknown>;
  /**
   * For what must not be done twice, and for answers that take long: over a connection of its own, so that nothing is sent
   * again where one breaks, and other questions do not wait behind it.
   */
  postOnce(addr: string, path: string, body: unknown, timeoutMs: number, maxBytes: number): Promise<unknown>;
  /** Closes the connections that are kept. */
  stop(): void;
}

/** Why a peer gave no answer; `status` is set where it did answer, but with a refusal. */
export class PeerError extends Error {
  readonly addr: string;
  readonly path: string;
  readonly status: number | null;

  constructor(addr: string, path: string, reason: string, status: number | null = null) {
    super(`${addr}${path}: ${reason}`);
    this.name = 'PeerError';
    this.addr = addr;
    this.path = path;
    this.status = status;
  }
}

/** The server closes an idle connection after 10 s: ours must be gone before, or a request meets the closing door. */
const keepIdleMs = 5_000;
/** To one peer at once; more wait. */
const connectionsPerPeer = 8;
/** Each a person who waits for a button, or a script. */
const singlesPerPeer = 200;

interface Call {
  readonly method: 'GET' | 'POST';
  readonly addr: string;
  readonly path: string;
  readonly body: Buffer;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** HTTP to other agents over kept connections, signed with the cluster key; replies must be signed too. */
export function peerHttp({ keys }: PeerHttpOptions): PeerClient {
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsPerPeer, timeout: keepIdleMs });
  const single = new Agent({ keepAlive: false, maxSockets: singlesPerPeer });
  const call = (what: Call) => once(agent, keys, what, performance.now() + what.timeoutMs, true);
  return {
    getJson: (addr, path, timeoutMs, maxBytes) =>
      call({ method: 'GET', addr, path, body: Buffer.alloc(0), timeoutMs, maxBytes }),
    async postJson(addr, path, body, timeoutMs, maxBytes) {
      return call({ method: 'POST', addr, path, body: Buffer.from(JSON.stringify(body)), timeoutMs, maxBytes });
    },
    async postOnce(addr, path, body, timeoutMs, maxBytes) {
      const what: Call = { method: 'POST', addr, path, body: Buffer.from(JSON.stringify(body)), timeoutMs, maxBytes };
      return once(single, keys, what, performance.now() + timeoutMs, false);
    },
    stop() {
      agent.destroy();
      single.destroy();
    },
  };
}

function once(
  agent: Agent,
  keys: readonly Uint8Array[],
  call: Call,
  deadline: number,
  mayRetry: boolean,
): Promise<unknown> {
  const { method, addr, path, body } = call;
  const key = keys[0];
  const proof = key === undefined ? null : prove(key, { method, target: path, host: addr, body }, Date.now());
  return new Promise((resolve, reject) => {
    const fail = (reason: string, status: number | null = null) => reject(new PeerError(addr, path, reason, status));
    let url: URL;
    try {
      url = new URL(`http://${addr}`);
    } catch {
      return fail('not an address');
    }
    const sent = request({
      agent,
      method,
      // Brackets belong to the URL, not to the address.
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 80 : url.port,
      path,
      headers: {
        host: addr,
        accept: 'application/json',
        ...(method === 'POST' ? { 'content-type': 'application/json', 'content-length': String(body.length) } : {}),
        ...(proof === null
          ? {}
          : {
              [proofHeaders.date]: proof.date,
              [proofHeaders.nonce]: proof.nonce,
              [proofHeaders.mac]: proof.mac,
            }),
      },
    });
    // One deadline for connecting, asking and reading: a peer that drips must not hold a query.
    const timer = setTimeout(
      () => {
        fail(`no answer within ${call.timeoutMs} ms`);
        sent.destroy();
      },
      Math.max(1, deadline - performance.now()),
    );
    sent.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      // A kept connection may have been closed by the peer in the same moment; what comes here only asks, so asking
      // twice is safe.
      if (mayRetry && sent.reusedSocket && error.code === 'ECONNRESET' && deadline > performance.now()) {
        once(agent, keys, call, deadline, false).then(resolve, reject);
      } else fail(error.message);
    });
    sent.on('response', (reply) => {
      collect(reply, call.maxBytes)
        .then((bytes) => resolve(accepted(reply, bytes, call, keys, proof?.nonce ?? null)))
        .catch((error: unknown) => {
          sent.destroy();
          if (error instanceof PeerError) reject(error);
          else fail(error instanceof Error ? error.message : String(error));
        })
        .finally(() => clearTimeout(timer));
    });
    sent.end(body.length > 0 ? body : undefined);
  });
}

function collect(reply: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    reply.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        reject(new Error(`the answer is larger than ${maxBytes} bytes`));
        reply.destroy();
      } else chunks.push(chunk);
    });
    reply.on('end', () => resolve(Buffer.concat(chunks)));
    reply.on('error', reject);
    reply.on('aborted', () => reject(new Error('the answer broke off')));
  });
}

function accepted(
  reply: IncomingMessage,
  bytes: Buffer,
  { addr, path }: Call,
  keys: readonly Uint8Array[],
  nonce: string | null,
): unknown {
  const status = reply.statusCode ?? 0;
  if (status < 200 || status > 299) throw new PeerError(addr, path, `${status} ${errorOf(bytes)}`, status);
  const mac = reply.headers[proofHeaders.mac];
  if (nonce !== null && (typeof mac !== 'string' || !checkReply(keys, nonce, status, bytes, mac))) {
    throw new PeerError(addr, path, 'the answer is not signed with a key of this cluster');
  }
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new PeerError(addr, path, 'the answer is not JSON');
  }
}

function errorOf(bytes: Buffer): string {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && 'error' in value) return String(value.error).slice(0, 200);
  } catch {
    // Not ours, or cut off: the status says enough.
  }
  return '';
}
