import { isFor, type Platform, platformName, type Wanted } from './platform.ts';
import { Refusal } from './refusal.ts';
import { type Source, sha256 } from './source.ts';

/** One layer, from the lowest. */
export interface Layer {
  readonly name: string;
  /** sha256 of the blob as it is stored; null where the archive does not say (docker save). */
  readonly digest: string | null;
  /** Of the blob as it is stored, as the manifest says; null where the archive does not say. */
  readonly size: number | null;
  /** sha256 of the plain tar (`rootfs.diff_ids`). */
  readonly diffId: string;
}

/** `config` of an image: what its container is to run (OCI image-spec, config.md). */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Env?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly User?: string;
}

export interface Image {
  /** sha256 of the config: the image's id. */
  readonly id: string;
  /** sha256 of what its name leads to, an index or a manifest; of docker save the image's id. */
  readonly digest: string;
  /** What its config says that it is for; null: it does not say. */
  readonly platform: Platform | null;
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
}

type Fields = Readonly<Record<string, unknown>>;

const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
/** An index of indexes of …: nobody needs more. */
const deepest = 4;

/**
 * The image of an OCI layout (image-layout.md) or a docker-save archive: the one that is wanted, of several platforms
 * that for the wanted one. Throws a Refusal.
 */
export async function findImage(source: Source, wanted: Wanted): Promise<Image> {
  if (source.has('index.json')) {
    const chosen = await choose(source, wanted);
    const digest = digestOf(chosen.digest);
    return fromManifest(source, digest, await manifestOf(source, chosen, wanted.platform, deepest));
  }
  if (source.has('manifest.json')) return fromDockerSave(source, wanted);
  throw new Refusal('neither index.json (an OCI layout) nor manifest.json (docker save) is in it');
}

/** sha256 of what is wanted of an OCI layout, an index or a manifest: what a lock pins. Throws a Refusal. */
export async function findDigest(source: Source, wanted: Wanted): Promise<string> {
  return source.has('index.json')
    ? digestOf((await choose(source, wanted)).digest)
    : (await findImage(source, wanted)).id;
}

/** What of index.json is wanted. */
async function choose(source: Source, { platform, tag, digest }: Wanted): Promise<Fields> {
  if (digest !== null) return { digest: `sha256:${digest}` };
  const all = manifestsOf(await json(source, 'index.json'));
  const named = tag === null ? all : all.filter((each) => hasTag(each, tag));
  if (tag !== null && named.length === 0) {
    const tags = all.flatMap((each) => tagOf(each) ?? []);
    throw new Refusal(`no tag ${tag} in it${tags.length === 0 ? '' : `; there is ${tags.join(', ')}`}`);
  }
  return fitting(named, platform);
}

function fitting(all: readonly Fields[], platform: Platform): Fields {
  const fits = all.filter((each) => each.platform === undefined || isFor(record(each.platform, 'platform'), platform));
  const [chosen, ...more] = fits;
  const name = platformName(platform);
  if (chosen === undefined) throw new Refusal(`no manifest for ${name} in it`);
  if (more.length > 0) {
    const tags = fits.flatMap((each) => tagOf(each) ?? []);
    throw new Refusal(
      `${fits.length} images for ${name} in it; expected one${tags.length < 2 ? '' : `: name one of the tags ${tags.join(', ')}`}`,
    );
  }
  return chosen;
}

/** The manifest that a descriptor leads to, through indexes. */
async function manifestOf(source: Source, chosen: Fields, platform: Platform, depth: number): Promise<Fields> {
  const manifest = await json(source, blobName(chosen.digest), digestOf(chosen.digest));
  const nested =
    indexTypes.includes(String(chosen.mediaType ?? manifest.mediaType)) || manifest.manifests !== undefined;
  if (!nested) return manifest;
  if (depth === 0) throw new Refusal('its indexes name each other');
  return manifestOf(source, fitting(manifestsOf(manifest), platform), platform, depth - 1);
}

function manifestsOf(index: Fields): readonly Fields[] {
  const all = list(index.manifests, 'manifests').filter((each) => !isAttestation(each));
  if (all.length === 0) throw new Refusal('its index names no manifest');
  return all;
}

function tagOf({ annotations }: Fields): string | null {
  const name = record(annotations ?? {}, 'annotations')['org.opencontainers.image.ref.name'];
  return typeof name === 'string' ? name : null;
}

