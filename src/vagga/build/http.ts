import { fetch, type RequestInit, type Response } from 'undici';
import { proxyAgent, reasonOf } from './fetch.ts';
import { readingAhead } from './read-ahead.ts';

/** Requests through the proxies that the environment names; each is a connection of its own kind of error. */
export interface HttpClient {
  /** Follows redirects. Throws with the address and what was wrong; statuses are the caller's to judge. */
  get(url: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  close(): Promise<void>;
}

/** `environment` comes before that of this process. */
export function httpClient(environment: ReadonlyMap<string, string>): HttpClient {
  const dispatcher = proxyAgent(environment);
  const reader = readingAhead(dispatcher);
  return {
    async get(url, headers = {}) {
      const init: RequestInit = { dispatcher: reader, headers: { ...headers } };
      try {
        return await fetch(url, init);
      } catch (error) {
        throw new Error(`Error downloading ${url}: ${reasonOf(error)}`);
      }
    },
    close: () => dispatcher.close(),
  };
}
