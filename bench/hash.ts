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
const large = { files: 4, mebibytes: 128 };
const rounds = 5;
/** Behind the last change of a file, until the cache trusts what it sees. */
const trustedAfterMs = 2_500;
const threads = availableParallelism();

interface Way {
  readonly name: string;
  run(): Promise<void> | void;
}

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
    return [
      ...(await compare(folder, 'small', `${small.folders * small.each} small files (${many} MiB)`, cache, 1)),
      ...(await compare(folder, 'large', `${large.files} files of ${large.mebibytes} MiB`, cache, null)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `most`: times b3sum and sha256sum that we may take; null where their digest can be split and ours cannot. */
async function compare(
  folder: string,
  source: string,
  what: string,
  cache: HashCache,
  most: number | null,
): Promise<readonly BenchRow[]> {
  const ours = (name: string, count: number, own?: HashCache): Way => ({
    name,
    run: () => version(folder, source, count, own),
  });
  const all = `find ${join(folder, source)} -type f -print0 | xargs -0`;
  const theirs = (name: string, command: string): Way => ({
    name,
    run() {
      const { status, stderr } = spawnSync('sh', ['-c', `${command} > ${join(folder, 'sums')}`], { encoding: 'utf8' });
      if (status !== 0) throw new Error(`${name}: ${stderr}`);
    },
  });
  // Some files a process: with all in one, xargs would have nothing to share out.
  const share = source === 'small' ? 500 : 1;
  const ways = [
    ours('one thread', 1),
    ours('threads', threads),
    ours('cache', threads, cache),
    theirs('sha256sum', `${all} -P ${threads} -n ${share} sha256sum`),
    theirs('b2sum', `${all} -P ${threads} -n ${share} b2sum`),
    theirs('b2sum, one process', `${all} b2sum`),
    ...(has('b3sum') ? [theirs('b3sum', `${all} -P ${threads} -n ${share} b3sum --num-threads ${threads}`)] : []),
  ];
  const times = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
  // The first round warms the page cache and ours.
  for (let round = 0; round <= rounds; round++) {
    for (const { name, run } of ways) {
      const start = process.hrtime.bigint();
      await run();
      if (round > 0) times.get(name)?.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
  }
  const of = (name: string): number => median(times.get(name) ?? []);
  const row = (figure: string, own: string, peer: string, peerName: string, maxRatio: number | null): BenchRow =>
    benchRow(
      { bench: 'hash', figure: `${figure} ${what}`, value: of(own), unit: 'ms', peer: peerName, peerValue: of(peer) },
      maxRatio === null ? undefined : { maxRatio },
    );
  return [
    row(`${threads} threads,`, 'threads', 'one thread', 'one thread', 1),
    row(`${threads} threads,`, 'threads', 'sha256sum', `sha256sum, xargs -P ${threads}`, most),
    row(`${threads} threads,`, 'threads', 'b2sum', `b2sum, xargs -P ${threads}`, most),
    ...(has('b3sum') ? [row(`${threads} threads,`, 'threads', 'b3sum', `b3sum, xargs -P ${threads}`, most)] : []),
    row('one thread,', 'one thread', 'b2sum, one process', 'b2sum, one process', 1),
    row('nothing changed,', 'cache', 'threads', 'without the cache', 0.5),
  ];
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
