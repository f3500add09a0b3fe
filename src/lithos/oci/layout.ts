import { Refusal } from './refusal.ts';
import { type Source, sha256 } from './source.ts';

/** One layer, from the lowest. */
export interface Layer {
  readonly name: string;
  /** sha256 of the blob as it is stored; null where the archive does not say (docker save). */
  readonly digest: string | null;
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
  readonly config: ImageConfig;
  readonly layers: readonly Layer[];
}

type Fields = Readonly<Record<string, unknown>>;

const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
/** An index of indexes of …: nobody needs more. */
const deepest = 4;

/** The image of an OCI layout (image-layout.md) or a docker-save archive; of several, the one for this machine. */
export function findImage(source: Source, arch: string = process.arch): Image {
  const platform = architectures[arch] ?? arch;
  if (source.has('index.json'))
    return fromManifest(source, pick(source, json(source, 'index.json'), platform, deepest));
  if (source.has('manifest.json')) return fromDockerSave(source);
  throw new Refusal('neither index.json (an OCI layout) nor manifest.json (docker save) is in it');
}

function pick(source: Source, index: Fields, platform: string, depth: number): Fields {
  const all = list(index.manifests, 'manifests').filter((each) => !isAttestation(each));
  if (all.length === 0) throw new Refusal('its index names no manifest');
  const fits = all.filter((each) => {
    const { os, architecture } = record(each.platform ?? {}, 'platform');
    return each.platform === undefined || (os === 'linux' && architecture === platform);
  });
  const [chosen, ...more] = fits;
  if (chosen === undefined) throw new Refusal(`no manifest for linux/${platform} in it`);
  if (more.length > 0) throw new Refusal(`${fits.length} images for linux/${platform} in it; expected one`);
  const manifest = json(source, blobName(chosen.digest), digestOf(chosen.digest));
  const nested =
    indexTypes.includes(String(chosen.mediaType ?? manifest.mediaType)) || manifest.manifests !== undefined;
  if (!nested) return manifest;
  if (depth === 0) throw new Refusal('its indexes name each other');
  return pick(source, manifest, platform, depth - 1);
}

const isAttestation = ({ annotations }: Fields): boolean =>
  record(annotations ?? {}, 'annotations')['vnd.docker.reference.type'] !== undefined;

function fromManifest(source: Source, manifest: Fields): Image {
  const { digest } = record(manifest.config, 'config');
  const id = digestOf(digest);
  const layers = list(manifest.layers, 'layers').map((layer) => ({
    name: blobName(layer.digest),
    digest: digestOf(layer.digest),
  }));
  return imageOf(id, json(source, blobName(digest), id), layers);
}

function fromDockerSave(source: Source): Image {
  const all = parse(source.read('manifest.json'), 'manifest.json');
  if (!Array.isArray(all) || all.length === 0) throw new Refusal('manifest.json: expected a list of images');
  if (all.length > 1) throw new Refusal(`${all.length} images in it; expected one: docker save IMAGE`);
  const { Config, Layers } = record(all[0], 'manifest.json');
  if (typeof Config !== 'string' || !Array.isArray(Layers)) throw new Refusal('manifest.json: no Config or Layers');
  const id = sha256(source.read(Config));
  const layers = Layers.map((name) => ({ name: String(name), digest: null }));
  return imageOf(id, json(source, Config), layers);
}

function imageOf(id: string, config: Fields, layers: readonly Omit<Layer, 'diffId'>[]): Image {
  const { diff_ids: diffIds } = record(config.rootfs, 'rootfs');
  if (!Array.isArray(diffIds) || diffIds.length !== layers.length) {
    throw new Refusal(`${layers.length} layers, but the config names ${Array.isArray(diffIds) ? diffIds.length : 0}`);
  }
  return {
    id,
    config: imageConfig(record(config.config ?? {}, 'config')),
    layers: layers.map((layer, index) => ({ ...layer, diffId: digestOf(diffIds[index]) })),
  };
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

function digestOf(value: unknown): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(String(value))?.[1];
  if (hex === undefined) throw new Refusal(`digest ${JSON.stringify(value)}; expected sha256 and 64 hex digits`);
  return hex;
}

const blobName = (digest: unknown): string => `blobs/sha256/${digestOf(digest)}`;

function json(source: Source, name: string, digest: string | null = null): Fields {
  const bytes = source.read(name);
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
