import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { LoadedConfig } from '../../config/load.ts';
import type { ConfigProblem } from '../../config/problem.ts';
import { resolveInView, type View } from '../../config/view.ts';
import type { Mount } from '../../native/container.ts';
import type { Preparation } from '../desired.ts';
import type { ContainerConfig } from './container.ts';
import type { SandboxConfig } from './sandbox.ts';

const fileMode = 0o644;

interface NetworkFiles {
  readonly mounts: readonly Mount[];
  readonly preparations: readonly Preparation[];
  readonly problems: readonly ConfigProblem[];
}

/** /etc/hosts and /etc/resolv.conf (lithos 5.4): copies below the state dir, bound over the image's own files. */
export function planNetworkFiles(
  sandbox: SandboxConfig,
  container: LoadedConfig<ContainerConfig>,
  view: View,
  stateDir: string,
): NetworkFiles {
  const mounts: Mount[] = [];
  const preparations: Preparation[] = [];
  const problems: ConfigProblem[] = [];
  const { hostsFile, resolvConf } = container.value;
  const add = (name: string, key: string, mount: boolean | null, copyFrom: string | null, append: string): void => {
    const target = `/etc/${name}`;
    if (mount === false) return;
    const place = resolveInView(view, target);
    // A path that resolves to itself has no symbolic link in it.
    if (place.kind !== 'found' || place.path !== target || !place.stats.isFile()) {
      if (mount === true) problems.push(container.problemAt(`${key}.mount`, `${target} is not a valid mount point`));
      return;
    }
    const source = join(stateDir, name);
    preparations.push({ kind: 'file', path: source, copyFrom, append, mode: fileMode });
    mounts.push({ kind: 'bind', source, target, readonly: true, exec: false });
  };
  const hostsCopy = hostsFile.copyFromHost ? sandbox.hostsFile : null;
  add('hosts', 'hosts-file', hostsFile.mount, hostsCopy, hostsLines(sandbox, hostsFile));
  if (resolvConf.mount === true || resolvConf.copyFromHost) {
    const copy = resolvConf.copyFromHost ? sandbox.resolvConf : null;
    add('resolv.conf', 'resolv-conf', resolvConf.mount, copy, '');
  }
  return { mounts, preparations, problems };
}

function hostsLines(sandbox: SandboxConfig, { copyFromHost, localhost, publicHostname }: ContainerConfig['hostsFile']) {
  const lines: string[] = [];
  if (localhost ?? !copyFromHost) lines.push('127.0.0.1 localhost.localdomain localhost');
  if (publicHostname ?? !copyFromHost) lines.push(`${ownAddress()} ${hostname()}`);
  for (const [name, ip] of sandbox.additionalHosts) lines.push(`${ip} ${name}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** The first address that others can reach, IPv4 before IPv6; 127.0.1.1 (hosts(5) of Debian) on a host without any. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outer = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  return (outer.find(({ family }) => family === 'IPv4') ?? outer[0])?.address ?? '127.0.1.1';
}
