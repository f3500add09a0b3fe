import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { readTokens } from '../http/token.ts';

/** How the command line asks an agent. */
export interface AgentClient {
  get(path: string, timeoutMs?: number): Promise<ClientReply>;
  post(path: string, body: unknown, options?: PostOptions): Promise<ClientReply>;
}

export interface PostOptions {
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ClientReply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Parsed where it is JSON; its text otherwise; null where there is none. */
  readonly value: unknown;
}

/** No agent answered, or not with HTTP. */
export class AgentUnreachable extends Error {}

const defaultTimeoutMs = 10_000;
/** The input of a scheduler for a thousand nodes with their metrics is a few dozen MiB. */
const mostBytes = 512 * 1024 * 1024;

/** "HOST", "HOST:PORT" or a URL; throws where it is none of them. */
export const agentUrl = (text: string): string => {
  const url = new URL(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (url.protocol !== 'http:') throw new Error(`${text}: agents are asked by http`);
  if (url.port === '' && !/:80(\/|$)/.test(text)) url.port = '8379';
  return url.origin;
};

/** The secret to send, of a file as agents read it; throws where it is not clear which. */
export const secretOf = (file: string, name: string | undefined): string => {
  const tokens = readTokens(readFileSync(file, 'utf8'), file);
  const found = name === undefined ? tokens : tokens.filter((token) => token.name === name);
  const [first] = found;
  if (first === undefined) throw new Error(`${file}: no token has the name ${name}`);
  const names = [...new Set(found.map((token) => token.name))];
  if (names.length > 1) throw new Error(`${file}: whose token is meant? Say it with --as: ${names.join(', ')}`);
  return first.secret;
};

export const agentClient = (url: string, secret: string | null): AgentClient => {
  const own: Readonly<Record<string, string>> = secret === null ? {} : { authorization: `Bearer ${secret}` };

  const ask = (method: 'GET' | 'POST', path: string, body: string | null, options: PostOptions): Promise<ClientReply> =>
    new Promise((resolve, reject) => {
      const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
      const fail = (error: Error): void => reject(new AgentUnreachable(`${url}: ${error.message}`));
      const headers = { ...own, ...(body === null ? {} : { 'content-type': 'application/json' }), ...options.headers };
      const sent = request(new URL(path, url), { method, headers, agent: false }, (reply) => {
        const chunks: Buffer[] = [];
        let size = 0;
        reply.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > mostBytes) sent.destroy(new Error(`the answer is larger than ${mostBytes / 1024 / 1024} MiB`));
          chunks.push(chunk);
        });
        reply.on('error', fail);
        reply.on('end', () => {
          clearTimeout(timer);
          const text = Buffer.concat(chunks).toString();
          resolve({ status: reply.statusCode ?? 0, headers: reply.headers, value: bodyOf(text, reply) });
        });
      });
      const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
      sent.on('error', (error) => {
        clearTimeout(timer);
        fail(error);
      });
      sent.end(body ?? undefined);
    });

  return {
    get: (path, timeoutMs) => ask('GET', path, null, timeoutMs === undefined ? {} : { timeoutMs }),
    post: (path, body, options = {}) => ask('POST', path, JSON.stringify(body), options),
  };
};

const bodyOf = (text: string, { headers }: IncomingMessage): unknown => {
  if (text === '') return null;
  if (!/^application\/json\b/.test(headers['content-type'] ?? '')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** What an agent says is wrong, for people. */
export const errorOf = ({ status, value }: ClientReply): string => {
  const { error } = (typeof value === 'object' && value !== null ? value : {}) as { readonly error?: unknown };
  return typeof error === 'string' ? `${error} (HTTP ${status})` : `HTTP ${status}`;
};
