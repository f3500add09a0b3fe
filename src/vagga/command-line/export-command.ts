import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { machinePlatform } from '../../oci/platform.ts';
import { imageBlobs, tagPattern } from '../export/image-json.ts';
import { writeLayer } from '../export/layer-blob.ts';
import { folderProblem, type LayoutContent, writeLayoutArchive, writeLayoutFolder } from '../export/write-layout.ts';
import { fileVariables } from '../launch.ts';
import { containersOf } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';

interface ExportFlags {
  readonly oci?: true;
  readonly output?: string;
  readonly tag: string;
}

export const exportBuiltIn: BuiltIn = {
  summary: 'write a container as an OCI image, for podman, docker, skopeo and others',
  command: (context) =>
    new Command('_export')
      .argument('<container>', 'built first, if it is not built yet')
      .option('--oci', 'an OCI image layout: the only format, and so the default')
      .option('-o, --output <path>', 'FILE.tar: an archive; anything else: a folder (default: CONTAINER.oci.tar)')
      .option('--tag <tag>', 'name of the image in the layout', 'latest')
      .action((name: string, flags: ExportFlags) => exportImage(context, name, flags)),
};

/** A folder half full is of no use to anybody. */
const stopping = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function exportImage(context: BuiltInContext, name: string, flags: ExportFlags): Promise<void> {
  const { place, options, cwd, print, project } = context;
  if (!tagPattern.test(flags.tag)) {
    throw new Refusal('arguments', `--tag ${flags.tag}: expected letters, digits, _ . and -, at most 128`);
  }
  const epoch = sourceDateEpoch(process.env.SOURCE_DATE_EPOCH);
  const output = resolve(cwd, flags.output ?? `${name}.oci.tar`);
  const isArchive = output.endsWith('.tar');
  const problem = isArchive ? null : folderProblem(output);
  if (problem !== null) throw new Refusal('arguments', problem);

  const containers = containersOf(place, { force: false, build: options.build, versionCheck: options.versionCheck });
  const built = await containers.ready(name);
  const container = project.containers.get(name);
  if (container === undefined) throw new Refusal('launcher', `there is no container ${name}`);
  place.tell(`Packing ${basename(built)}`);
  let scratch: string | null = null;
  const clean = (): void => {
    if (scratch !== null) rmSync(scratch, { recursive: true, force: true });
  };
  const stop = (signal: NodeJS.Signals): void => {
    clean();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of stopping) process.once(signal, stop);
  try {
    mkdirSync(dirname(output), { recursive: true });
    scratch = mkdtempSync(join(dirname(output), `.${basename(output)}.`));
    const { file, layer } = await writeLayer(containers.mapsOf(name), join(built, 'root'), scratch, epoch);
    const { architecture } = machinePlatform();
    const blobs = imageBlobs({
      architecture,
      createdSeconds: epoch ?? 0,
      environ: new Map([...fileVariables(built, container), ...container.environ]),
      setup: container.setup,
      name: `${name} (${basename(built).split('.').at(-1)})`,
      layer,
    });
    const content: LayoutContent = { layer: { file, descriptor: layer }, ...blobs, architecture, tag: flags.tag };
    if (isArchive) await writeLayoutArchive(output, content);
    else writeLayoutFolder(output, content);
    print(`${blobs.manifest.digest}\n`);
    place.tell(`${isArchive ? 'oci-archive' : 'oci'}:${output}:${flags.tag}`);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal('launcher', `container ${name} cannot be exported: ${(error as Error).message}`);
  } finally {
    for (const signal of stopping) process.off(signal, stop);
    clean();
  }
}

/** Seconds since 1970 (reproducible-builds.org, SOURCE_DATE_EPOCH); null: not set. */
function sourceDateEpoch(text: string | undefined): number | null {
  if (text === undefined || text === '') return null;
  if (!/^\d{1,11}$/.test(text)) throw new Refusal('config', `SOURCE_DATE_EPOCH=${text}: expected seconds since 1970`);
  return Number(text);
}
