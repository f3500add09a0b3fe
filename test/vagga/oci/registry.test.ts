import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findDigest, findImage } from '../../../src/oci/layout.ts';
import { anyOf, machinePlatform } from '../../../src/oci/platform.ts';
import { parseChallenge, tokenAddress } from '../../../src/vagga/build/oci/challenge.ts';
import { openImage } from '../../../src/vagga/build/oci/open-image.ts';
import { noLock } from '../../../src/vagga/lock/lock-file.ts';

const sha = (bytes: string): string => createHash('sha256').update(bytes).digest('hex');
const indexType = 'application/vnd.oci.image.index.v1+json';

/** An image of one layer behind an index with two platforms. */
function images() {
  const layer = 'layer bytes';
  const config = JSON.stringify({ architecture: 'amd64', rootfs: { diff_ids: [`sha256:${sha(layer)}`] }, config: {} });
  const manifest = JSON.stringify({
    config: { digest: `sha256:${sha(config)}` },
    layers: [{ digest: `sha256:${sha(layer)}`, size: layer.length }],
  });
  const other = JSON.stringify({ config: {}, layers: [] });
  const entry = (text: string, architecture: string) => ({
    ...{ digest: `sha256:${sha(text)}`, platform: { os: 'linux', architecture } },
  });
  const { architecture } = machinePlatform();
  const index = JSON.stringify({
    mediaType: indexType,
    manifests: [entry(manifest, architecture), entry(other, 'riscv64')],
  });
  return { layer, config, manifest, index };
}

let server: Server;
let answers: Map<string, string>;
let asked: string[];
let authorised: (request: IncomingMessage, response: ServerResponse) => boolean;
let cache = '';
let host = '';

