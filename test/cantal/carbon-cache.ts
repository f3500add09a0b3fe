import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const hasCarbon =
  spawnSync('carbon-cache', ['--version']).error === undefined && spawnSync('whisper-fetch').error === undefined;
export const withoutCarbon = 'graphite-carbon is missing (apt-get install graphite-carbon)';

/** Debian's carbon-cache with a retention of a second, in a folder of its own. */
export interface CarbonCache {
  readonly port: number;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Value at a time in seconds, as whisper has it on disk; null: none. */
  valueAt(path: string, seconds: number): Promise<number | null>;
  remove(): Promise<void>;
}

export async function carbonCache(): Promise<CarbonCache> {
  const dir = mkdtempSync(join(tmpdir(), 'carbon-'));
  const [port, pickle, query] = await Promise.all([freePort(), freePort(), freePort()]);
  for (const name of ['conf', 'storage/whisper', 'log']) mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(
    join(dir, 'conf/carbon.conf'),
    `[cache]
STORAGE_DIR = ${dir}/storage
CONF_DIR = ${dir}/conf
LOG_DIR = ${dir}/log
PID_DIR = ${dir}
LOCAL_DATA_DIR = ${dir}/storage/whisper
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = ${port}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = ${pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = ${query}
ENABLE_LOGROTATION = False
CARBON_METRIC_INTERVAL = 0
`,
  );
  writeFileSync(join(dir, 'conf/storage-schemas.conf'), '[all]\npattern = .*\nretentions = 1s:1d\n');
  let child: ChildProcess | null = null;
  const kill = async (): Promise<void> => {
    if (child === null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    child = null;
  };
  return {
    port,
    kill,
    async start() {
      const words = [`--config=${dir}/conf/carbon.conf`, '--nodaemon', 'start'];
      child = spawn('carbon-cache', words, { stdio: 'ignore', env: { ...process.env, GRAPHITE_ROOT: dir } });
      for (let attempt = 0; attempt < 200; attempt++) {
        if (await listens(port)) return;
        await sleep(100);
      }
      throw new Error('carbon-cache does not listen');
    },
    async valueAt(path, seconds) {
      const file = join(dir, 'storage/whisper', `${path.replaceAll('.', '/')}.wsp`);
      for (let attempt = 0; attempt < 100; attempt++) {
        const { stdout } = spawnSync('whisper-fetch', [`--from=${seconds - 1}`, `--until=${seconds}`, file], {
          encoding: 'utf8',
        });
        const value = new RegExp(`^${seconds}\\t(\\S+)$`, 'm').exec(stdout)?.[1];
        if (value !== undefined && value !== 'None') return Number(value);
        await sleep(100);
      }
      return null;
    },
    async remove() {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
      .on('connect', () => {
        socket.destroy();
        resolve(true);
      })
      .on('error', () => resolve(false));
  });
}
