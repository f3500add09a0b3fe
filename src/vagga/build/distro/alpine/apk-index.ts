import type { Needing } from '../closure.ts';

/** What an APKINDEX says of one package. */
export interface ApkPackage extends Needing {
  readonly version: string;
  /** `Q1` and the base64 of the SHA-1 of its description. */
  readonly checksum: string;
  readonly size: number;
  /** Where it is. */
  readonly url: string;
  /** Of several that provide the same, the highest is taken. */
  readonly priority: number;
}

/** Packages of an index at `repository` (URL/branch/repo/architecture); what lacks a name, version or sum is left out. */
export function parseApkIndex(text: string, repository: string): readonly ApkPackage[] {
  return text.split(/\n{2,}/).flatMap((paragraph) => {
    const fields = new Map(paragraph.split('\n').map((line) => [line.slice(0, 2), line.slice(2).trim()] as const));
    const [name = '', version = '', checksum = ''] = ['P:', 'V:', 'C:'].map((key) => fields.get(key));
    if (!/^[A-Za-z0-9][\w.+-]*$/.test(name) || !/^[\w.~+-]+$/.test(version) || !/^Q1[A-Za-z0-9+/]+=*$/.test(checksum)) {
      return [];
    }
    const words = (key: string): readonly string[] => (fields.get(key) ?? '').split(' ').filter((word) => word !== '');
    return [
      {
        ...{ name, version, checksum, url: `${repository}/${name}-${version}.apk` },
        // `!name` is a conflict: the repository's own base has none.
        depends: words('D:')
          .filter((word) => !word.startsWith('!'))
          .map((word) => [bareName(word)]),
        provides: words('p:').map(bareName),
        size: Number(fields.get('S:')) || 0,
        priority: Number(fields.get('k:')) || 0,
      },
    ];
  });
}

/** Without a version and the repository's tag. */
const bareName = (word: string): string => word.replace(/[<>=~@].*$/, '');

/** The first of each name, those of high priority in front. */
export function knownPackages(packages: readonly ApkPackage[]): ReadonlyMap<string, ApkPackage> {
  const known = new Map<string, ApkPackage>();
  for (const each of [...packages].sort((a, b) => b.priority - a.priority)) {
    if (!known.has(each.name)) known.set(each.name, each);
  }
  return known;
}
