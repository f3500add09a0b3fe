import { join, resolve } from 'node:path';
import { parseInteger } from '../config/number-text.ts';
import { formatProblem } from '../config/problem.ts';
import { Refusal } from '../oci/refusal.ts';
import { loadMaster } from './config/master.ts';
import { loadSandbox } from './config/sandbox.ts';
import { importInto } from './oci/import.ts';
import { servicePath } from './oci/service.ts';

export interface ImageOptions {
  readonly source: string;
  readonly config: string;
  readonly sandbox?: string;
  readonly imageDir?: string;
  readonly maxBytes: string;
}

const usage = 2;

function fail(messages: readonly string[], code = 1): number {
  for (const message of messages) process.stderr.write(`lithos image import: ${message}\n`);
  return code;
}

/** Prints the name of the image, for `image:` of a process config. 0: it is there; 1: it is not; 2: wrong options. */
export async function importImage(options: ImageOptions): Promise<number> {
  const mostBytes = parseInteger(options.maxBytes);
  if (mostBytes === null || mostBytes < 1n)
    return fail([`--max-bytes ${options.maxBytes}: expected bytes, as 20Gi`], usage);
  const dir = imageDirOf(options);
  if ('problems' in dir) return fail(dir.problems, dir.code);
  const say = progressLine();
  try {
    const imported = await importInto({
      source: resolve(options.source),
      imageDir: dir.imageDir,
      mostBytes: Number(mostBytes),
      progress: say.progress,
    });
    say.end();
    const { losses, withoutService, existed } = imported;
    const notes = [
      ...(existed ? ['it is there already'] : []),
      ...(losses.owners > 0
        ? [`${losses.owners} files belong to you instead of their owners: only root can give them`]
        : []),
      ...(losses.devices > 0
        ? [`${losses.devices} device files and FIFOs left out: containers have a /dev of their own`]
        : []),
      ...(losses.attributes > 0 ? [`${losses.attributes} extended attributes left out`] : []),
      ...(withoutService === null
        ? []
        : [`no ${servicePath}: ${withoutService}; write a container config of your own`]),
    ];
    for (const note of notes) process.stderr.write(`note: ${note}\n`);
    process.stdout.write(`${imported.name}\n`);
    return 0;
  } catch (error) {
    say.end();
    if (error instanceof Refusal) return fail([`${options.source}: ${error.message}`]);
    const { code, path, message } = error as NodeJS.ErrnoException;
    return fail([code === undefined ? message : `${path ?? options.source}: ${code}`]);
  }
}

function imageDirOf(
  options: ImageOptions,
): { readonly imageDir: string } | { readonly problems: readonly string[]; readonly code: number } {
  const { imageDir, sandbox, config } = options;
  if ((imageDir === undefined) === (sandbox === undefined)) {
    return { problems: ['expected --image-dir DIR or --sandbox NAME'], code: usage };
  }
  if (imageDir !== undefined) return { imageDir: resolve(imageDir) };
  const master = loadMaster(resolve(config));
  if (master.kind === 'refused') return { problems: master.problems.map(formatProblem), code: 1 };
  const box = loadSandbox(join(master.master.sandboxesDir, `${sandbox}.yaml`));
  if (box.kind === 'refused') return { problems: box.problems.map(formatProblem), code: 1 };
  return { imageDir: box.value.imageDir };
}

/** On a terminal one line that changes; elsewhere a line per layer. */
function progressLine(): { progress(text: string): void; end(): void } {
  const isTerminal = process.stderr.isTTY === true;
  let last = '';
  return {
    progress(text) {
      if (text === last || (!isTerminal && text.endsWith('%'))) return;
      process.stderr.write(isTerminal ? `\r\x1b[K${text}` : `${text}\n`);
      last = text;
    },
    end() {
      if (isTerminal && last !== '') process.stderr.write('\r\x1b[K');
    },
  };
}
