import { spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { isatty } from 'node:tty';
import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import type { ImageJob } from '../image/job.ts';
import { runImageWorker } from '../image/run-worker.ts';
import { type Containers, containersOf } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { rootsFolder } from '../store/layout.ts';
import { lockFile } from '../store/lock.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';

// Images of built containers: vagga 5.2, _pack_image and _push_image.

type Compression = Extract<ImageJob, { kind: 'pack' }>['compression'];

interface PackFlags {
  file?: string;
  gzip?: true;
  bzip2?: true;
  xz?: true;
}

const standardOutput = 1;
const standardError = 2;

export const imageBuiltIns: Readonly<Record<string, BuiltIn>> = {
  _pack_image: {
    summary: 'write the root of a container as a tar archive',
    command: (context) =>
      new Command('_pack_image')
        .argument('<container>')
        .option('-f, --file <path>', 'into this file, relative to the project’s folder, instead of stdout')
        .option('-z, --gzip', 'compressed by gzip')
        .option('-j, --bzip2', 'compressed by bzip2')
        .option('-J, --xz', 'compressed by xz')
        .action((name: string, flags: PackFlags) => packImage(context, name, flags)),
  },
  _push_image: {
    summary: 'pack a container and hand it to the setting push-image-script',
    command: (context) =>
      new Command('_push_image').argument('<container>').action((name: string) => pushImage(context, name)),
  },
};

function readyContainers({ place, options }: BuiltInContext): Containers {
  const { build, versionCheck, imageDownload } = options;
  return containersOf(place, { force: false, build, versionCheck, imageDownload });
}

async function packImage(context: BuiltInContext, name: string, flags: PackFlags): Promise<void> {
  const chosen = (['gzip', 'bzip2', 'xz'] as const).filter((each) => flags[each] === true);
  if (chosen.length > 1) throw new Refusal('arguments', `--${chosen.join(' and --')}: expected one of them`);
  if (flags.file === undefined && isatty(standardOutput)) {
    throw new Refusal('arguments', 'an archive is nothing for a terminal: use --file, or send stdout elsewhere');
  }
  const containers = readyContainers(context);
  const built = await containers.ready(name);
  const to = flags.file === undefined ? null : resolve(context.project.root, flags.file);
  await pack(containers, name, join(built, 'root'), chosen[0] ?? 'none', to);
}

/** `file` is there once it is whole; null: stdout. */
async function pack(
  containers: Containers,
  name: string,
  root: string,
  compression: Compression,
  file: string | null,
): Promise<void> {
  const job: ImageJob = { kind: 'pack', root, compression };
  const maps = containers.mapsOf(name);
  if (file === null)
    return refuse(name, await runImageWorker(maps, job, { stdout: standardOutput, stderr: standardError }));
  const part = `${file}.part.${process.pid}`;
  try {
    const fd = openPart(part);
    const problem = await runImageWorker(maps, job, { stdout: fd, stderr: standardError }).finally(() => closeSync(fd));
    refuse(name, problem);
    renameSync(part, file);
  } finally {
    rmSync(part, { force: true });
  }
}

function openPart(path: string): number {
  try {
    return openSync(path, 'w', 0o666);
  } catch (error) {
    throw new Refusal('launcher', (error as Error).message);
  }
}

function refuse(name: string, problem: string | null): void {
  if (problem !== null) throw new Refusal('launcher', `container ${name} cannot be packed: ${problem}`);
}

async function pushImage(context: BuiltInContext, name: string): Promise<void> {
  const { place } = context;
  const script = place.settings.pushImageScript;
  if (script === null) {
    throw new Refusal(
      'launcher',
      'there is no setting push-image-script\nhint: in ~/.config/vagga/settings.yaml, push-image-script: ' +
        '"curl -fsST $image_path https://…/$container_name.$short_hash.tar.xz"',
    );
  }
  const containers = readyContainers(context);
  const built = await containers.ready(name);
  const lock = await lockFile(join(rootsFolder(place.store), `.tmp.push.${basename(built)}.lock`), true, place.tell);
  if (lock.kind !== 'locked')
    throw new Refusal('launcher', lock.kind === 'failed' ? lock.problem : 'it is being pushed');
  const file = join(built, 'image.tar.xz');
  try {
    await pack(containers, name, join(built, 'root'), 'xz', file);
    const shortHash = basename(built).slice(-8);
    const code = await runScript(script, { image_path: file, container_name: name, short_hash: shortHash });
    if (code !== exitCodes.ok) throw new Refusal('launcher', `push-image-script ended with exit code ${code}`);
  } finally {
    rmSync(file, { force: true });
    lock.release();
  }
}

/** On the host, as the user wrote it in their own settings. */
function runScript(script: string, variables: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((done, reject) => {
    const child = spawn('/bin/sh', ['-exc', script], { stdio: 'inherit', env: { ...process.env, ...variables } });
    child.on('error', reject);
    child.on('close', (code, signal) => done(code ?? (signal === null ? exitCodes.failed : 128)));
  });
}
