import { readFileSync } from 'node:fs';
import type { Explained } from './explain.ts';
import { explainText } from './explain-text.ts';

export interface ExplainWords {
  readonly url: string;
  readonly tokenFile?: string;
  readonly json?: true;
}

export interface ExplainOut {
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
  readonly nowMs: () => number;
}

const timeoutMs = 10_000;
const usageError = 2;

/** Asks an agent. The exit code: 0; 1 where role or node are unknown or no agent answers; 2 for bad options. */
export const explain = async (
  role: string,
  node: string | null,
  { url, tokenFile, json }: ExplainWords,
  { print, complain, nowMs }: ExplainOut,
): Promise<0 | 1 | 2> => {
  let headers: Record<string, string> = {};
  let target: URL;
  try {
    target = new URL(`/v1/explain/${encodeURIComponent(role)}`, url);
    if (!/^https?:$/.test(target.protocol)) throw new Error('not an http URL');
  } catch {
    complain(`--url ${url}: not an address such as http://127.0.0.1:8379`);
    return usageError;
  }
  if (tokenFile !== undefined) {
    try {
      headers = { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').split('\n')[0]?.trim() ?? ''}` };
    } catch (error) {
      complain(`--token-file: ${(error as Error).message}`);
      return usageError;
    }
  }

  let reply: Response;
  let text: string;
  try {
    reply = await fetch(target, { headers, signal: AbortSignal.timeout(timeoutMs) });
    text = await reply.text();
  } catch (error) {
    complain(
      `no agent answers at ${target.origin} (${reasonOf(error)}); is \`stellwerk agent\` running? Others: --url`,
    );
    return 1;
  }
  const body = parsed(text);
  if (!reply.ok) {
    const said = (body as { readonly error?: unknown } | null)?.error;
    const hint = reply.status === 401 ? ' (--token-file)' : '';
    complain(`${typeof said === 'string' ? said : `${target} answers ${reply.status}`}${hint}`);
    return 1;
  }
  if (!isExplained(body)) {
    complain(`what ${target.origin} answers is not understood; is it an agent of this version?`);
    return 1;
  }
  const hosts = Object.keys(body.nodes);
  if (node !== null && !hosts.includes(node)) {
    complain(`there is no node "${node}"; there ${hosts.length === 1 ? 'is' : 'are'} ${hosts.join(', ') || 'none'}`);
    return 1;
  }
  if (json !== true) print(explainText(body, node, nowMs()));
  else if (node === null) print(`${JSON.stringify(body, null, 2)}\n`);
  else
    print(
      `${JSON.stringify({ ...body, nodes: only(body.nodes, node), metrics: only(body.metrics, node) }, null, 2)}\n`,
    );
  return 0;
};

const only = <T>(record: Readonly<Record<string, T>> | null, key: string): Record<string, T> | null => {
  if (record === null) return null;
  const value = Object.hasOwn(record, key) ? record[key] : undefined;
  return value === undefined ? {} : { [key]: value };
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
};

const isExplained = (value: unknown): value is Explained => {
  if (typeof value !== 'object' || value === null) return false;
  const { role, hash, timestamp, nodes, changes, missing } = value as Readonly<Record<string, unknown>>;
  return (
    typeof role === 'string' &&
    typeof hash === 'string' &&
    typeof timestamp === 'number' &&
    typeof nodes === 'object' &&
    nodes !== null &&
    Array.isArray(changes) &&
    Array.isArray(missing)
  );
};

/** fetch says "fetch failed" and keeps the reason to itself. */
const reasonOf = (error: unknown): string => {
  const { cause, message } = error as Error & {
    readonly cause?: { readonly code?: string; readonly message?: string };
  };
  return cause?.code ?? cause?.message ?? message;
};
