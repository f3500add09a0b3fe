import type { ContainerSpec } from '../../native/container.ts';
import { defaultPath, type EnvironmentLayers } from '../run/environment.ts';
import { specWords } from './spec-words.ts';

/** A file as it was; times in ns since the epoch. */
export interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly mode: bigint;
}

/** Something on which a plan depends: see `Input` of native/vagga/plan.hpp. */
export type Condition =
  | { readonly kind: 'file' | 'entry' | 'folder'; readonly path: string; readonly identity: Identity }
  | { readonly kind: 'absent' | 'exists'; readonly path: string }
  | { readonly kind: 'link' | 'grants'; readonly path: string; readonly target: string };

/** What a command comes to, for native/vagga, which carries it out as long as all conditions hold. */
export interface Plan {
  /** Folder of this installation. */
  readonly package: string;
  /** Absolute. */
  readonly project: string;
  /** The word of the command line. */
  readonly command: string;
  readonly uid: number;
  readonly gid: number;
  /** Its name in /etc/passwd. */
  readonly account: string;
  /** Text of /proc/self/uid_map and gid_map. */
  readonly uidMap: string;
  readonly gidMap: string;
  /** Variables of the caller that decided something; undefined: not set. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** newuidmap and newgidmap must be in PATH. */
  readonly mappers: boolean;
  readonly conditions: readonly Condition[];
  /** Files whose time says when a build was used. */
  readonly touched: readonly string[];
  readonly acceptsArguments: boolean;
  /** Inside; null: the caller's own. */
  readonly workFolder: string | null;
  readonly epilog: string | null;
  readonly environment: EnvironmentLayers;
  /** Its `argv` is without the arguments of this command line. */
  readonly spec: ContainerSpec;
}

/** Must be as in native/vagga/plan.cc. */
const format = 'stellwerk vagga plan 1';

/** The bytes that native/vagga reads; a `problem`: what of it has no word. */
export function encodePlan(plan: Plan): { readonly bytes: Buffer } | { readonly problem: string } {
  const spec = specWords(plan.spec);
  if ('problem' in spec) return spec;
  const words = [
    ...[format, 'package', plan.package, 'project', plan.project, 'command', plan.command],
    ...['caller', `${plan.uid}`, `${plan.gid}`, plan.account, plan.uidMap, plan.gidMap],
    ...Object.entries(plan.variables).flatMap(([name, value]) =>
      value === undefined ? ['no-variable', name] : ['variable', name, value],
    ),
    ...(plan.mappers ? ['mappers'] : []),
    ...plan.conditions.flatMap(conditionWords),
    ...plan.touched.flatMap((path) => ['touch', path]),
    ...(plan.acceptsArguments ? ['accepts-arguments'] : []),
    ...(plan.workFolder === null ? [] : ['work-folder', plan.workFolder]),
    ...(plan.epilog === null ? [] : ['epilog', plan.epilog]),
    ...environmentWords(plan.environment),
    ...spec.words,
    'end',
  ];
  const broken = words.find((word) => word.includes('\0'));
  if (broken !== undefined) return { problem: 'there is a NUL in it' };
  return { bytes: Buffer.from(words.map((word) => `${word}\0`).join('')) };
}

function conditionWords(condition: Condition): readonly string[] {
  const { kind, path } = condition;
  switch (kind) {
    case 'absent':
    case 'exists':
      return [kind, path];
    case 'link':
    case 'grants':
      return [kind, path, condition.target];
    case 'file':
    case 'entry':
    case 'folder': {
      const { dev, ino, size, mtimeNs, ctimeNs, mode } = condition.identity;
      return [kind, path, ...[dev, ino, size, mtimeNs, ctimeNs, mode].map(String)];
    }
    default:
      return condition satisfies never;
  }
}

/** In the order of commandEnvironment. What the command line says comes last, and is no part of a plan. */
function environmentWords(layers: EnvironmentLayers): readonly string[] {
  const set = (variables: Iterable<readonly [string, string]>): readonly string[] =>
    [...variables].flatMap(([name, value]) => ['set', name, value]);
  return [
    ...['term', 'set', 'PATH', defaultPath],
    ...(layers.proxies ? ['proxies'] : []),
    ...set(layers.environFile),
    ...set(layers.container),
    ...set(layers.command),
    ...layers.propagate.flatMap((pattern) => ['propagate', pattern]),
    ...set(layers.settings),
    'prefixed',
  ];
}
