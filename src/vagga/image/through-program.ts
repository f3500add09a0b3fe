import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Writes what a program of the host makes of a stream; throws where it is not there, or fails. */
export async function throughProgram(
  from: Readable,
  program: string,
  args: readonly string[],
  to: NodeJS.WritableStream,
): Promise<void> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error(`${program} is not installed on this host`) : error),
    );
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ended with exit code ${code}`)),
    );
  });
  await Promise.all([ended, pipeline(from, child.stdin), pipeline(child.stdout, to)]);
}
