import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderCache, type HashCache } from '../src/vagga/version/cache.ts';
import { hashTree } from '../src/vagga/version/files.ts';
import { compileSelection } from '../src/vagga/version/rules.ts';
import { openStream } from '../src/vagga/version/stream.ts';
import { type BenchRow, benchRow, median } from './row.ts';

/** As a checkout with its dependencies has: a thousand folders, files of 0 to 4 KiB. */
const small = { folders: 1_000, each: 100 };
const large = { files: 4, mebibytes: 64 };
const rounds = 3;
/** Behind the last change of a file, until the cache trusts what it sees. */
const trustedAfterMs = 2_500;
const threads = availableParallelism();

/** Milliseconds on the clock, and of processors. */
interface Cost {
  readonly time: number;
  readonly cpu: number;
}

type Way = () => Promise<Cost> | Cost;

/**
 * The version of a step that takes a whole tree, from listing its folders to the hash, beside tools that hash each file:
 * those get their list from `find`, and neither sort it nor look at modes and owners.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-hash-'));
  try {
    const many = makeSmall(join(folder, 'small'));
    makeLarge(join(folder, 'large'));
    await new Promise((resolve) => setTimeout(resolve, trustedAfterMs));
    const cache = folderCache(join(folder, 'cache'));
    const smallRows = rowsOf(
      `${small.folders * small.each} small files (${many} MiB)`,
      await costs(folder, 'small', 500, cache),
    );
    const largeRows = rowsOf(`${large.files} files of ${large.mebibytes} MiB`, await costs(folder, 'large', 1, cache));
    return [
      smallRows('time', 'threads', 'sha256sum', 1),
      smallRows('time', 'threads', 'b2sum', 1),
      smallRows('time', 'threads', 'b3sum', 1),
      smallRows('time', 'threads', 'one thread', 1),
      smallRows('cpu', 'one thread', 'sha256sum', 1),
      smallRows('cpu', 'one thread', 'b2sum', 1),
      smallRows('cpu', 'one thread', 'b3sum', 1),
      smallRows('cpu', 'cache', 'one thread', 0.5),
      largeRows('time', 'threads', 'sha256sum', 1),
      // These share their work out, file by file or even within one; ours is one hash of all.
      largeRows('time', 'threads', 'b2sum', null),
      largeRows('time', 'threads', 'b3sum', null),
      largeRows('cpu', 'one thread', 'b2sum', 1),
      largeRows('time', 'cache', 'threads', 0.1),
    ].flat();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `share`: files that xargs gives to one process at a time. */
async function costs(
  folder: string,
  source: string,
  share: number,
  cache: HashCache,
): Promise<ReadonlyMap<string, Cost>> {
  const command = (program: string): string =>
    `find ${join(folder, source)} -type f -print0 | xargs -0 -P ${threads} -n ${share} ${program}`;
  const ways: Readonly<Record<string, Way>> = {
    'one thread': () => ours(folder, source, 1),
    threads: () => ours(folder, source, threads),
    cache: () => ours(folder, source, threads, cache),
    sha256sum: () => theirs(command('sha256sum')),
    b2sum: () => theirs(command('b2sum')),
    ...(has('b3sum') ? { b3sum: () => theirs(command('b3sum')) } : {}),
  };
  const seen = new Map<string, Cost[]>(Object.keys(ways).map((name) => [name, []]));
  // The first round warms the page cache and ours.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(ways)) {
      const cost = await run();
      if (round > 0) seen.get(name)?.push(cost);
    }
  }
  return new Map(
    [...seen].map(([name, all]) => [
      name,
      { time: median(all.map(({ time }) => time)), cpu: median(all.map(({ cpu }) => cpu)) },
    ]),
  );
}

function rowsOf(what: string, all: ReadonlyMap<string, Cost>) {
  const words: Readonly<Record<string, string>> = {
    threads: `${threads} threads`,
    cache: 'nothing changed',
    sha256sum: `sha256sum, xargs -P ${threads}`,
    b2sum: `b2sum, xargs -P ${threads}`,
    b3sum: `b3sum, xargs -P ${threads}`,
  };
  return (kind: keyof Cost, own: string, peer: string, maxRatio: number | null): readonly BenchRow[] => {
    const [value, peerValue] = [all.get(own)?.[kind], all.get(peer)?.[kind]];
    if (value === undefined || peerValue === undefined) return [];
    const figure = `${kind === 'cpu' ? 'CPU' : 'time'} of ${what}, ${words[own] ?? own}`;
    const row = { bench: 'hash', figure, value, unit: 'ms', peer: words[peer] ?? peer, peerValue };
    return [benchRow(row, maxRatio === null ? undefined : { maxRatio })];
  };
}

async function ours(folder: string, source: string, count: number, cache?: HashCache): Promise<Cost> {
  const [start, before] = [process.hrtime.bigint(), process.cpuUsage()];
  await version(folder, source, count, cache);
  const { user, system } = process.cpuUsage(before);
  return { time: Number(process.hrtime.bigint() - start) / 1e6, cpu: (user + system) / 1e3 };
}

/** By bash, whose `time` counts all processes of a pipeline. */
function theirs(command: string): Cost {
  const script = `TIMEFORMAT='%3R %3U %3S'; time { ${command}; } > /dev/null`;
  const { status, stderr } = spawnSync('bash', ['-c', script], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [real, user, system] = stderr.trim().split(' ').map(Number);
  if (status !== 0 || real === undefined || user === undefined || system === undefined) {
    throw new Error(`${command}: ${stderr}`);
  }
  return { time: real * 1000, cpu: (user + system) * 1000 };
}

async function version(root: string, source: string, count: number, cache?: HashCache): Promise<void> {
  const selection = compileSelection({ ignoreRegex: null, includeRegex: null, rules: [], noDefaultRules: false });
  if (selection.kind === 'invalid') throw new Error(selection.message);
  const stream = openStream({ threads: count, details: false, ...(cache === undefined ? {} : { cache }) });
  const stop = await hashTree(
    stream,
    {
      ...{
        root,
        source,
        rootName: '/work',
        form: 'copy',
        preserveModes: false,
        umask: 0o002,
        ownerUid: -1,
        ownerGid: -1,
      },
      ...{ uidMap: [], gidMap: [], judge: selection.judge },
    },
    count,
    () => undefined,
  );
  if (stop !== null) throw new Error(stop.reason);
  stream.finish();
}

function makeSmall(folder: string): number {
  let bytes = 0;
  const text = Buffer.alloc(4096, 'some text of a program, and a line\n');
  for (let index = 0; index < small.folders; index++) {
    const inner = join(folder, `package-${index}`);
    mkdirSync(inner, { recursive: true });
    for (let file = 0; file < small.each; file++) {
      const size = (index * 7919 + file * 104_729) % 4096;
      writeFileSync(join(inner, `file-${file}.js`), text.subarray(0, size));
      bytes += size;
    }
  }
  return Math.round(bytes / 2 ** 20);
}

function makeLarge(folder: string): void {
  mkdirSync(folder);
  const block = Buffer.alloc(2 ** 20, 'a block of a mebibyte\n');
  for (let index = 0; index < large.files; index++) {
    for (let part = 0; part < large.mebibytes; part++) {
      writeFileSync(join(folder, `large-${index}`), block, { flag: 'a' });
    }
  }
}

function has(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}
