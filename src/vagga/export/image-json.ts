import { createHash } from 'node:crypto';
import type { Step } from '../config/steps.ts';
import { defaultPath } from '../run/environment.ts';

// The JSON of an exported image: OCI image-spec 1.0, config.md, manifest.md, image-index.md. Same in, same bytes out.

export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:…` */
  readonly digest: string;
  readonly size: number;
}

export interface LayerBlob extends Descriptor {
  /** Digest of the plain tar. */
  readonly diffId: string;
}

export interface ExportedImage {
  readonly architecture: string;
  /** Seconds since 1970. */
  readonly createdSeconds: number;
  readonly environ: ReadonlyMap<string, string>;
  readonly setup: readonly Step[];
  /** `NAME (HASH8)`. */
  readonly name: string;
  readonly layer: LayerBlob;
}

export interface Blob extends Descriptor {
  readonly bytes: Buffer;
}

export const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const configType = 'application/vnd.oci.image.config.v1+json';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';
const tagAnnotation = 'org.opencontainers.image.ref.name';

export const tagPattern = /^[\w][\w.-]{0,127}$/;

/** Config and manifest; the command is left to whoever runs it. */
export function imageBlobs(image: ExportedImage): { readonly config: Blob; readonly manifest: Blob } {
  const created = new Date(image.createdSeconds * 1000).toISOString().replace('.000Z', 'Z');
  const environ = new Map([['PATH', defaultPath], ...image.environ]);
  const config = blob(configType, {
    created,
    architecture: image.architecture,
    os: 'linux',
    config: { Env: [...environ].map(([key, value]) => `${key}=${value}`) },
    rootfs: { type: 'layers', diff_ids: [image.layer.diffId] },
    history: [
      ...image.setup.map((step) => ({ created, created_by: stepTitle(step), empty_layer: true })),
      { created, created_by: `vagga _export ${image.name}` },
    ],
  });
  const { mediaType, digest, size } = image.layer;
  const manifest = blob(manifestType, {
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: config.mediaType, digest: config.digest, size: config.size },
    layers: [{ mediaType, digest, size }],
  });
  return { config, manifest };
}

const longestTitle = 200;

/** What a step is, without what may be secret: variables, and texts of files. */
function stepTitle(step: Step): string {
  const told = step.tag === 'OciImage' ? step.value.image : typeof step.value === 'string' ? step.value.trim() : '';
  const title = `!${step.tag} ${told}`.trimEnd();
  return title.length > longestTitle ? `${title.slice(0, longestTitle)}…` : title;
}

function blob(mediaType: string, value: object): Blob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length, bytes };
}

/** index.json with this image under its tag; what `before` has under other tags stays. */
export function indexJson(before: unknown, manifest: Descriptor, architecture: string, tag: string): string {
  const others = manifestsOf(before).filter(
    (each) => (each.annotations as Readonly<Record<string, unknown>> | undefined)?.[tagAnnotation] !== tag,
  );
  const own = {
    ...{ mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size },
    platform: { architecture, os: 'linux' },
    annotations: { [tagAnnotation]: tag },
  };
  return JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [...others, own] });
}

function manifestsOf(index: unknown): readonly Readonly<Record<string, unknown>>[] {
  const { manifests } = (index ?? {}) as { readonly manifests?: unknown };
  if (!Array.isArray(manifests)) return [];
  return manifests.filter((each): each is Record<string, unknown> => typeof each === 'object' && each !== null);
}
