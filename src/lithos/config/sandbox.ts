import { isIP } from 'node:net';
import { idNumber, idRanges } from '../../config/ids.ts';
import { type LoadedConfig, loadConfig, type RefusedConfig } from '../../config/load.ts';
import { plainAbsolutePath } from '../../config/paths.ts';
import { list, mapping, optional, record, required } from '../../config/record.ts';
import {
  absolutePath,
  boolean,
  checked,
  integer,
  matching,
  nullable,
  oneOf,
  path,
  scalar,
  text,
  type ValueOf,
} from '../../config/schema.ts';
import { hostName, idMap, inRanges, ipAddress, mapId, portRanges } from './common.ts';
import { logLevels } from './master-config.ts';

const secretsNamespace = matching(/^[a-zA-Z0-9_.-]*$/, 'a name of letters, digits, _, . and -');

/** `ADDRESS/PREFIX`. */
const network = scalar('a network as 10.0.0.0/24', (value) => {
  const [, address = '', bits = ''] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(value) ?? [];
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return most > 0 && Number(bits) <= most && Number(bits) > 0 ? { address, prefix: Number(bits) } : null;
});

const bridgedNetwork = record('a bridged network', {
  // IFNAMSIZ, netdevice(7): 15 bytes and the closing NUL.
  bridge: required(matching(/^[^\s/]{1,15}$/, 'the name of a bridge')),
  network: required(network),
  'default-gateway': optional(nullable(ipAddress), null),
  'after-setup-command': optional(
    checked(list(text), (words) =>
      words[0] === undefined || words[0].startsWith('/')
        ? { value: words }
        : { problem: `${words[0]}: expected an absolute path` },
    ),
    [],
  ),
  // Ours: containers of this sandbox reach the gateway, and no other container that is isolated.
  isolated: optional(boolean, false),
});

const perSecond = integer({ min: 1, max: Number.MAX_SAFE_INTEGER }, 'a number per second');

/** io.max of cgroup-v2.rst, by device file. */
const deviceLimits = mapping(
  plainAbsolutePath,
  record('limits of a device', {
    'read-bytes': optional(nullable(perSecond), null),
    'write-bytes': optional(nullable(perSecond), null),
    reads: optional(nullable(perSecond), null),
    writes: optional(nullable(perSecond), null),
  }),
);

/** Keys and defaults: lithos 2.2. */
export const sandboxFields = record('sandbox config', {
  'config-file': optional(nullable(path), null),
  'image-dir': optional(plainAbsolutePath, '/var/lib/lithos/containers'),
  'image-dir-levels': optional(integer({ min: 1, max: 16 }), 1),
  'log-file': optional(nullable(path), null),
  'log-level': optional(nullable(oneOf(logLevels)), null),
  'readonly-paths': optional(mapping(plainAbsolutePath, plainAbsolutePath), new Map<string, string>()),
  'writable-paths': optional(mapping(plainAbsolutePath, plainAbsolutePath), new Map<string, string>()),
  // Ours: programs may be executed from host folders at or below these; everywhere else volumes are noexec.
  'executable-paths': optional(list(plainAbsolutePath), []),
  'allow-users': optional(idRanges, []),
  'default-user': optional(nullable(idNumber), null),
  'allow-groups': optional(idRanges, []),
  'default-group': optional(idNumber, 0),
  'allow-tcp-ports': optional(portRanges, []),
  'additional-hosts': optional(mapping(hostName, ipAddress), new Map<string, string>()),
  'uid-map': optional(idMap, []),
  'gid-map': optional(idMap, []),
  'used-images-list': optional(nullable(path), null),
  'auto-clean': optional(boolean, true),
  'resolv-conf': optional(absolutePath, '/etc/resolv.conf'),
  'hosts-file': optional(absolutePath, '/etc/hosts'),
  'bridged-network': optional(nullable(bridgedNetwork), null),
  'secrets-private-key': optional(nullable(path), null),
  'secrets-namespaces': optional(list(secretsNamespace), ['']),
  // Ours, from here on. docs/seccomp.md has the list of what may be allowed.
  seccomp: optional(oneOf(['default', 'off']), 'default'),
  'seccomp-allow': optional(list(matching(/^[a-z0-9_]+$/, 'the name of a system call')), []),
  // capabilities(7), without CAP_: what programs keep; none by default.
  capabilities: optional(list(matching(/^(?:CAP_)?[A-Z_]+$/i, 'the name of a capability')), []),
  // Ids on disk are ids inside the containers (mount_setattr(2), MOUNT_ATTR_IDMAP): of the image, of volumes at or below.
  'idmapped-image': optional(boolean, false),
  'idmapped-paths': optional(list(plainAbsolutePath), []),
  'io-max': optional(deviceLimits, new Map()),
});

export const sandboxSchema = checked(sandboxFields, (sandbox) => {
  if ((sandbox.uidMap.length === 0) !== (sandbox.gidMap.length === 0)) {
    return { problem: 'uid-map and gid-map: expected both or neither' };
  }
  return { value: sandbox };
});

export type SandboxConfig = ValueOf<typeof sandboxSchema>;

/** Reads sandboxes/NAME.yaml, with the rules of lithos 2.2 and 2.6 that need no other file. */
export function loadSandbox(file: string): LoadedConfig<SandboxConfig> | RefusedConfig {
  const loaded = loadConfig(file, sandboxSchema);
  if (loaded.kind === 'refused') return loaded;
  const { value, problemAt } = loaded;
  const problems = [];
  for (const [who, key, id, ranges, map] of [
    ['User', 'default-user', value.defaultUser, value.allowUsers, value.uidMap],
    ['Group', 'default-group', value.defaultGroup, value.allowGroups, value.gidMap],
  ] as const) {
    // default-group has a default of its own, 0: wrong only once a container really takes it.
    if (id === null || (key === 'default-group' && id === 0)) continue;
    if (!inRanges(ranges, id)) problems.push(problemAt(key, `${who} is not in allowed range (${id})`));
    if (map.length > 0 && mapId(map, id) === null)
      problems.push(problemAt(key, `${who} is not in mapped range (${id})`));
  }
  if ((value.idmappedImage || value.idmappedPaths.length > 0) && value.uidMap.length === 0) {
    const key = value.idmappedImage ? 'idmapped-image' : 'idmapped-paths';
    problems.push(problemAt(key, 'needs uid-map and gid-map of the sandbox'));
  }
  return problems.length === 0 ? loaded : { kind: 'refused', file, unreadable: false, problems };
}
