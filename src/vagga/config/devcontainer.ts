import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import stripJsonComments from 'strip-json-comments';
import { parseReference } from '../../oci/reference.ts';
import { projectPath } from '../version/project-file.ts';

/** What a container takes of a devcontainer.json (containers.dev, "Development Container Specification"). */
export type Devcontainer =
  | {
      readonly kind: 'read';
      /** Relative to the project. */
      readonly file: string;
      readonly image: string;
      readonly containerEnv: ReadonlyMap<string, string>;
      readonly warnings: readonly string[];
    }
  /** It may be there later. */
  | { readonly kind: 'absent'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

const usualPlaces = ['.devcontainer/devcontainer.json', '.devcontainer.json'] as const;

/** Keys without which a container made of the image alone would be another one than was meant. */
const notHere: Readonly<Record<string, string>> = {
  build: 'a Dockerfile is not built here; expected an image',
  dockerFile: 'a Dockerfile is not built here; expected an image',
  dockerComposeFile: 'a composition is not built here; expected an image',
  features: 'features are not installed here; put what they install into steps behind !Devcontainer',
};
/** Keys that editors act on when the container is there: told, since somebody may wait for them. */
const ofEditors = ['onCreateCommand', 'updateContentCommand', 'postCreateCommand', 'mounts', 'runArgs', 'remoteEnv'];

/** `path` in the project; null: where editors look for it. */
export function readDevcontainer(project: string, path: string | null): Devcontainer {
  const file = path === null ? usualPlaces.find((each) => existsSync(join(project, each))) : projectPath(path);
  if (file === null) return { kind: 'refused', reason: `${path} lies outside of the project` };
  if (file === undefined) return { kind: 'absent', reason: `neither ${usualPlaces.join(' nor ')} is there` };
  if (!existsSync(join(project, file))) return { kind: 'absent', reason: `${file} does not exist` };
  return parseDevcontainer(file, readFileSync(join(project, file), 'utf8'));
}

export function parseDevcontainer(file: string, text: string): Devcontainer {
  const refused = (reason: string): Devcontainer => ({ kind: 'refused', reason: `${file}: ${reason}` });
  let value: unknown;
  try {
    // Comments become blanks: places stay what they are in the file.
    value = JSON.parse(stripJsonComments(text, { trailingCommas: true }));
  } catch (error) {
    return { kind: 'refused', reason: `${file}:${placeIn(text, (error as Error).message)}` };
  }
  if (!isRecord(value)) return refused('expected an object');
  for (const [key, reason] of Object.entries(notHere)) {
    const given = value[key];
    const isEmpty = given === undefined || (isRecord(given) && Object.keys(given).length === 0);
    if (!isEmpty) return refused(`${key}: ${reason}`);
  }
  const { image, containerEnv = {} } = value;
  if (typeof image !== 'string') return refused('image: expected the name of an image');
  const reference = parseReference(image);
  if ('problem' in reference) return refused(reference.problem);
  if (!isRecord(containerEnv)) return refused('containerEnv: expected an object');
  const variables = new Map<string, string>();
  const warnings: string[] = [];
  for (const [name, given] of Object.entries(containerEnv)) {
    if (typeof given !== 'string' || name === '' || /[=\0]/.test(name) || given.includes('\0')) {
      return refused(`containerEnv.${name}: expected a text`);
    }
    if (given.includes('${')) warnings.push(`${file}: containerEnv.${name} is left out: \${…} is not replaced here`);
    else variables.set(name, given);
  }
  const ignored = ofEditors.filter((key) => value[key] !== undefined);
  if (ignored.length > 0) warnings.push(`${file}: not done here: ${ignored.join(', ')}`);
  return { kind: 'read', file, image, containerEnv: variables, warnings };
}

/** V8 tells how many characters stand before; people count lines. */
function placeIn(text: string, message: string): string {
  const [, what = message, at] = /^(.*?)(?: in JSON)? at position (\d+)/s.exec(message) ?? [];
  if (at === undefined) return ` ${what}`;
  const before = text.slice(0, Number(at)).split('\n');
  return `${before.length}:${(before.at(-1) ?? '').length + 1}: ${what}`;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
