import { compareVersions } from './version.ts';

/** What a Packages file says of one package, as far as a base root needs it. */
export interface DebPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly essential: boolean;
  readonly priority: string;
  /** All of these, each one of its alternatives; versions are not looked at: a suite is consistent in itself. */
  readonly depends: readonly (readonly string[])[];
  readonly provides: readonly string[];
  /** Where it is. */
  readonly url: string;
  readonly size: number;
  readonly sha256: string;
}

/** Packages of an index at `mirror`; what lacks a name, a version, a file or a sum is left out. */
export function parsePackages(text: string, mirror: string): readonly DebPackage[] {
  const packages: DebPackage[] = [];
  for (const paragraph of text.split('\n\n')) {
    const field = (name: string): string => fieldOf(paragraph, name);
    const [name, version, filename, sha256] = [field('Package'), field('Version'), field('Filename'), field('SHA256')];
    if (name === '' || version === '' || filename === '' || !/^[0-9a-f]{64}$/.test(sha256)) continue;
    packages.push({
      ...{ name, version, sha256, url: `${mirror}/${filename}` },
      architecture: field('Architecture'),
      essential: field('Essential') === 'yes',
      priority: field('Priority'),
      depends: [...dependencies(field('Pre-Depends')), ...dependencies(field('Depends'))],
      provides: dependencies(field('Provides')).flat(),
      size: Number(field('Size')) || 0,
    });
  }
  return packages;
}

/** Value of a field of one line. */
function fieldOf(paragraph: string, name: string): string {
  const key = `${name}:`;
  const at = paragraph.startsWith(key) ? 0 : paragraph.indexOf(`\n${key}`) + 1;
  if (at === 0 && !paragraph.startsWith(key)) return '';
  const end = paragraph.indexOf('\n', at);
  return paragraph.slice(at + key.length, end < 0 ? undefined : end).trim();
}

function dependencies(text: string): readonly (readonly string[])[] {
  if (text === '') return [];
  return text.split(',').map((group) =>
    group
      .split('|')
      .map((one) => one.trim().replace(/[\s(:[].*$/s, ''))
      .filter((one) => one !== ''),
  );
}

/** The newest of each name. */
export function newest(packages: Iterable<DebPackage>): ReadonlyMap<string, DebPackage> {
  const known = new Map<string, DebPackage>();
  for (const found of packages) {
    const other = known.get(found.name);
    if (other === undefined || compareVersions(found.version, other.version) > 0) known.set(found.name, found);
  }
  return known;
}

export type Closure =
  | { readonly kind: 'closed'; readonly packages: readonly DebPackage[] }
  /** `needed` by `by`, and no package has or provides it. */
  | { readonly kind: 'missing'; readonly needed: readonly string[]; readonly by: string };

/**
 * These packages with all that they need. Of alternatives the first that is chosen already is taken, else the first that
 * is there, else the first (by name) that provides one of them.
 */
export function closure(known: ReadonlyMap<string, DebPackage>, names: readonly string[]): Closure {
  const providers = new Map<string, DebPackage[]>();
  for (const each of known.values()) {
    for (const virtual of each.provides) providers.set(virtual, [...(providers.get(virtual) ?? []), each]);
  }
  const chosen = new Map<string, DebPackage>();
  const provided = new Set<string>();
  const pending: DebPackage[] = [];
  const choose = (alternatives: readonly string[], by: string): Closure | null => {
    if (alternatives.some((name) => chosen.has(name) || provided.has(name))) return null;
    const found =
      alternatives.map((name) => known.get(name)).find((each) => each !== undefined) ??
      alternatives.flatMap((name) => providers.get(name) ?? [])[0];
    if (found === undefined) return { kind: 'missing', needed: alternatives, by };
    chosen.set(found.name, found);
    for (const virtual of found.provides) provided.add(virtual);
    pending.push(found);
    return null;
  };
  for (const name of names) {
    const missing = choose([name], 'the root');
    if (missing !== null) return missing;
  }
  for (let each = pending.shift(); each !== undefined; each = pending.shift()) {
    for (const alternatives of each.depends) {
      const missing = choose(alternatives, each.name);
      if (missing !== null) return missing;
    }
  }
  return { kind: 'closed', packages: [...chosen.values()] };
}
