import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DebPackage,
  dependenciesFirst,
  newest,
  parsePackages,
} from '../../../src/vagga/build/distro/apt/package-index.ts';
import { parseRelease } from '../../../src/vagga/build/distro/apt/release.ts';
import { hostArchive, parseSourcesFile, parseSourcesList } from '../../../src/vagga/build/distro/apt/sources.ts';
import { parseStanzas } from '../../../src/vagga/build/distro/apt/stanza.ts';
import { debianSuites } from '../../../src/vagga/build/distro/apt/suites.ts';
import { compareVersions } from '../../../src/vagga/build/distro/apt/version.ts';
import { closure } from '../../../src/vagga/build/distro/closure.ts';
import { osRelease } from '../../../src/vagga/build/distro/os-release.ts';
import { skipped } from '../../skipped.ts';

const sourcesFile = `# what this host installs from
Types: deb
# a snapshot
URIs: http://mirror.test/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://old.test/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://other.test/node
Suites: nodistro
Components: main
`;

describe('sources of a host', () => {
  it('are read from .sources files: comments, several suites, what is switched off left out', () => {
    const sources = parseSourcesFile(sourcesFile);
    expect(sources.map(({ uris, suites, components }) => [uris, suites, components])).toEqual([
      [['http://mirror.test/debian/'], ['bookworm', 'bookworm-updates'], ['main', 'contrib']],
      [['http://mirror.test/debian-security'], ['bookworm-security'], ['main']],
      [['https://other.test/node'], ['nodistro'], ['main']],
    ]);
    expect(sources[0]?.options.get('signed-by')).toBe('/usr/share/keyrings/debian-archive-keyring.gpg');
  });

  it('are read from sources.list: options, comments, no sources of source packages', () => {
    const text = `deb [arch=amd64,arm64 signed-by=/a.gpg] http://a.test/debian bookworm main # own
# deb http://b.test/debian bookworm main
deb-src http://a.test/debian bookworm main
deb [ trusted=yes ] file:/srv/repo ./
`;
    expect(parseSourcesList(text)).toEqual([
      {
        ...{ uris: ['http://a.test/debian'], suites: ['bookworm'], components: ['main'] },
        options: new Map([
          ['architectures', 'amd64,arm64'],
          ['signed-by', '/a.gpg'],
        ]),
      },
      { uris: ['file:/srv/repo'], suites: ['./'], components: [], options: new Map([['trusted', 'yes']]) },
    ]);
  });

  it('name the mirror of the distribution among other repositories, and its security updates', () => {
    const archive = { mirror: 'http://mirror.test/debian', security: 'http://mirror.test/debian-security' };
    expect(hostArchive(parseSourcesFile(sourcesFile), 'bookworm')).toEqual(archive);
    expect(hostArchive(parseSourcesFile(sourcesFile), 'trixie')).toBeNull();
    expect(hostArchive(parseSourcesList('deb cdrom:[Debian]/ bookworm main'), 'bookworm')).toBeNull();
  });

  it('come back from either format as they were written', () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9./-]{0,8}$/);
    const some = fc.array(word, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(word, some, word, (suite, components, host) => {
        const uri = `http://${host}`;
        const expected = [{ uris: [uri], suites: [suite], components, options: new Map() }];
        expect(parseSourcesList(`deb ${uri} ${suite}  ${components.join('\t')} # c\n`)).toEqual(expected);
        const stanza = `types: deb\nURIs:\n ${uri}\nSuites: ${suite}\nComponents: ${components.join('\n  ')}\n`;
        expect(parseSourcesFile(stanza)).toEqual(expected);
      }),
    );
  });

  it('may hold anything: what is no source is skipped', () => {
    const line = fc.constantFrom(
      'deb ',
      'deb [',
      '] ',
      'Types: deb\n',
      'URIs: x\n',
      'Suites: y\n',
      '\n',
      ' ',
      '#',
      ':',
      '=',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string())), (parts) => {
        const text = parts.join('');
        for (const source of [...parseSourcesList(text), ...parseSourcesFile(text)]) {
          expect(source.uris.length * source.suites.length).toBeGreaterThan(0);
        }
        osRelease(text);
        parseRelease(text);
        parsePackages(text, 'http://m');
      }),
    );
  });
});

it('a stanza ends at a line of white space, a value goes on where a line is indented', () => {
  expect(parseStanzas('A: 1\n b\n# c\n c\n \nB:2\nnonsense\n')).toEqual([
    new Map([['a', '1\nb\nc']]),
    new Map([['b', '2']]),
  ]);
});

it('os-release is read with its quotes', () => {
  const fields = osRelease(`ID=debian\n# x\nNAME="Debian \\"GNU\\""\nVERSION_CODENAME='book worm'\nbroken\n`);
  expect([...fields]).toEqual([
    ['ID', 'debian'],
    ['NAME', 'Debian "GNU"'],
    ['VERSION_CODENAME', 'book worm'],
  ]);
});

