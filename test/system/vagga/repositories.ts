import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';

/** Programs that make repositories as distributions make them. */
export const repositoryTools = ['dpkg-deb', 'apt-ftparchive', 'gpg', 'openssl'] as const;

export interface Repositories {
  /** http://127.0.0.1:PORT, also a proxy for the names below. */
  readonly address: string;
  readonly folder: string;
  /** For NODE_EXTRA_CA_CERTS. */
  readonly authority: string;
  /** Of the key that has signed. */
  readonly fingerprint: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  close(): void;
}

/**
 * On loopback: `/plain` (flat, unsigned), `/signed` (suite stable, component main), the key at `/pks/lookup`, and behind a
 * proxy what Launchpad and its key server are on the net, with the PPA vagga/tool for `codename`. Each has a package
 * `tool-NAME`, a program that says its name. Files of `folder` are served too.
 */
export async function serveRepositories(codename: string): Promise<Repositories> {
  const folder = mkdtempSync(join(tmpdir(), 'vagga-repositories-'));
  chmodSync(folder, 0o755); // the user of the tests reads the authority
  const run = (program: string, args: readonly string[], input?: string): string =>
    execFileSync(program, args, { cwd: folder, encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'ignore'] });
  const home = join(folder, '.gnupg');
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...args: readonly string[]): string =>
    run('gpg', ['--homedir', home, '--batch', '--pinentry-mode', 'loopback', '--passphrase', '', ...args]);
  gpg('--quick-generate-key', 'Vagga test <vagga@example.test>', 'rsa2048', 'sign', 'never');
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(gpg('--with-colons', '--list-keys'))?.[1] ?? '';
  const key = gpg('--armor', '--export', fingerprint);

  const makePackage = (name: string, into: string): void => {
    const tree = join(folder, '.tree');
    mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
    mkdirSync(join(tree, 'usr/bin'), { recursive: true });
    const control = `Package: ${name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Vagga test <vagga@example.test>\nDescription: says its name\n`;
    writeFileSync(join(tree, 'DEBIAN/control'), control);
    writeFileSync(join(tree, 'usr/bin', name), `#!/bin/sh\necho ${name}\n`, { mode: 0o755 });
    mkdirSync(join(folder, into), { recursive: true });
    run('dpkg-deb', ['--root-owner-group', '--build', tree, join(folder, into)]);
    rmSync(tree, { recursive: true });
  };
  const makeSuite = (base: string, suite: string, name: string): void => {
    makePackage(name, `${base}/pool`);
    const dist = join(folder, base, 'dists', suite);
    const index = (architecture: string): void => {
      const place = join(dist, 'main', `binary-${architecture}`);
      mkdirSync(place, { recursive: true });
      const text = execFileSync('apt-ftparchive', ['packages', 'pool'], { cwd: join(folder, base), encoding: 'utf8' });
      writeFileSync(join(place, 'Packages'), text);
    };
    for (const architecture of ['amd64', 'arm64', 'all']) index(architecture);
    const fields = { Suite: suite, Codename: suite, Components: 'main', Architectures: 'amd64 arm64 all' };
    const options = Object.entries(fields).flatMap(([field, value]) => [
      '-o',
      `APT::FTPArchive::Release::${field}=${value}`,
    ]);
    writeFileSync(join(dist, 'Release'), run('apt-ftparchive', [...options, 'release', dist]));
    gpg('--clearsign', '--output', join(dist, 'InRelease'), join(dist, 'Release'));
  };
  makePackage('tool-plain', 'plain');
  const flat = execFileSync('apt-ftparchive', ['packages', '.'], { cwd: join(folder, 'plain'), encoding: 'utf8' });
  writeFileSync(join(folder, 'plain/Packages'), flat);
  makeSuite('signed', 'stable', 'tool-signed');
  makeSuite('ppa/vagga/tool/ubuntu', codename, 'tool-ppa');
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);

  const names = ['api.launchpad.net', 'keyserver.ubuntu.com'];
  const [certificate, secret] = [join(folder, 'ca.pem'), join(folder, '.key.pem')];
  const subject = [
    '-subj',
    '/CN=vagga test',
    '-addext',
    `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`,
  ];
  run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    ...subject,
    '-keyout',
    secret,
    '-out',
    certificate,
  ]);

  const asked: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    const host = url.hostname;
    asked.push(`${host}${url.pathname}`);
    if (url.pathname === '/pks/lookup') {
      const found = fingerprint.endsWith((url.searchParams.get('search') ?? '').slice(2));
      response.writeHead(found ? 200 : 404).end(found ? key : 'Not found');
      return;
    }
    if (host === 'api.launchpad.net') {
      const found = url.pathname === '/1.0/~vagga/+archive/ubuntu/tool';
      response.writeHead(found ? 200 : 404).end(found ? JSON.stringify({ signing_key_fingerprint: fingerprint }) : '');
      return;
    }
    const path = normalize(decodeURIComponent(url.pathname));
    const file = join(folder, host === 'ppa.launchpadcontent.net' ? 'ppa' : '', path);
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-length': statSync(file).size });
    createReadStream(file).pipe(response);
  };
  const secure = createSecureServer({ key: readFileSync(secret), cert: readFileSync(certificate) }, answer);
  const plain = createServer(answer);
  plain.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    const known = names.some((name) => request.url === `${name}:443`);
    if (!known) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const to = connect((secure.address() as AddressInfo).port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      to.pipe(socket);
      socket.pipe(to);
    });
    for (const each of [to, socket]) each.on('error', () => undefined);
  });
  const listening = [plain, secure].map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
  await Promise.all(listening);
  return {
    address: `http://127.0.0.1:${(plain.address() as AddressInfo).port}`,
    ...{ folder, authority: certificate, fingerprint, asked },
    close: () => {
      for (const server of [plain, secure]) {
        server.close();
        server.closeAllConnections();
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
