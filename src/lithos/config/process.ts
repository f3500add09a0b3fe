import { type LoadedConfig, loadConfig, type RefusedConfig } from '../../config/load.ts';
import { plainAbsolutePath } from '../../config/paths.ts';
import { list, mapping, optional, record, required } from '../../config/record.ts';
import { integer, matching, oneOf, text, type ValueOf } from '../../config/schema.ts';
import { configName, ipAddress } from './common.ts';

const secretsNamespace = matching(/^[a-zA-Z0-9_.-]*$/, 'a name of letters, digits, _, . and -');

/** A slip of the pen must not start a million containers. */
export const mostInstances = 10_000;

/** Keys and defaults: lithos 2.3. */
export const processSchema = record('process config', {
  kind: optional(oneOf(['Daemon', 'Command']), 'Daemon'),
  image: required(text),
  config: required(plainAbsolutePath),
  instances: optional(integer({ min: 0, max: mostInstances }), 1),
  variables: optional(mapping(text, text), new Map<string, string>()),
  'ip-addresses': optional(list(ipAddress), []),
  'extra-secrets-namespaces': optional(list(secretsNamespace), []),
});

export type ProcessConfig = ValueOf<typeof processSchema>;

export const processesSchema = mapping(configName, processSchema);

/** Reads processes/NAME.yaml: what runs in one sandbox. An empty file is an empty mapping. */
export function loadProcesses(file: string): LoadedConfig<ReadonlyMap<string, ProcessConfig>> | RefusedConfig {
  return loadConfig(file, processesSchema);
}

/** Why an image name is no folder exactly `levels` below image-dir; null where it is one. */
export function imageNameProblem(image: string, levels: number): string | null {
  const parts = image.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    return `${JSON.stringify(image)}: expected ${levels} folder name(s) joined by /, none of them empty, . or ..`;
  }
  if (parts.length === levels) return null;
  return `${JSON.stringify(image)} has ${parts.length} component(s); the sandbox's image-dir-levels is ${levels}`;
}

/** The identity of a run (lithos 2.3): keys in this order, variables sorted by UTF-16 units, no blanks. */
export function instanceJson(config: ProcessConfig, index: number): string {
  const address = config.ipAddresses[index];
  const namespaces = config.extraSecretsNamespaces;
  const pairs = [...config.variables].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const variables = pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return `{${[
    '"instances":1',
    `"image":${JSON.stringify(config.image)}`,
    `"config":${JSON.stringify(config.config)}`,
    ...(variables.length === 0 ? [] : [`"variables":{${variables.join(',')}}`]),
    ...(namespaces.length === 0 ? [] : [`"extra_secrets_namespaces":${JSON.stringify(namespaces)}`]),
    ...(address === undefined ? [] : [`"ip_address":${JSON.stringify(address)}`]),
    `"kind":${JSON.stringify(config.kind)}`,
  ].join(',')}}`;
}
