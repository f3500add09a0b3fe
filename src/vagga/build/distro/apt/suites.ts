import type { Archive } from './sources.ts';

/** One suite of a mirror: what a line of sources.list names. */
export interface Suite {
  readonly mirror: string;
  readonly suite: string;
}

/** Older than the layout of security updates that Debian 11 brought. */
const oldSecurity = ['wheezy', 'jessie', 'stretch', 'buster'];
/** No stable releases: they have no updates beside them. */
const rolling = ['sid', 'unstable', 'experimental', 'rc-buggy'];
/** Made before `/bin` and `/usr/bin` became one. */
const splitUsr = ['wheezy', 'jessie', 'stretch', 'precise', 'trusty', 'xenial', 'bionic'];

export const hasMergedUsr = (codename: string): boolean => !splitUsr.includes(codename);

/** The first is the release itself and must be there; the others may be missing on a mirror. */
export function debianSuites(codename: string, { mirror, security }: Archive): readonly Suite[] {
  if (rolling.includes(codename)) return [{ mirror, suite: codename }];
  const place = security ?? mirror.replace(/\/debian$/, '/debian-security');
  const suite = oldSecurity.includes(codename) ? `${codename}/updates` : `${codename}-security`;
  return [
    { mirror, suite: codename },
    { mirror, suite: `${codename}-updates` },
    ...(place === mirror ? [] : [{ mirror: place, suite }]),
  ];
}

export function ubuntuSuites(codename: string, mirror: string): readonly Suite[] {
  return ['', '-updates', '-security'].map((kind) => ({ mirror, suite: `${codename}${kind}` }));
}

/** Debian's name of an architecture of Node; null: it has none that we know. */
export function debianArchitecture(nodes: string): string | null {
  const names: Readonly<Record<string, string>> = {
    x64: 'amd64',
    ia32: 'i386',
    arm64: 'arm64',
    arm: 'armhf',
    ppc64: 'ppc64el',
    s390x: 's390x',
    riscv64: 'riscv64',
    loong64: 'loong64',
  };
  return names[nodes] ?? null;
}

/** Ubuntu keeps its other architectures elsewhere. */
export const ubuntuMirrorOf = (architecture: string): string =>
  ['amd64', 'i386'].includes(architecture)
    ? 'http://archive.ubuntu.com/ubuntu'
    : 'http://ports.ubuntu.com/ubuntu-ports';

export const debianArchive: Archive = {
  mirror: 'http://deb.debian.org/debian',
  security: 'http://deb.debian.org/debian-security',
};

/** Releases that are known by their numbers: `version` of !UbuntuRelease. */
export const ubuntuCodenames: ReadonlyMap<string, string> = new Map([
  ['12.04', 'precise'],
  ['14.04', 'trusty'],
  ['14.10', 'utopic'],
  ['15.04', 'vivid'],
  ['15.10', 'wily'],
  ['16.04', 'xenial'],
  ['18.04', 'bionic'],
  ['20.04', 'focal'],
  ['22.04', 'jammy'],
  ['24.04', 'noble'],
]);
