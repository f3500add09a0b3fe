import { asList, asText, member } from '../../json.ts';
import type { LogPlace } from './log-address.ts';

/** A line of the index (spec/verwalter.md 6.1). */
export interface IndexEntry {
  readonly atMs: number;
  readonly id: string;
  readonly place: LogPlace;
  /** Of the render file, of an action. */
  readonly detail: string | null;
  readonly marker: string;
}

export interface RoleRender {
  readonly role: string;
  readonly place: LogPlace;
  readonly startMs: number;
  /** Null: it has not ended, or the agent was killed. */
  readonly endMs: number | null;
  /** How much it wrote; null where it has not ended in the same file. */
  readonly bytes: number | null;
  /** Render files; one that was begun and not finished has failed. */
  readonly actions: readonly { readonly file: string; readonly finished: boolean; readonly place: LogPlace }[];
  /** Logs of other programs, where they ended when the role was rendered. */
  readonly external: readonly LogPlace[];
}

export interface Deployment {
  readonly id: string;
  readonly startMs: number;
  readonly endMs: number | null;
  readonly outcome: 'running' | 'finished' | 'failed';
  /** Its text that belongs to all roles. */
  readonly global: LogPlace | null;
  readonly changes: LogPlace | null;
  readonly roles: readonly RoleRender[];
}

export interface IndexRead {
  readonly entries: readonly IndexEntry[];
  /** Lines that are none of an index. */
  readonly broken: number;
}

/** Lines of an index, oldest first. `cut`: the text begins in the middle of a line. */
export function readIndex(text: string, cut: boolean): IndexRead {
  const lines = text.split('\n').slice(cut ? 1 : 0);
  // A line that is being written at the moment has no end yet.
  if (!text.endsWith('\n')) lines.pop();
  const entries: IndexEntry[] = [];
  let broken = 0;
  for (const line of lines) {
    if (line === '') continue;
    const entry = readLine(line);
    if (entry === null) broken += 1;
    else entries.push(entry);
  }
  return { entries, broken };
}

function readLine(line: string): IndexEntry | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const [time, id, pointer, marker] = asList(value);
  const atMs = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  const place = readPointer(pointer);
  const detail = asText(asList(member(marker, 'fields'))[0]);
  const name = asText(marker) ?? asText(member(marker, 'variant'));
  if (Number.isNaN(atMs) || typeof id !== 'string' || place === null || name === null) return null;
  return { atMs, id, place, marker: name, detail };
}

function readPointer(pointer: unknown): LogPlace | null {
  const fields = asList(member(pointer, 'fields'));
  const offset = fields.at(-1);
  const [first, second] = fields;
  if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0 || typeof first !== 'string')
    return null;
  switch (member(pointer, 'variant')) {
    case 'Global':
      return { log: 'global', file: segmentFile(first), offset };
    case 'Changes':
      return { log: 'changes', file: segmentFile(first), offset };
    case 'Role':
      return typeof second === 'string' ? { log: `role/${first}`, file: segmentFile(second), offset } : null;
    case 'External': {
      const slash = first.indexOf('/');
      if (slash <= 0) return null;
      return { log: `external/${first.slice(0, slash)}`, file: first.slice(slash + 1), offset };
    }
    default:
      return null;
  }
}

const segmentFile = (segment: string): string => `log.${segment}.txt`;

type Draft<T> = { -readonly [Key in keyof T]: T[Key] };
type RoleDraft = Omit<Draft<RoleRender>, 'actions' | 'external'> & {
  actions: Draft<RoleRender['actions'][number]>[];
  external: LogPlace[];
};
type DeploymentDraft = Omit<Draft<Deployment>, 'roles'> & { roles: RoleDraft[] };

/** Deployments, newest first. One whose beginning is not among the entries is there as far as it is known. */
export function groupDeployments(entries: readonly IndexEntry[]): readonly Deployment[] {
  const byId = new Map<string, DeploymentDraft>();
  for (const entry of entries) {
    const { id, atMs, place, marker, detail } = entry;
    let deployment = byId.get(id);
    if (deployment === undefined) {
      deployment = { id, startMs: atMs, endMs: null, outcome: 'running', global: null, changes: null, roles: [] };
      byId.set(id, deployment);
    }
    const role = deployment.roles.at(-1);
    switch (marker) {
      case 'DeploymentStart':
        deployment.global = place;
        break;
      case 'DeploymentChanges':
        deployment.changes = place;
        break;
      case 'DeploymentFinish':
      case 'DeploymentError':
        deployment.endMs = atMs;
        deployment.outcome = marker === 'DeploymentFinish' ? 'finished' : 'failed';
        break;
      case 'RoleStart':
        deployment.roles.push(startRole(atMs, place));
        break;
      case 'RoleFinish':
        if (role?.place.log !== place.log) break;
        role.endMs = atMs;
        role.bytes = role.place.file === place.file ? Math.max(0, place.offset - role.place.offset) : null;
        break;
      case 'ActionStart':
        role?.actions.push({ file: detail ?? '', finished: false, place });
        break;
      case 'ActionFinish': {
        const action = role?.actions.findLast(({ file }) => file === detail);
        if (action !== undefined) action.finished = true;
        break;
      }
      case 'ExternalLog':
        role?.external.push(place);
        break;
      default:
        // Of a later version.
        break;
    }
  }
  return [...byId.values()].reverse();
}

const startRole = (startMs: number, place: LogPlace): RoleDraft => ({
  role: place.log.slice(place.log.indexOf('/') + 1),
  place,
  startMs,
  endMs: null,
  bytes: null,
  actions: [],
  external: [],
});

/** Those that rendered a role, with that role alone; all for null. */
export function ofRole(deployments: readonly Deployment[], role: string | null): readonly Deployment[] {
  if (role === null) return deployments;
  return deployments.flatMap((deployment) => {
    const roles = deployment.roles.filter((each) => each.role === role);
    return roles.length === 0 ? [] : [{ ...deployment, roles }];
  });
}
