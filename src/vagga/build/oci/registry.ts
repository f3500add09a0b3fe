import type { Response } from 'undici';
import type { ImageReference } from '../../../oci/reference.ts';
import { sha256 } from '../../../oci/source.ts';
import type { HttpClient } from '../http.ts';
import { parseChallenge, tokenAddress } from './challenge.ts';

type RegistryReference = Extract<ImageReference, { readonly kind: 'registry' }>;

/** A repository of a registry, read anonymously (OCI distribution-spec, "Pull"). */
export interface Repository {
  /** What the tag, or `sha256:…`, leads to: an index or a manifest, and its sha256. */
  manifest(reference: string): Promise<{ readonly digest: string; readonly bytes: Buffer }>;
  blob(digest: string): Promise<Response>;
}

const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
/** What registries take at the most (distribution-spec, "Pushing Manifests"). */
const mostManifestBytes = 4 * 1024 ** 2;

export function openRepository({ scheme, host, repository }: RegistryReference, client: HttpClient): Repository {
  const base = `${scheme}://${host}/v2/${repository}`;
  let token: string | null = null;
  const get = async (path: string, accept: string): Promise<Response> => {
    const url = `${base}/${path}`;
    const ask = (): Promise<Response> =>
      client.get(url, { accept, ...(token === null ? {} : { authorization: `Bearer ${token}` }) });
    let answer = await ask();
    if (answer.status === 401) {
      await answer.body?.cancel();
      token = await anonymousToken(client, url, answer.headers.get('www-authenticate'), repository);
      answer = await ask();
    }
    if (answer.ok) return answer;
    throw new Error(`${url}: ${await complaint(answer)}`);
  };
  return {
    async manifest(reference) {
      const answer = await get(`manifests/${reference}`, manifestTypes);
      const bytes = await limited(answer, mostManifestBytes, `${base}/manifests/${reference}`);
      const digest = sha256(bytes);
      if (reference.startsWith('sha256:') && reference !== `sha256:${digest}`) {
        throw new Error(`${base}: the manifest at ${reference} has the digest sha256:${digest}`);
      }
      return { digest, bytes };
    },
    blob: (digest) => get(`blobs/sha256:${digest}`, '*/*'),
  };
}

async function anonymousToken(
  client: HttpClient,
  url: string,
  header: string | null,
  repository: string,
): Promise<string> {
  const challenge = header === null ? null : parseChallenge(header);
  const address = challenge === null ? null : tokenAddress(challenge, repository);
  if (address === null) throw new Error(`${url}: the registry wants a login; only what everybody may read can be used`);
  const answer = await client.get(address);
  if (!answer.ok) throw new Error(`${address}: no anonymous token: ${await complaint(answer)}`);
  const text = (await limited(answer, mostManifestBytes, address)).toString('utf8');
  let fields: { readonly token?: unknown; readonly access_token?: unknown };
  try {
    fields = (JSON.parse(text) ?? {}) as typeof fields;
  } catch {
    throw new Error(`${address}: no JSON`);
  }
  const token = fields.token ?? fields.access_token;
  // It becomes a header.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw new Error(`${address}: no token in the answer`);
  return token;
}

/** Status and, where there is one, the first of the spec's error bodies. */
async function complaint(answer: Response): Promise<string> {
  const status = `status ${answer.status} ${answer.statusText}`.trimEnd();
  try {
    const { errors } = JSON.parse((await limited(answer, mostManifestBytes, '')).toString('utf8')) as {
      readonly errors?: readonly { readonly code?: unknown; readonly message?: unknown }[];
    };
    const said = errors?.[0]?.message ?? errors?.[0]?.code;
    return typeof said === 'string' ? `${status}: ${said}` : status;
  } catch {
    return status;
  }
}

export async function limited(answer: Response, mostBytes: number, url: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > mostBytes) throw new Error(`${url}: more than ${mostBytes} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks);
}
