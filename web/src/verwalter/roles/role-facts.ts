import { type Button, readButtons } from './button.ts';
import { isRecord, type Shape, shapeOf, wordsOf } from './shape.ts';

export const roleKinds = ['example', 'version', 'migration', 'api'] as const;
export type RoleKind = (typeof roleKinds)[number];

export interface RoleNote {
  readonly level: 'error' | 'warning';
  readonly node: string | null;
  readonly text: string;
}

/** What a schedule says of a role to the UI (spec verwalter 3.3), whatever its kind. */
export interface RoleFacts {
  readonly name: string;
  readonly title: string;
  readonly badge: string | null;
  /** It has a `frontend`: the list shows it without asking. */
  readonly listed: boolean;
  /** Null: it has none, or one that this page does not know. */
  readonly kind: RoleKind | null;
  readonly unknownKind: string | null;
  readonly info: readonly (readonly [string, string])[];
  readonly notes: readonly RoleNote[];
  readonly actions: readonly Button[];
  readonly daemonActions: readonly Button[];
  readonly bottomText: string | null;
  readonly template: string | null;
}

/** Where a role is: in `roles`, in `state`, or only on nodes. */
export function roleNames(data: unknown): readonly string[] {
  const root = shapeOf(data, '', []);
  const names = new Set(Object.keys(root.at('roles').record));
  for (const [, node] of root.each('nodes')) for (const name of Object.keys(node.at('roles').record)) names.add(name);
  return [...names].sort();
}

export const roleShape = (data: unknown, name: string, odd: string[]): Shape =>
  shapeOf(data, '', odd).at('roles').at(name);

/** Sentences about what was not understood go to `odd`. */
export function readRole(data: unknown, name: string, odd: string[]): RoleFacts {
  const role = roleShape(data, name, odd);
  const frontend = role.at('frontend');
  const kind = frontend.text('kind');
  const known = roleKinds.find((each) => each === kind) ?? null;
  if (kind !== null && known === null)
    odd.push(`${frontend.path}.kind: this page knows no kind ${JSON.stringify(kind)}`);
  const info = role.at('info').record;
  return {
    name,
    title: role.text('title') ?? name,
    badge: role.text('badge'),
    listed: role.has('frontend'),
    kind: known,
    unknownKind: known === null ? kind : null,
    info: Object.keys(info).map((key) => [key, wordsOf(info[key])] as const),
    notes: notesOf(data, name, odd),
    actions: withStop(readButtons(role, 'global_actions', odd), frontend.flag('allow_stop') ?? false),
    daemonActions: readButtons(role, 'daemon_actions', odd),
    bottomText: frontend.text('bottom_text'),
    template: role.text('template'),
  };
}

const stop: Button = {
  id: 'stop',
  title: 'Stop',
  kind: 'danger',
  confirm: 'Stop all of {role} on all nodes?',
  icon: null,
  description: null,
  data: undefined,
};

/** `frontend.allow_stop`; a scheduler that words the button itself has it once. */
const withStop = (buttons: readonly Button[], allowed: boolean): readonly Button[] =>
  !allowed || buttons.some(({ id }) => id === stop.id) ? buttons : [...buttons, stop];

function notesOf(data: unknown, role: string, odd: string[]): RoleNote[] {
  const root = shapeOf(data, '', odd);
  const of = (key: string, level: RoleNote['level']): RoleNote[] =>
    root.list(key).flatMap((item) => {
      // Of another role, of none, or a plain text: not this page's.
      if (!isRecord(item) || item.role !== role) return [];
      const note = shapeOf(item, key, odd);
      const text = note.text('text');
      return text === null ? [] : [{ level, node: note.text('node'), text }];
    });
  return [...of('errors', 'error'), ...of('warnings', 'warning')];
}

/** Cheaper than `readRole`, for lists: how many errors and warnings each role has. */
export function noteCounts(data: unknown): ReadonlyMap<string, { readonly errors: number; readonly warnings: number }> {
  const counts = new Map<string, { errors: number; warnings: number }>();
  const root = shapeOf(data, '', []);
  for (const key of ['errors', 'warnings'] as const) {
    for (const item of root.list(key)) {
      const role = isRecord(item) && typeof item.role === 'string' ? item.role : null;
      if (role === null) continue;
      const count = counts.get(role) ?? { errors: 0, warnings: 0 };
      count[key] += 1;
      counts.set(role, count);
    }
  }
  return counts;
}
