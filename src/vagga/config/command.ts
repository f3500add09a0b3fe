import { isIP } from 'node:net';
import { idNumber, idRanges } from '../../config/ids.ts';
import { list, mapping, optional, record, required } from '../../config/record.ts';
import {
  boolean,
  checked,
  decimal,
  integer,
  nullable,
  oneOf,
  scalar,
  text,
  type ValueOf,
} from '../../config/schema.ts';
import { tagged } from '../../config/tagged.ts';
import { allIds, environment, name, noEnvironment, run } from './common.ts';
import { noVolumes, volumes } from './volumes.ts';

const noTexts: readonly string[] = [];
const noIds: readonly number[] = [];
const port = integer({ min: 1, max: 65_535 }, 'a port');
const portName = scalar('a port from 1 to 65535', (value) =>
  /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65_535 ? value : null,
);

/** Where a socket listens before the program starts; `host` is an address or a name. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** `8080` is of loopback, `*:8080` of all addresses, `HOST:8080`, `[::1]:8080` (vagga 2.5). */
const socketAddress = scalar<SocketAddress>('PORT, *:PORT, HOST:PORT or [IPv6]:PORT', (value) => {
  const [, v6, host, digits] = /^(?:\[([^\]]+)\]:|([^:[\]]+):)?(\d{1,5})$/.exec(value) ?? [];
  const number = Number(digits);
  if (digits === undefined || number < 1 || number > 65_535) return null;
  if (v6 !== undefined) return isIP(v6) === 6 ? { host: v6, port: number } : null;
  return { host: host === undefined ? '127.0.0.1' : host === '*' ? '0.0.0.0' : host, port: number };
});

/** Of every command (vagga 2.5). */
const common = {
  description: optional(nullable(text), null),
  banner: optional(nullable(text), null),
  'banner-delay': optional(decimal({ min: 0, max: 86_400 }, 'seconds'), 0),
  epilog: optional(nullable(text), null),
  aliases: optional(list(name), noTexts),
  group: optional(nullable(text), null),
  prerequisites: optional(list(name), noTexts),
  options: optional(nullable(text), null),
  'symlink-name': optional(nullable(name), null),
  'expect-inotify-limit': optional(nullable(integer({ min: 1, max: 2 ** 31 - 1 }, 'a count of watches')), null),
  'isolate-network': optional(boolean, false),
  tags: optional(list(name), noTexts),
  'pass-tcp-socket': optional(nullable(socketAddress), null),
} as const;

/** Of what runs in a container (vagga 2.6). */
const inContainer = {
  container: required(name),
  run: required(run),
  'work-dir': optional(nullable(text), null),
  'accepts-arguments': optional(nullable(boolean), null),
  environ: optional(environment, noEnvironment),
  volumes: optional(volumes, noVolumes),
  'write-mode': optional(oneOf(['read-only', 'transient-hard-link-copy']), 'read-only'),
  'user-id': optional(idNumber, 0),
  'group-id': optional(idNumber, 0),
  'supplementary-gids': optional(list(idNumber), noIds),
  'external-user-id': optional(nullable(idNumber), null),
  pid1mode: optional(oneOf(['wait', 'wait-all-children', 'exec']), 'wait'),
} as const;

/** An address of the network in which tests partition their processes (vagga 6). */
const guestAddress = scalar('an address from 172.23.0.1 to 172.23.0.253', (value) => {
  const last = Number(/^172\.23\.0\.(\d{1,3})$/.exec(value)?.[1] ?? 0);
  return last >= 1 && last <= 253 ? value : null;
});

const network = record('a network', {
  ip: required(guestAddress),
  hostname: optional(nullable(text), null),
  ports: optional(mapping(portName, port), new Map<string, number>()),
});

const commandFields = { ...common, ...inContainer } as const;

const children = tagged({
  Command: record('!Command', { ...commandFields, network: optional(nullable(network), null) }),
  BridgeCommand: record('!BridgeCommand', commandFields),
});

const supervise = record('!Supervise', {
  ...common,
  mode: optional(oneOf(['stop-on-failure', 'wait-all-successful']), 'stop-on-failure'),
  children: required(mapping(name, children)),
  'kill-unresponsive-after': optional(integer({ min: 1, max: 86_400 }, 'seconds'), 2),
});

const capsule = record('!CapsuleCommand', {
  ...common,
  run: required(run),
  'work-dir': optional(nullable(text), null),
  environ: optional(environment, noEnvironment),
  'accepts-arguments': optional(nullable(boolean), null),
  uids: optional(idRanges, allIds),
  gids: optional(idRanges, allIds),
});

export const commandSchema = checked(
  tagged({
    Command: record('!Command', { ...commandFields, network: optional(nullable(network), null) }),
    Supervise: supervise,
    CapsuleCommand: capsule,
  }),
  (command) =>
    command.tag === 'Command' && command.value.network !== null
      ? { problem: 'network is for children of !Supervise' }
      : { value: command },
);

export type Command = ValueOf<typeof commandSchema>;
export type Child = ValueOf<typeof children>;
export type ContainerCommand = Extract<Command, { tag: 'Command' }>['value'];
