import { type Button, readButtons } from './button.ts';
import { roleShape } from './role-facts.ts';
import { shapeOf, wordsOf } from './shape.ts';

/** Of the kind `version`: what can be switched to, and what is (spec verwalter 3.3). */
export interface VersionFacts {
  /** As the scheduler orders them: newest first. */
  readonly versions: readonly string[];
  /** `state.ROLE.version`: the version that is wanted. */
  readonly current: string | null;
  /** `state.ROLE.running`, in words. */
  readonly running: string | null;
  readonly buttons: readonly Button[];
}

export const usualVersionButtons: readonly Button[] = [
  {
    id: 'quick_switch',
    title: 'Switch To',
    kind: 'danger',
    confirm: 'Switch {role} to version {version}?',
    icon: null,
    description: null,
    data: undefined,
  },
];

export function readVersions(data: unknown, name: string, odd: string[]): VersionFacts {
  const role = roleShape(data, name, odd);
  const state = shapeOf(data, '', odd).at('state').at(name);
  const frontend = role.at('frontend');
  const buttons = readButtons(frontend, 'version_buttons', odd);
  return {
    versions: [...new Set(role.texts('versions'))],
    current: state.text('version'),
    running: state.has('running') ? wordsOf(state.record.running) : null,
    buttons: frontend.has('version_buttons') ? buttons : usualVersionButtons,
  };
}

/** Those that contain every word. */
export function filterVersions(versions: readonly string[], filter: string): readonly string[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return versions.filter((version) => words.every((word) => version.toLowerCase().includes(word)));
}
