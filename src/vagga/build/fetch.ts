import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EnvHttpProxyAgent, fetch } from 'undici';
import { readingAhead } from './read-ahead.ts';

/** Downloads through the proxies of the environment, if it names some; to be closed. */
export interface Fetcher {
  /** The whole answer; null: there is none (status 404). Throws otherwise. */
  bytes(url: string): Promise<Buffer | null>;
  toFile(url: string, file: string): Promise<void>;
  close(): Promise<void>;
}

/** Of transient failures: a busy mirror, a connection that broke. */
const attempts = 3;

export function openFetcher(environment: ReadonlyMap<string, string>): Fetcher {
  const dispatcher = proxyAgent(environment);
  const again = async <T>(url: string, work: () => Promise<T>): Promise<T> => {
    for (let left = attempts - 1; ; left -= 1) {
      try {
        return await work();
      } catch (error) {
        if (left === 0 || error instanceof StatusError) {
          throw new Error(`Error downloading ${url}: ${reasonOf(error)}`);
        }
      }
    }
  };
  const ask = async (url: string): Promise<Awaited<ReturnType<typeof fetch>>> => {
    const answer = await fetch(url, { dispatcher: readingAhead(dispatcher) });
    if (!answer.ok && answer.status < 500) {
      await answer.body?.cancel();
      throw new StatusError(answer.status, answer.statusText);
    }
    if (!answer.ok) throw new Error(`status ${answer.status} ${answer.statusText}`);
    return answer;
  };
  return {
    bytes: (url) =>
      again(url, async () => {
        try {
          return Buffer.from(await (await ask(url)).arrayBuffer());
        } catch (error) {
          if (error instanceof StatusError && error.status === 404) return null;
          throw error;
        }
      }),
    toFile: (url, file) =>
      again(url, async () => {
        const { body } = await ask(url);
        if (body === null) throw new Error('the answer has no content');
        await pipeline(Readable.fromWeb(body), createWriteStream(file));
      }),
    close: () => dispatcher.close(),
  };
}

class StatusError extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(`status ${status} ${text}`);
    this.status = status;
  }
}

/** What fetch hides behind "fetch failed". */
export function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}

/** Proxies of a build's environment, or of this process. */
export function proxyAgent(environment: ReadonlyMap<string, string>): EnvHttpProxyAgent {
  const value = (name: string): string | undefined => environment.get(name) ?? process.env[name];
  const all = value('all_proxy');
  const httpProxy = value('http_proxy') ?? all;
  const httpsProxy = value('https_proxy') ?? all;
  const noProxy = value('no_proxy');
  return new EnvHttpProxyAgent({
    // Proxies of http often tunnel to the port of https only.
    proxyTunnel: false,
    ...(httpProxy ? { httpProxy } : {}),
    ...(httpsProxy ? { httpsProxy } : {}),
    ...(noProxy ? { noProxy } : {}),
  });
}
