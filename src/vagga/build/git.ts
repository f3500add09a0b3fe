import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder } from '../store/cache-folder.ts';
import { lockFile } from '../store/lock.ts';
import type { BuildJob } from './job.ts';

export interface GitSource {
  readonly url: string;
  readonly revision: string | null;
  readonly branch: string | null;
}

/** Fills `folder` of the host with the files of the revision, or of the newest of the branch; without .git. */
export function checkOut(job: BuildJob, source: GitSource, folder: string): Promise<void> {
  return withClone(job, source, async (clone, tree) => {
    const index = join(clone, `vagga-index.${process.pid}`);
    try {
      await git(job, ['--git-dir', clone, 'read-tree', tree], { GIT_INDEX_FILE: index });
      await git(job, ['--git-dir', clone, '--work-tree', folder, 'checkout-index', '--all', '--force'], {
        GIT_INDEX_FILE: index,
      });
    } finally {
      rmSync(index, { force: true });
    }
  });
}

/** The tree that `checkOut` would take, in hex: the repository is asked. */
export async function treeOf(job: BuildJob, source: GitSource): Promise<string> {
  let found = '';
  await withClone(job, source, async (clone, tree) => {
    found = await gitOutput(job, ['--git-dir', clone, 'rev-parse', '--verify', '--end-of-options', `${tree}^{tree}`]);
  });
  return found.trim();
}

/** Calls `use` with a clone of the repository as it is now, and what names the wanted revision in it. */
async function withClone(
  job: BuildJob,
  source: GitSource,
  use: (clone: string, tree: string) => Promise<void>,
): Promise<void> {
  const folderOfClones = cacheFolder(job.cache, 'git');
  const key = createHash('sha256').update(source.url).digest('hex').slice(0, 8);
  const clone = join(folderOfClones, `${key}-${basename(source.url).replace(/\.git$/, '')}.git`);
  const url = source.url.startsWith('.') ? join(job.project, source.url) : source.url;
  const lock = await lockFile(`${clone}.lock`, true, (message) => process.stderr.write(`${message}\n`));
  if (lock.kind !== 'locked') throw new Error(`${clone}.lock: ${lock.kind === 'failed' ? lock.problem : 'is held'}`);
  try {
    if (existsSync(clone)) {
      await git(job, [
        '--git-dir',
        clone,
        'fetch',
        '--prune',
        '--tags',
        '--force',
        'origin',
        '+refs/heads/*:refs/heads/*',
      ]);
    } else {
      rmSync(`${clone}.part`, { recursive: true, force: true });
      await git(job, ['clone', '--bare', '--', url, `${clone}.part`]);
      renameSync(`${clone}.part`, clone);
    }
    const tree = source.revision ?? (source.branch === null ? 'HEAD' : `refs/heads/${source.branch}`);
    if (tree.startsWith('-')) throw new Error(`${tree}: no revision begins with -`);
    await use(clone, tree);
  } finally {
    lock.release();
  }
}

async function git(
  job: BuildJob,
  words: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  await gitOutput(job, words, more, 2);
}

function gitOutput(
  job: BuildJob,
  words: readonly string[],
  more: Readonly<Record<string, string>> = {},
  stdout: 'pipe' | 2 = 'pipe',
): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn('git', words, {
      cwd: '/',
      stdio: ['ignore', stdout, 2],
      env: {
        ...process.env,
        ...Object.fromEntries(job.environment),
        // The namespace's root reads repositories of the host, whose owners it does not know.
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
        GIT_TERMINAL_PROMPT: '0',
        ...more,
      },
    });
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error('git is not installed on this host') : error),
    );
    child.on('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`git ${words.join(' ')} ended with exit code ${code}`)),
    );
  });
}
