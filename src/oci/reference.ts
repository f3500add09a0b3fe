// How an image is named: as distribution/reference has it for registries, as skopeo's transports for files.

export type ImageReference =
  /** By the HTTP API of a registry (OCI distribution-spec). */
  | {
      readonly kind: 'registry';
      readonly scheme: 'http' | 'https';
      /** With the port, where there is one. */
      readonly host: string;
      readonly repository: string;
      readonly tag: string | null;
      readonly digest: string | null;
    }
  /** A folder (image-layout.md) or an archive of one; `any`: whichever it is. */
  | {
      readonly kind: 'files';
      readonly form: 'layout' | 'archive' | 'any';
      /** A path, or an http:// or https:// address. */
      readonly place: string;
      readonly tag: string | null;
      readonly digest: string | null;
    };

/** The registry that images without one come from, and where its API is. */
const hub = { name: 'docker.io', api: 'registry-1.docker.io' } as const;

const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const forms = { 'oci:': 'layout', 'oci-archive:': 'archive', 'docker-archive:': 'archive' } as const;
const longestRepository = 255;

/** Reads a reference; digests are in hex, without `sha256:`. */
export function parseReference(text: string): ImageReference | { readonly problem: string } {
  const bad = (what: string): { readonly problem: string } => ({ problem: `image ${JSON.stringify(text)}: ${what}` });
  const [, withoutDigest = '', algorithm, hex = ''] = /^([^@]*)(?:@([^:]*):(.*))?$/.exec(text) ?? [];
  if (withoutDigest === '') return bad('expected REPOSITORY[:TAG][@sha256:DIGEST], ./LAYOUT[:TAG] or ./ARCHIVE.tar');
  if (algorithm !== undefined && !(algorithm === 'sha256' && /^[0-9a-f]{64}$/.test(hex))) {
    return bad('expected @sha256: and 64 hex digits');
  }
  const digest = algorithm === undefined ? null : hex;
  const named = withoutDigest.startsWith('docker://') ? withoutDigest.slice('docker://'.length) : withoutDigest;
  const prefix = Object.entries(forms).find(([start]) => named.startsWith(start));
  if (prefix !== undefined || /^[./]/.test(named)) {
    const rest = named.slice(prefix?.[0].length ?? 0);
    const { name: place, tag } = splitTag(rest);
    const isAddress = /^https?:\/\//.test(place);
    if (!isAddress && !/^[./]/.test(place)) return bad('expected ./PATH, /volumes/NAME/PATH, http:// or https://');
    if (isAddress && !URL.canParse(place)) return bad('no address');
    return { kind: 'files', form: prefix?.[1] ?? 'any', place, tag, digest };
  }
  const [, scheme = 'https', rest = ''] = /^(?:(https?):\/\/)?(.*)$/s.exec(named) ?? [];
  const { name, tag } = splitTag(rest);
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const hasHost = scheme === 'http' || /[.:]/.test(first) || first === 'localhost' || named !== rest;
  if (hasHost && slash < 0) return bad('expected a repository behind the registry');
  const host = hasHost ? first : hub.name;
  const repository = hasHost ? name.slice(slash + 1) : slash < 0 ? `library/${name}` : name;
  if (!hostPattern.test(host)) return bad(`${JSON.stringify(host)} is no registry`);
  if (!repositoryPattern.test(repository) || repository.length > longestRepository) {
    return bad(`${JSON.stringify(repository)} is no repository: expected lower-case letters, digits, . _ - and /`);
  }
  return {
    ...{ kind: 'registry', scheme: scheme === 'http' ? 'http' : 'https' },
    ...{ host: host === hub.name ? hub.api : host, repository },
    ...{ tag: tag ?? (digest === null ? 'latest' : null), digest },
  };
}

/** A colon behind the last slash begins a tag. */
function splitTag(text: string): { readonly name: string; readonly tag: string | null } {
  const [, name, tag] = /^(.*?):([\w][\w.-]{0,127})$/s.exec(text) ?? [];
  const isTag =
    name !== undefined && tag !== undefined && !/^https?:\/\/[^/]*$/.test(name) && name !== 'http' && name !== 'https';
  return isTag ? { name, tag } : { name: text, tag: null };
}

/** Whether it comes from another machine, and so may be another one tomorrow. */
export const isRemote = (reference: ImageReference): boolean =>
  reference.kind === 'registry' || /^https?:\/\//.test(reference.place);

/** The same reference, at this digest. */
export const atDigest = (text: string, digest: string): string =>
  text.includes('@') ? text : `${text}@sha256:${digest}`;