beforeEach(async () => {
  cache = mkdtempSync(join(tmpdir(), 'oci-registry-'));
  answers = new Map();
  asked = [];
  authorised = () => true;
  server = createServer((request, response) => {
    const url = request.url ?? '';
    asked.push(url);
    if (!authorised(request, response)) return;
    const body = answers.get(url);
    response.statusCode = body === undefined ? 404 : 200;
    response.end(body ?? '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { layer, config, manifest, index } = images();
  answers.set('/v2/team/base/manifests/1', index);
  answers.set(`/v2/team/base/manifests/sha256:${sha(index)}`, index);
  answers.set(`/v2/team/base/manifests/sha256:${sha(manifest)}`, manifest);
  answers.set(`/v2/team/base/blobs/sha256:${sha(config)}`, config);
  answers.set(`/v2/team/base/blobs/sha256:${sha(layer)}`, layer);
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
  rmSync(cache, { recursive: true, force: true });
});

async function fetched(image: string): Promise<string> {
  const opened = await openImage(
    { project: '/nowhere', cache, externalVolumes: new Map(), environment: new Map(), lock: noLock },
    image,
  );
  try {
    const found = await findImage(opened.source, {
      ...anyOf(machinePlatform()),
      digest: opened.reference.digest,
    });
    for (const layer of found.layers) await opened.bring(layer);
    let text = '';
    for await (const chunk of opened.source.open(found.layers[0]?.name ?? '')) text += chunk;
    return `${found.digest} ${text}`;
  } finally {
    await opened.close();
  }
}

describe('a registry', () => {
  it('gives the manifest of this platform behind an index, its config and its layers, each checked', async () => {
    const { index, layer } = images();
    expect(await fetched(`http://${host}/team/base:1`)).toBe(`${sha(index)} ${layer}`);
    expect(readdirSync(join(cache, 'oci/sha256')).every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
  });

  it('is not asked for what the cache has', async () => {
    const { index } = images();
    const pinned = `http://${host}/team/base@sha256:${sha(index)}`;
    const first = await fetched(pinned);
    asked = [];
    expect(await fetched(pinned)).toBe(first);
    expect(asked).toEqual([]);
  });

  it('that wants a token gives one to everybody, at the place that it names', async () => {
    authorised = (request, response) => {
      if (request.url?.startsWith('/token')) {
        response.end('{"access_token":"abc"}');
        return false;
      }
      if (request.headers.authorization === 'Bearer abc') return true;
      response.setHeader('www-authenticate', `Bearer realm="http://${host}/token?x=1",service="reg,istry"`);
      response.statusCode = 401;
      response.end();
      return false;
    };
    expect(await fetched(`http://${host}/team/base:1`)).toContain('layer bytes');
    expect(asked.filter((url) => url.startsWith('/token'))).toEqual([
      '/token?x=1&service=reg%2Cistry&scope=repository%3Ateam%2Fbase%3Apull',
    ]);
  });

  it('that wants a login is refused', async () => {
    authorised = (_, response) => {
      response.setHeader('www-authenticate', 'Basic realm="here"');
      response.statusCode = 401;
      response.end();
      return false;
    };
    await expect(fetched(`http://${host}/team/base:1`)).rejects.toThrow('the registry wants a login');
  });

  it('without the tag says so in its own words', async () => {
    await expect(fetched(`http://${host}/team/base:2`)).rejects.toThrow(
      `http://${host}/v2/team/base/manifests/2: status 404 Not Found: manifest unknown`,
    );
  });

  it('that gives another blob than it was asked for is refused, and nothing of it is kept', async () => {
    const { layer, config } = images();
    answers.set(`/v2/team/base/blobs/sha256:${sha(layer)}`, 'layer bytez');
    await expect(fetched(`http://${host}/team/base:1`)).rejects.toThrow(`expected sha256:${sha(layer)}`);
    answers.set(`/v2/team/base/blobs/sha256:${sha(layer)}`, `${layer} and more`);
    await expect(fetched(`http://${host}/team/base:1`)).rejects.toThrow('more than the 11 bytes');
    rmSync(join(cache, 'oci/sha256', sha(config)));
    answers.set(`/v2/team/base/blobs/sha256:${sha(config)}`, '{}');
    await expect(fetched(`http://${host}/team/base:1`)).rejects.toThrow(`expected sha256:${sha(config)}`);
    expect(readdirSync(join(cache, 'oci/sha256')).filter((name) => name.includes('part'))).toEqual([]);
    expect(readdirSync(join(cache, 'oci/sha256'))).not.toContain(sha(layer));
  });

  it('that gives another manifest than the digest that was asked for is refused', async () => {
    const { index } = images();
    answers.set(`/v2/team/base/manifests/sha256:${sha(index)}`, '{}');
    await expect(fetched(`http://${host}/team/base@sha256:${sha(index)}`)).rejects.toThrow(/has the digest/);
  });
});

describe('a layout on a web server', () => {
  it('is read file by file', async () => {
    const { layer, config, manifest } = images();
    answers.set('/dir/index.json', JSON.stringify({ manifests: [{ digest: `sha256:${sha(manifest)}` }] }));
    for (const text of [layer, config, manifest]) answers.set(`/dir/blobs/sha256/${sha(text)}`, text);
    expect(await fetched(`oci:http://${host}/dir`)).toBe(`${sha(manifest)} ${layer}`);
    const places = { project: '/', cache, externalVolumes: new Map(), environment: new Map(), lock: noLock };
    const opened = await openImage(places, `oci:http://${host}/dir`);
    expect(await findDigest(opened.source, anyOf(machinePlatform()))).toBe(sha(manifest));
    await opened.close();
  });

  it('that is not there says where it was looked for', async () => {
    await expect(fetched(`oci:http://${host}/none`)).rejects.toThrow(`http://${host}/none/index.json: status 404`);
  });
});

describe('a challenge', () => {
  it('has a scheme and parameters, quoted or not', () => {
    const read = parseChallenge('Bearer realm="https://a/t",service=b , scope="x \\"y\\""');
    expect(read?.scheme).toBe('bearer');
    expect(Object.fromEntries(read?.parameters ?? [])).toEqual({ realm: 'https://a/t', service: 'b', scope: 'x "y"' });
  });

  it('leads to http and https only', () => {
    for (const realm of ['file:///etc/passwd', 'ftp://a', 'nothing', '']) {
      expect(tokenAddress({ scheme: 'bearer', parameters: new Map([['realm', realm]]) }, 'a')).toBeNull();
    }
  });

  it('of any text is read in no time, or is none', () => {
    const words = fc.constantFrom('Bearer ', 'realm', '=', '"', ',', ' ', '\\', 'https://a', 'é');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words, { maxLength: 40 }).map((list) => list.join('')),
        ),
        (text) => {
          const read = parseChallenge(text);
          const address = read === null ? null : tokenAddress(read, 'a/b');
          if (address !== null) expect(new URL(address).searchParams.get('scope')).not.toBeNull();
        },
      ),
    );
  });
});