it('the security updates of a release are where its time put them', () => {
  const suites = (codename: string, security: string | null = null): readonly string[] =>
    debianSuites(codename, { mirror: 'http://m/debian', security }).map(({ mirror, suite }) => `${mirror} ${suite}`);
  const own = ['http://m/debian bookworm', 'http://m/debian bookworm-updates'];
  expect(suites('bookworm')).toEqual([...own, 'http://m/debian-security bookworm-security']);
  expect(suites('bookworm', 'http://s')).toEqual([...own, 'http://s bookworm-security']);
  expect(suites('buster').at(-1)).toBe('http://m/debian-security buster/updates');
  expect(suites('sid')).toEqual(['http://m/debian sid']);
});

describe('versions of packages', () => {
  it.each([
    ['1.0', '1.0', 0],
    ['1.0', '1.0-0', 0],
    ['1:1.0', '2.0', 1],
    ['1.0~rc1', '1.0', -1],
    ['1.0~~', '1.0~', -1],
    ['1.10', '1.9', 1],
    ['1.0a', '1.0+', -1],
    ['1.0-1', '1.0-1+deb12u1', -1],
    ['0.010', '0.10', 0],
    ['1-2-3', '1-2-10', -1],
  ])('%s against %s: %i', (a, b, order) => {
    expect(Math.sign(compareVersions(a, b))).toBe(order);
    expect(Math.sign(compareVersions(b, a))).toBe(order === 0 ? 0 : -order);
  });

  const noDpkg = skipped(spawnSync('dpkg', ['--version']).status === 0, 'versions against dpkg', 'no dpkg here');
  it.skipIf(noDpkg)('have the order that dpkg gives them', () => {
    const version = fc
      .tuple(
        fc.constantFrom('', '', '0:', '1:', '12:'),
        fc.stringMatching(/^[0-9][0-9a-zA-Z.+~]{0,6}$/),
        fc.constantFrom('', '-1', '-0', '-1~b', '-a+1'),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(version, version, (a, b) => {
        const order = compareVersions(a, b);
        const word = order < 0 ? 'lt' : order > 0 ? 'gt' : 'eq';
        expect([a, word, b, spawnSync('dpkg', ['--compare-versions', a, word, b]).status]).toEqual([a, word, b, 0]);
      }),
      { numRuns: Number(process.env.RUNS ?? 60) }, // each starts a process
    );
  });
});

const sum = 'a'.repeat(64);
const paragraph = (name: string, more = ''): string =>
  `Package: ${name}\nVersion: 1\nArchitecture: all\n${more}Filename: pool/${name}.deb\nSize: 10\nSHA256: ${sum}\n`;
const index = (...paragraphs: readonly string[]): ReadonlyMap<string, DebPackage> =>
  newest(parsePackages(paragraphs.join('\n'), 'http://m'));
const names = (packages: readonly DebPackage[]): readonly string[] => packages.map(({ name }) => name);

describe('an index of packages', () => {
  it('gives what a package needs, without versions and architectures', () => {
    const known = index(
      paragraph('a', 'Pre-Depends: libc6 (>= 2.3)\nDepends: b:any | c, d [amd64]\nProvides: v (= 1), w\n'),
    );
    expect(known.get('a')).toEqual({
      ...{ name: 'a', version: '1', architecture: 'all', essential: false, priority: '', size: 10, sha256: sum },
      ...{ depends: [['libc6'], ['b', 'c'], ['d']], provides: ['v', 'w'], url: 'http://m/pool/a.deb' },
    });
  });

  it('is of use with the newest version of each name', () => {
    const old = paragraph('a');
    expect(index(old, old.replace('Version: 1', 'Version: 1.1'), old).get('a')?.version).toBe('1.1');
  });

  it('gives a package with all that it needs: by name, by what is chosen already, by who provides it', () => {
    const known = index(
      paragraph('a', 'Depends: x | b, mail, c\n'),
      ...[paragraph('b', 'Depends: a\n'), paragraph('c', 'Depends: d | x | b\n'), paragraph('d')],
      paragraph('post', 'Provides: mail\n'),
    );
    const result = closure(known, ['a']);
    expect(result.kind === 'closed' && names(result.packages)).toEqual(['a', 'b', 'post', 'c']);
    const chosen = closure(known, ['a', 'b', 'c']);
    expect(chosen.kind === 'closed' && names(chosen.packages)).toEqual(['a', 'b', 'c', 'post']);
  });

  it('tells what is missing, and for whom', () => {
    const known = index(paragraph('a', 'Depends: x | y\n'));
    expect(closure(known, ['a'])).toEqual({ kind: 'missing', needed: ['x', 'y'], by: 'a' });
  });

  it('is put in an order in which what is needed comes first, circles or not', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, fc.array(name)), { selector: ([first]) => first }), (list) => {
        const known = index(
          ...list.map(([each, needs]) => paragraph(each, needs.length > 0 ? `Depends: ${needs.join(', ')}\n` : '')),
        );
        const all = [...known.values()];
        const order = names(dependenciesFirst(all));
        expect([...order].sort()).toEqual([...known.keys()].sort());
        const forward = list.every(([each, needs]) => needs.every((need) => need > each)); // no circle then
        if (forward) {
          for (const [each, needs] of list) {
            for (const need of needs.filter((other) => known.has(other))) {
              expect(order.indexOf(need)).toBeLessThan(order.indexOf(each));
            }
          }
        }
      }),
    );
  });
});
