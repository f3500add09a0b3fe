import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const hasPrometheus = spawnSync('prometheus', ['--version']).error === undefined;
export const withoutPrometheus = 'prometheus is missing (apt-get install prometheus)';

/** Debian's Prometheus as a receiver of remote-write, with a database of its own. */
export interface Prometheus {
  /** Where to push. */
  readonly url: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Raw samples of the one series that a selector names, oldest first. */
  samples(selector: string): Promise<readonly (readonly [timeMs: number, value: number])[]>;
  remove(): Promise<void>;
}

export async function prometheus(): Promise<Prometheus> {
  const dir = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  writeFileSync(join(dir, 'prometheus.yml'), '');
  let child: ChildProcess | null = null;
  const kill = async (): Promise<void> => {
    if (child === null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    child = null;
  };
  return {
    url: `${base}/api/v1/write`,
    kill,
    async start() {
      const words = [
        `--config.file=${dir}/prometheus.yml`,
        `--storage.tsdb.path=${dir}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--web.enable-remote-write-receiver',
      ];
      child = spawn('prometheus', words, { stdio: 'ignore', cwd: dir });
      for (let attempt = 0; attempt < 300; attempt++) {
        const ready = await fetch(`${base}/-/ready`).catch(() => null);
        if (ready?.ok === true) return;
        await sleep(100);
      }
      throw new Error('prometheus is not ready');
    },
    async samples(selector) {
      const query = new URLSearchParams({ query: `${selector}[1h]` });
      const reply = (await (await fetch(`${base}/api/v1/query?${query}`)).json()) as {
        readonly data: { readonly result: readonly { readonly values: readonly [number, string][] }[] };
      };
      const [series] = reply.data.result;
      return (series?.values ?? []).map(([seconds, value]) => [Math.round(seconds * 1000), Number(value)] as const);
    },
    async remove() {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