/** Some write the whole reference where the tag alone should be. */
const hasTag = (descriptor: Fields, tag: string): boolean =>
  tagOf(descriptor) === tag || tagOf(descriptor)?.endsWith(`:${tag}`) === true;

const isAttestation = ({ annotations }: Fields): boolean =>
  record(annotations ?? {}, 'annotations')['vnd.docker.reference.type'] !== undefined;

async function fromManifest(source: Source, named: string, manifest: Fields): Promise<Image> {
  const { digest } = record(manifest.config, 'config');
  const id = digestOf(digest);
  const layers = list(manifest.layers, 'layers').map((layer) => ({
    name: blobName(layer.digest),
    digest: digestOf(layer.digest),
    size: sizeIn(layer),
  }));
  return imageOf(id, named, await json(source, blobName(digest), id), layers);
}

async function fromDockerSave(source: Source, { digest }: Wanted): Promise<Image> {
  const all = parse(await source.read('manifest.json'), 'manifest.json');
  if (!Array.isArray(all) || all.length === 0) throw new Refusal('manifest.json: expected a list of images');
  if (all.length > 1) throw new Refusal(`${all.length} images in it; expected one: docker save IMAGE`);
  const { Config, Layers } = record(all[0], 'manifest.json');
  if (typeof Config !== 'string' || !Array.isArray(Layers)) throw new Refusal('manifest.json: no Config or Layers');
  const id = sha256(await source.read(Config));
  if (digest !== null && digest !== id) throw new Refusal(`image sha256:${id} is in it; expected sha256:${digest}`);
  const layers = Layers.map((name) => ({ name: String(name), digest: null, size: null }));
  return imageOf(id, id, await json(source, Config), layers);
}

function imageOf(id: string, digest: string, config: Fields, layers: readonly Omit<Layer, 'diffId'>[]): Image {
  const { diff_ids: diffIds } = record(config.rootfs, 'rootfs');
  if (!Array.isArray(diffIds) || diffIds.length !== layers.length) {
    throw new Refusal(`${layers.length} layers, but the config names ${Array.isArray(diffIds) ? diffIds.length : 0}`);
  }
  return {
    id,
    digest,
    platform: platformOf(config),
    config: imageConfig(record(config.config ?? {}, 'config')),
    layers: layers.map((layer, index) => ({ ...layer, diffId: digestOf(diffIds[index]) })),
  };
}

function platformOf({ architecture, variant }: Fields): Platform | null {
  if (typeof architecture !== 'string' || architecture === '') return null;
  return { architecture, variant: typeof variant === 'string' && variant !== '' ? variant : null };
}

function imageConfig(fields: Fields): ImageConfig {
  for (const key of ['Entrypoint', 'Cmd', 'Env']) {
    const value = fields[key] ?? [];
    if (!Array.isArray(value) || value.some((word) => typeof word !== 'string' || word.includes('\0'))) {
      throw new Refusal(`config.${key}: expected a list of texts`);
    }
  }
  for (const key of ['WorkingDir', 'User']) {
    if (fields[key] !== undefined && typeof fields[key] !== 'string')
      throw new Refusal(`config.${key}: expected a text`);
  }
  return fields as ImageConfig;
}

function sizeIn({ size }: Fields): number {
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new Refusal(`size ${JSON.stringify(size)}; expected bytes`);
  }
  return size;
}

export function digestOf(value: unknown): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(String(value))?.[1];
  if (hex === undefined) throw new Refusal(`digest ${JSON.stringify(value)}; expected sha256 and 64 hex digits`);
  return hex;
}

export const blobName = (digest: unknown): string => `blobs/sha256/${digestOf(digest)}`;

async function json(source: Source, name: string, digest: string | null = null): Promise<Fields> {
  const bytes = await source.read(name);
  if (digest !== null && sha256(bytes) !== digest) throw new Refusal(`${name}: its content has another digest`);
  return record(parse(bytes, name), name);
}

function parse(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Refusal(`${name}: no JSON`);
  }
}

function record(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(`${what}: expected an object`);
  return value as Fields;
}

function list(value: unknown, what: string): readonly Fields[] {
  if (!Array.isArray(value)) throw new Refusal(`${what}: expected a list`);
  return value.map((each) => record(each, what));
}
