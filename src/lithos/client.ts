import { request } from 'node:http';
import type { ConfigProblem } from '../config/problem.ts';
import type { TreeStatus } from './status.ts';

export interface ReloadAnswer {
  /** Instances that were started, stopped or replaced. */
  readonly changed: readonly string[];
  readonly problems: readonly ConfigProblem[];
}

export interface TreeClient {
  status(): Promise<TreeStatus>;
  /** What is to run by the configs as they were read last. */
  wanted(): Promise<readonly { readonly name: string; readonly instanceJson: string }[]>;
  /** Has the configs read now. */
  reload(): Promise<ReloadAnswer>;
  /** Asks for the end of all containers and of the tree; does not wait for it. */
  shutdown(): Promise<void>;
}

/** A busy host answers late; a tree that hangs is not waited for longer. */
const answerTimeoutMs = 5_000;

/** Asks the tree behind a `tree.sock`. Rejects with a text for people, which names the socket. */
export function treeClient(socketPath: string, timeoutMs = answerTimeoutMs): TreeClient {
  const ask = (method: string, path: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath, method, path, timeout: timeoutMs }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (reply.statusCode !== 200) return reject(new Error(`tree at ${socketPath}: ${text.trim()}`));
          try {
            resolve(JSON.parse(text));
          } catch {
            reject(new Error(`tree at ${socketPath}: its answer is no JSON`));
          }
        });
      });
      asked.on('timeout', () => asked.destroy(new Error(`tree at ${socketPath}: no answer for ${timeoutMs} ms`)));
      asked.on('error', (error: NodeJS.ErrnoException) => reject(explain(socketPath, error)));
      asked.end();
    });
  return {
    status: async () => (await ask('GET', '/v1/status')) as TreeStatus,
    wanted: async () => {
      const { instances } = (await ask('GET', '/v1/config')) as { instances: { name: string; instanceJson: string }[] };
      return instances;
    },
    reload: async () => (await ask('POST', '/v1/reload')) as ReloadAnswer,
    shutdown: async () => {
      await ask('POST', '/v1/shutdown');
    },
  };
}

function explain(socketPath: string, error: NodeJS.ErrnoException): Error {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new Error(`no tree is running at ${socketPath}`);
    case 'EACCES':
      return new Error(`${socketPath}: no permission; root, the tree's own user and control-users may use it`);
    case undefined:
      return error;
    default:
      return new Error(`tree at ${socketPath}: ${error.code}`);
  }
}
