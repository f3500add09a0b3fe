import { type LoadedConfig, loadConfig, type RefusedConfig } from '../../config/load.ts';
import { list, mapping, optional, record, refused } from '../../config/record.ts';
import { absolutePath, checked, integer, nullable, path, type ValueOf } from '../../config/schema.ts';
import {
  hostName,
  idMap,
  idNumber,
  idRanges,
  inRanges,
  ipAddress,
  mapId,
  plainAbsolutePath,
  portRanges,
} from './common.ts';

const noSecrets = 'secrets are not decrypted';
const oneLog = 'the tree writes one log for all sandboxes';
const noClean = 'images are not cleaned';

/** Keys and defaults: lithos 2.2. */
export const sandboxFields = record('sandbox config', {
  'config-file': optional(nullable(path), null),
  'image-dir': optional(plainAbsolutePath, '/var/lib/lithos/containers'),
  'image-dir-levels': optional(integer({ min: 1, max: 16 }), 1),
  'log-file': refused(oneLog),
  'log-level': refused(oneLog),
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
  'used-images-list': refused(noClean),
  'auto-clean': refused(noClean, ['false']),
  'resolv-conf': optional(absolutePath, '/etc/resolv.conf'),
  'hosts-file': optional(absolutePath, '/etc/hosts'),
  'bridged-network': refused('containers use the host network'),
  'secrets-private-key': refused(noSecrets),
  'secrets-namespaces': refused(noSecrets),
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
  return problems.length === 0 ? loaded : { kind: 'refused', file, unreadable: false, problems };
}
