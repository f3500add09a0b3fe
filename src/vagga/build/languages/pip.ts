import type { StepOf } from '../../config/steps.ts';
import type { PackageNames } from '../distro/packages.ts';
import {
  compilers,
  git,
  mercurial,
  type Needs,
  nothing,
  type Surroundings,
  subversion,
  together,
} from './ecosystem.ts';

export type PipConfig = StepOf<'PipConfig'>;
export type PythonVersion = 2 | 3;

/** What is to be installed: requirements as pip's command line or a line of a file has them, or a file of the project. */
export type PipSource =
  | { readonly kind: 'packages'; readonly packages: readonly string[] }
  | { readonly kind: 'requirements'; readonly file: string; readonly lines: readonly string[] };

export const pythonOf = (config: PipConfig, version: PythonVersion): string => config.pythonExe ?? `python${version}`;

/** pip itself is used from its wheel, so that what the image keeps never leans on what pip would bring along. */
const wheels: Readonly<Record<PythonVersion, PackageNames>> = {
  2: { debian: ['python-pip-whl'], alpine: [] },
  3: { debian: ['python3-pip-whl'], alpine: [] },
};

/** For what has to be compiled. */
export const pythonCompilers: Readonly<Record<PythonVersion, PackageNames>> = {
  2: together(compilers, { debian: ['python2-dev'], alpine: ['python2-dev'] }),
  3: together(compilers, { debian: ['python3-dev'], alpine: ['python3-dev'] }),
};

const vcs = [
  ['git', git],
  ['hg', mercurial],
  ['svn', subversion],
] as const;

export function pipNeeds(config: PipConfig, version: PythonVersion, source: PipSource): Needs {
  const lines = source.kind === 'packages' ? source.packages : source.lines;
  const tools = vcs.filter(([scheme]) => lines.some((line) => line.includes(`${scheme}+`))).map(([, names]) => names);
  if (!config.installPython) return { keep: nothing, build: together(...tools) };
  const python = `python${version}`;
  return { keep: { debian: [python], alpine: [python] }, build: together(wheels[version], ...tools) };
}

const cacheFolder = '/tmp/pip-cache';

/** `distroId` names the distribution whose libraries a wheel that was built here is linked with. */
export function pipSurroundings(config: PipConfig, distroId: string): Surroundings {
  return {
    env: {
      PIP_CACHE_DIR: cacheFolder,
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
      PIP_NO_INPUT: '1',
      PIP_PROGRESS_BAR: 'off',
      // The container is the environment of its own that PEP 668 asks for.
      PIP_BREAK_SYSTEM_PACKAGES: '1',
      PIP_ROOT_USER_ACTION: 'ignore',
      // Where `-e git+…` is checked out: pip's own choice is the current folder, which is the project.
      PIP_SRC: '/usr/local/src',
    },
    caches: new Map([
      [`${cacheFolder}/http`, 'pip-cache-http'],
      [`${cacheFolder}/http-v2`, 'pip-cache-http-v2'], // pip 23.3 and later
      ...(config.cacheWheels ? [[`${cacheFolder}/wheels`, `pip-cache-wheels-${distroId}`] as const] : []),
    ]),
  };
}

/** Where pip looks. */
function sources(config: PipConfig): readonly string[] {
  const [index, ...moreIndexes] = config.indexUrls;
  return [
    ...(index === undefined ? [] : [`--index-url=${index}`]),
    ...moreIndexes.map((url) => `--extra-index-url=${url}`),
    ...config.findLinks.map((link) => `--find-links=${link}`),
    ...config.trustedHosts.map((host) => `--trusted-host=${host}`),
  ];
}

/** `pip`: how pip is started. */
export const pipInstall = (config: PipConfig, pip: readonly string[], source: PipSource): readonly string[] => [
  ...[...pip, 'install', ...sources(config)],
  ...(config.dependencies ? [] : ['--no-deps']),
  ...(config.allowPreReleases ? ['--pre'] : []),
  ...(source.kind === 'packages' ? ['--', ...source.packages] : [`--requirement=${source.file}`]),
];

/** The same, but only told: what would be installed, as JSON on stdout (pip 22.2 and later). */
export const pipReport = (config: PipConfig, pip: readonly string[], source: PipSource): readonly string[] => {
  const [start, rest] = [pip.length + 1, pipInstall(config, pip, source)];
  return [...rest.slice(0, start), '--dry-run', '--quiet', '--report=-', ...rest.slice(start)];
};

/** Whether something of a report comes as source, and so may want a compiler; also where it cannot be read. */
export function hasSources(report: string): boolean {
  try {
    const { install } = JSON.parse(report) as { install: readonly { download_info: { url: string } }[] };
    return install.some(({ download_info }) => !new URL(download_info.url).pathname.endsWith('.whl'));
  } catch {
    return true;
  }
}

/** Where `get-pip-args` puts a pip of its own; not part of the image. */
export const ownPip = '/tmp/vagga-pip';

/** With the words of `get-pip-args`, such as `pip==23.0`. */
export const ownPipInstall = (config: PipConfig, pip: readonly string[]): readonly string[] => [
  ...[...pip, 'install', ...sources(config), '--upgrade', `--target=${ownPip}`, ...config.getPipArgs],
];

/**
 * A program for any Python: tells the path of a pip for that Python. First that of a wheel, which leaves nothing behind,
 * as Debian (python3-pip-whl) and ensurepip have one; else `-m` for an installed pip; else nothing.
 */
export const findPip = `
import glob, os, sys
mark = 'py%d' % sys.version_info[0]
folders = ['/usr/share/python-wheels', os.path.join(os.path.dirname(os.__file__), 'ensurepip', '_bundled')]
wheels = [each for folder in folders for each in sorted(glob.glob(os.path.join(folder, 'pip-*.whl')))]
fitting = [each for each in wheels if mark in os.path.basename(each).split('-')[2].split('.')]
if fitting:
    print(os.path.join(fitting[-1], 'pip'))
else:
    try:
        import pip
        print('-m')
    except ImportError:
        pass
`;

/** `found`: what findPip said. */
export function pipWords(python: string, found: string): readonly string[] {
  const place = found.trim();
  if (place === '') {
    throw new Error(
      `${python} has no pip: neither a wheel of it (python3-pip-whl, ensurepip) nor an installed one; install one by a step before`,
    );
  }
  return place === '-m' ? [python, '-m', 'pip'] : [python, place];
}
