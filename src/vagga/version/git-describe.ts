import { spawn } from 'node:child_process';

export type Described =
  | { readonly kind: 'described'; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** Without git's own variables: in a hook of git they name the repository of the hook, whatever folder is asked about. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_'));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

/** `git describe` of a folder: the nearest tag, how far from it, and the commit; where there is no tag the commit. */
export function gitDescribe(folder: string, pattern: string | null): Promise<Described> {
  // The project may belong to another user than root in a container; nothing of its configuration runs programs here.
  const settings = ['-c', 'safe.directory=*', '-c', 'core.fsmonitor=false'];
  const words = [...settings, '-C', folder, 'describe', '--tags', '--always'];
  if (pattern !== null) words.push(`--match=${pattern}`);
  return new Promise((resolve) => {
    const child = spawn('git', words, { stdio: ['ignore', 'pipe', 'pipe'], env: environment() });
    const output: Buffer[] = [];
    const messages: Buffer[] = [];
    child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => messages.push(bytes));
    child.on('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'git is not installed' : `git: ${error.message}`;
      resolve({ kind: 'failed', reason });
    });
    child.on('close', (code) => {
      if (code === 0) resolve({ kind: 'described', text: Buffer.concat(output).toString('utf8').trim() });
      else resolve({ kind: 'failed', reason: `git describe: ${Buffer.concat(messages).toString('utf8').trim()}` });
    });
  });
}
