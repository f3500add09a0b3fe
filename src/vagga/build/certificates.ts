import type { Filling, Mount } from '../../native/container.ts';

/** Emptied at the end of every build, whatever the steps do. */
const inside = '/tmp/.host-ca-certificates.crt';

/** By which OpenSSL, Python, Node, curl, git and what stands on them find the authorities that they trust. */
const names = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'NODE_EXTRA_CA_CERTS',
  'npm_config_cafile',
  'GIT_SSL_CAINFO',
] as const;

/** Setting `ca-certificates`: the programs of a build trust the bundle of the host, which the image does not keep. */
export function certificatesOf(bundle: string | null): {
  readonly environment: Readonly<Record<string, string>>;
  readonly mounts: readonly (Mount | Filling)[];
} {
  if (bundle === null) return { environment: {}, mounts: [] };
  return {
    environment: Object.fromEntries(names.map((name) => [name, inside])),
    mounts: [
      { kind: 'file', target: inside, mode: 0o644 },
      { kind: 'bind', source: bundle, target: inside, readonly: true, exec: false },
    ],
  };
}
