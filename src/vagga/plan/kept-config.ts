import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { packageRoot } from '../../native/load.ts';
import type { Project } from '../config/project.ts';
import type { Settings } from '../settings.ts';
import { conditionsOf, holds } from './conditions.ts';
import { keep, plansFolder, trustedFolder } from './folder.ts';
import { type Input, noteInput } from './inputs.ts';
import { decodeValue, type Encoded, encodeValue } from './kept-value.ts';
import type { Condition, Identity } from './plan.ts';

// What vagga.yaml and the settings came to, checked, for as long as none of their files changes: reading YAML takes as
// long as all else of a command.

export interface Config {
  readonly project: Project;
  readonly settings: Settings;
}

interface Kept {
  readonly format: string;
  readonly root: string;
  readonly variables: readonly (string | null)[];
  readonly conditions: readonly KeptCondition[];
  readonly config: Encoded;
}

type KeptIdentity = readonly [dev: string, ino: string, size: string, mtime: string, ctime: string, mode: string];
type KeptCondition = readonly [kind: 'file' | 'absent', path: string, identity?: KeptIdentity];

const format = 'stellwerk vagga config 1';
const mostBytes = 8 * 2 ** 20;
const program = (): string => `${packageRoot()}/dist/vagga.cjs`;
const variables = (): readonly (string | null)[] => [process.env.HOME ?? null, process.env.VAGGA_SETTINGS ?? null];

/** Null: it is not kept, or not certain any more. */
export function findConfig(root: string): Config | null {
  if (process.env.VAGGA_NO_KEPT_CONFIG) return null;
  try {
    const folder = trustedFolder(process.env, root);
    const bytes = folder === null ? null : readOwn(`${folder}/${nameOf(root)}`);
    if (bytes === null) return null;
    const kept = JSON.parse(bytes) as Kept;
    if (kept.format !== format || kept.root !== root) return null;
    if (JSON.stringify(kept.variables) !== JSON.stringify(variables())) return null;
    const conditions = kept.conditions.map(conditionOf);
    if (!conditions.every(holds)) return null;
    const config = decodeValue(kept.config) as Config;
    for (const { kind, path } of conditions) noteInput('file', path, kind !== 'absent');
    return config;
  } catch {
    return null; // it is read anew then
  }
}

/** Keeps what was made of these inputs; all of them are files. Nothing here fails. */
export function keepConfig(config: Config, inputs: readonly Input[]): void {
  try {
    const folder = plansFolder(process.env);
    if (folder === null || inputs.some(({ look }) => look !== 'file')) return;
    const ofProgram: Input = { look: 'file', path: program(), existed: true };
    const looked = conditionsOf([...inputs, ofProgram], performance.timeOrigin);
    if ('problem' in looked) return;
    const encoded = encodeValue(config);
    if (encoded === undefined) return;
    const { root } = config.project;
    const conditions = looked.conditions.map(keptOf);
    const kept: Kept = { format, root, variables: variables(), conditions, config: encoded };
    keep(folder, root, nameOf(root), Buffer.from(JSON.stringify(kept)));
  } catch {
    // it is read anew the next time
  }
}

/** No name of a plan, which begins with a number. */
const nameOf = (root: string): string => `config-${root.replaceAll('%', '%25').replaceAll('/', '%').slice(-200)}`;

function readOwn(path: string): string | null {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    const own = stats.isFile() && stats.nlink === 1 && stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0;
    return own && stats.size <= mostBytes ? readFileSync(fd, 'utf8') : null;
  } finally {
    closeSync(fd);
  }
}

function keptOf(condition: Condition): KeptCondition {
  if (condition.kind !== 'file') return ['absent', condition.path];
  const { dev, ino, size, mtimeNs, ctimeNs, mode } = condition.identity;
  const [a = '', b = '', c = '', d = '', e = '', f = ''] = [dev, ino, size, mtimeNs, ctimeNs, mode].map(String);
  return ['file', condition.path, [a, b, c, d, e, f]];
}

function conditionOf([kind, path, kept]: KeptCondition): Condition {
  if (kind === 'absent' || kept === undefined) return { kind: 'absent', path };
  const [dev, ino, size, mtimeNs, ctimeNs, mode] = kept.map(BigInt);
  return { kind: 'file', path, identity: { dev, ino, size, mtimeNs, ctimeNs, mode } as Identity };
}
