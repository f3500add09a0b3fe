import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { freePort } from '../cantal/prometheus.ts';
import { skipped } from '../skipped.ts';

const program = join(packageRoot(), 'bin/stellwerk.js');
const nobody = 65_534;
/** Of the program that is watched: neither ours nor the agent's. */
const stranger = 54_321;
const capabilities = ['sys_ptrace', 'dac_read_search'];
const mayTry =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', ['--version']).error === undefined &&
  spawnSync('setpriv', ['--reuid', String(nobody), '--clear-groups', 'test', '-r', program]).status === 0;

let folder = '';
let app: ChildProcess;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'privileges-'));
  const value = Buffer.alloc(8);
  value.writeBigUInt64LE(77n);
  writeFileSync(join(folder, 'app.values'), value, { mode: 0o600 });
  writeFileSync(join(folder, 'app.meta'), 'counter 8: {"metric":"secret"}\n', { mode: 0o600 });
  for (const name of ['app.values', 'app.meta', '.']) chownSync(join(folder, name), stranger, stranger);
  chmodSync(folder, 0o700);
  app = spawn('/bin/sleep', ['1000'], {
    env: { CANTAL_PATH: join(folder, 'app') },
    stdio: 'ignore',
    uid: stranger,
    gid: stranger,
  });
  await once(app, 'spawn');
});
afterEach(() => {
  app.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** As the unit starts it: an ordinary user, these capabilities, and no way to others. */
function asUser(kept: readonly string[]): readonly string[] {
  const caps = ['-all', ...kept.map((name) => `+${name}`)].join(',');
  return [
    ...['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups', '--no-new-privs'],
    ...['--inh-caps', caps, '--ambient-caps', caps, '--bounding-set', caps],
  ];
}

function scan(kept: readonly string[]) {
  const { stdout, stderr, status } = spawnSync(
    'setpriv',
    [...asUser(kept), process.execPath, program, 'cantal-agent', '--once'],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, cwd: '/' },
  );
  expect(status, stderr).toBe(0);
  const { metrics, processes } = JSON.parse(stdout) as {
    metrics: [Readonly<Record<string, string>>, [string, unknown]][];
    processes: { pid: number; uid: number; readBytes: number | null }[];
  };
  return {
    row: processes.find(({ pid }) => pid === app.pid),
    secret: metrics.find(([labels]) => labels.metric === 'secret' && labels.pid === String(app.pid))?.[1],
  };
}

describe.skipIf(
  skipped(mayTry, 'the agent’s two capabilities', 'needs root, setpriv, and a folder that others may enter'),
)('an agent that is an ordinary user', () => {
  it('sees io and exported numbers of other users with the two capabilities of its unit', () => {
    const { row, secret } = scan(capabilities);
    expect(row).toMatchObject({ uid: stranger, readBytes: expect.any(Number) });
    expect(secret).toEqual(['Counter', 77]);
  });

  it('names in /status what it may not read', async () => {
    const hidden = async (kept: readonly string[]): Promise<number> => {
      const port = await freePort();
      const words = [...asUser(kept), process.execPath, program, 'cantal-agent', '-p', String(port)];
      const child = spawn('setpriv', words, { stdio: 'ignore', cwd: '/' });
      try {
        for (let attempt = 0; attempt < 1000; attempt++) {
          const health = await fetch(`http://127.0.0.1:${port}/v1/health`).catch(() => null);
          if (health?.status === 200) break;
          await sleep(20);
        }
        const status = (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as {
          unreadable: readonly { processes: number; needs: string }[];
        };
        for (const { needs } of status.unreadable) expect(needs).toContain('CAP_SYS_PTRACE');
        return status.unreadable.reduce((sum, { processes }) => sum + processes, 0);
      } finally {
        child.kill('SIGKILL');
      }
    };
    // One that vanishes under the scan may be counted, or the first one of a sandbox; root's are many.
    expect(await hidden(capabilities)).toBeLessThan(5);
    expect(await hidden([])).toBeGreaterThan(5);
  }, 60_000);

  it('sees neither without them, and the rest all the same', () => {
    const { row, secret } = scan([]);
    expect(row).toMatchObject({ uid: stranger, readBytes: null });
    expect(secret).toBeUndefined();
  });
});

describe('the units', () => {
  const systemd = join(packageRoot(), 'packaging/systemd');
  it.each(['cantal-agent.service', 'stellwerk-agent.service'])(
    '%s gives these two capabilities and no others',
    (name) => {
      const unit = readFileSync(join(systemd, name), 'utf8');
      const wanted = capabilities.map((each) => `CAP_${each.toUpperCase()}`).join(' ');
      expect(unit).toContain(`\nAmbientCapabilities=${wanted}\n`);
      expect(unit).toContain(`\nCapabilityBoundingSet=${wanted}\n`);
    },
  );

  const hasAnalyze = spawnSync('systemd-analyze', ['--version']).error === undefined;
  it.skipIf(skipped(hasAnalyze, 'the units', 'systemd-analyze is missing (apt-get install systemd)'))(
    'are what systemd understands',
    () => {
      const units = ['cantal-agent.service', 'stellwerk-agent.service'].map((name) => {
        // Programs, users and documents are there only where the package is installed.
        const text = readFileSync(join(systemd, name), 'utf8')
          .replace(/=\/usr\/bin\/\S+/, '=/bin/true')
          .replace(/^(User|Group|Documentation)=.*\n/gm, '');
        writeFileSync(join(folder, name), text);
        return join(folder, name);
      });
      const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...units], { encoding: 'utf8' });
      expect(stderr.split('\n').filter((line) => line.includes(folder) || /agent\.service/.test(line))).toEqual([]);
      expect(status).toBe(0);
    },
  );
});
