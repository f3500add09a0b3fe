import { readFileSync } from 'node:fs';
import type { BridgeWords } from '../../commands.ts';
import { compileRegex } from '../../query/regex.ts';
import { runBridge } from './bridge.ts';

const usageError = 2;
const log = (line: string): void => void process.stderr.write(`cantal graphite-bridge: ${line}\n`);

/** Runs until SIGTERM or SIGINT. The exit code: 0; 1 where a host failed in the only round; 2 for bad options. */
export async function bridge(hosts: readonly string[], words: BridgeWords): Promise<0 | 1 | typeof usageError> {
  const regex = compileRegex(words.pattern);
  if (regex.kind === 'bad') {
    log(`--pattern: ${regex.reason}`);
    return usageError;
  }
  let token: string | null = null;
  if (words.tokenFile !== undefined) {
    try {
      token = readFileSync(words.tokenFile, 'utf8').split('\n')[0]?.trim() ?? '';
    } catch (error) {
      log(`--token-file: ${(error as Error).message}`);
      return usageError;
    }
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const { host = '', port = '' } = /^(?<host>.+):(?<port>\d+)$/.exec(words.carbon)?.groups ?? {};
  const failed = await runBridge({
    ...words,
    hosts,
    carbon: { host: host.replace(/^\[(.+)\]$/, '$1'), port: Number(port) },
    intervalMs: words.interval * 1000,
    token,
    log,
    stopped: stop.signal,
  });
  return words.once && failed > 0 ? 1 : 0;
}
