import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { surveyJson } from '../../src/lithos/ps/json.ts';
import { openProc } from '../../src/lithos/ps/proc.ts';
import { survey } from '../../src/lithos/ps/survey.ts';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';
import { type LithosHost, lithosHost } from '../system/lithos-host.ts';

const isBuilt = existsSync(join(packageRoot(), 'dist', 'main.js'));
const isRoot = process.getuid?.() === 0;
const timeoutMs = 60_000;

let host: LithosHost | null = null;
afterEach(async () => {
  await host?.remove();
  host = null;
});

async function startWith(wanted: Readonly<Record<string, number>>): Promise<LithosHost> {
  host = lithosHost(0);
  // Ends at once; its init stays and starts it again.
  writeFileSync(
    join(host.dir, 'images', 'app', 'config', 'flapping.yaml'),
    `executable: /usr/bin/sh
arguments: [-c, "exit 3"]
restart-process-only: true
restart-timeout: 0.2
volumes: { /usr: !Readonly /usr }
`,
  );
  host.want(wanted);
  await host.start();
  return host;
}

interface Child {
  readonly name: string;
  readonly pid: number;
  readonly ok: boolean;
  readonly processes: readonly { readonly pid: number; readonly mem_rss: number; readonly start_time: number }[];
}

interface Document {
  readonly trees: readonly { readonly pid: number | null; readonly children: readonly Child[] }[];
}

const look = (config: string): Document => JSON.parse(surveyJson(survey(openProc('/proc'), config))) as Document;

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); await sleep(20))
    if (Date.now() > end) throw new Error(`never: ${what}`);
}

describe.skipIf(
  skipped(isBuilt && isRoot, 'ps of real containers', isBuilt ? 'needs root' : 'dist is missing: npm run build'),
)('ps', () => {
  it(
    'is valid JSON while children flap, and shows the failing as not ok',
    async () => {
      const { master, treePid, until: untilTold } = await startWith({ sleeper: 2, flapping: 2, failing: 2 });
      const { containers } = await untilTold('sleepers', (status) => {
        const sleepers = status.containers.filter(({ process, phase }) => process === 'sleeper' && phase === 'running');
        return sleepers.length === 2 && status;
      });
      const sleepers = new Map(
        containers.flatMap(({ name, pid, process }) => (process === 'sleeper' ? [[name, pid]] : [])),
      );
      const notOk = new Set<string>();
      for (const end = Date.now() + 3_000; Date.now() < end; ) {
        const { trees } = look(master);
        expect(trees.map(({ pid }) => pid)).toEqual([treePid()]);
        const children = trees[0]?.children ?? [];
        for (const { name, ok, processes } of children) {
          expect(ok).toBe(processes.length === 1);
          if (!ok) notOk.add(name);
        }
        for (const [name, pid] of sleepers) {
          const child = children.find((each) => each.name === name);
          expect(child?.processes.map((each) => each.pid)).toEqual([pid]);
          expect(child?.processes[0]?.mem_rss).toBeGreaterThan(0);
          expect(Math.abs((child?.processes[0]?.start_time ?? 0) - Date.now())).toBeLessThan(timeoutMs);
        }
      }
      expect([...notOk]).toEqual(expect.arrayContaining(['box/flapping.0', 'box/flapping.1']));
      expect([...notOk].filter((name) => name.includes('sleeper'))).toEqual([]);
    },
    timeoutMs,
  );

  it(
    'lists containers that have outlived their tree',
    async () => {
      const { master, endTree, treePid } = await startWith({ sleeper: 2 });
      const names = ['box/sleeper.0', 'box/sleeper.1'];
      const ready = (): boolean => look(master).trees[0]?.children.filter(({ ok }) => ok).length === 2;
      await until('both run', ready);
      expect(look(master).trees[0]?.pid).toBe(treePid());
      await endTree('SIGKILL');
      const { trees } = look(master);
      expect(trees.map(({ pid, children }) => [pid, children.map(({ name }) => name)])).toEqual([[null, names]]);
      expect(ready()).toBe(true);
    },
    timeoutMs,
  );
});
