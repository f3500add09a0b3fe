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

/** What others of them need comes before them; a circle begins with the first of it. */
export function dependenciesFirst(packages: readonly DebPackage[]): readonly DebPackage[] {
  const byName = new Map<string, DebPackage>();
  for (const each of packages) for (const virtual of each.provides) byName.set(virtual, each);
  for (const each of packages) byName.set(each.name, each);
  const order = new Set<DebPackage>();
  const seen = new Set<DebPackage>();
  const visit = (each: DebPackage): void => {
    if (seen.has(each)) return;
    seen.add(each);
    for (const alternatives of each.depends) {
      const needed = alternatives.map((name) => byName.get(name)).find((other) => other !== undefined);
      if (needed !== undefined) visit(needed);
    }
    order.add(each);
  };
  for (const each of packages) visit(each);
  return [...order];
}
