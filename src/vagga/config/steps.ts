import { idNumber } from '../../config/ids.ts';
import { plainAbsolutePath } from '../../config/paths.ts';
import { mapping, optional, record, required } from '../../config/record.ts';
import {
  boolean,
  checked,
  integer,
  nullable,
  path,
  type Schema,
  scalar,
  text,
  type ValueOf,
} from '../../config/schema.ts';
import { bare, shorthand, tagged } from '../../config/tagged.ts';
import { environment, name, texts } from './common.ts';
import { languageSteps } from './language-steps.ts';

// Every build step with its keys and defaults: vagga 3.

const noTexts: readonly string[] = [];
const maybe = <T>(schema: Schema<T>) => optional(nullable(schema), null);
const flag = (fallback: boolean) => optional(boolean, fallback);

const fileMode = integer({ min: 0, max: 0o7777 }, 'a mode as 0o644,');
const sha256 = checked(text, (value) =>
  /^[0-9a-fA-F]{64}$/.test(value) ? { value: value.toLowerCase() } : { problem: 'expected a SHA-256 of 64 hex digits' },
);

/** One scalar stands for a record whose other keys have their defaults. */
const oneKey = <T extends object, K extends keyof T & string>(
  full: Schema<T>,
  key: K,
  short: Schema<T[K]>,
  rest: Omit<T, K>,
): Schema<T> =>
  shorthand(
    checked(short, (value) => ({ value: { ...rest, [key]: value } as unknown as T })),
    full,
  );

const install = '!Install of packages';
const archive = {
  url: required(text),
  path: optional(plainAbsolutePath, '/'),
  subdir: optional(path, ''),
  sha256: maybe(sha256),
};
const defaultInstallScript = './configure --prefix=/usr\nmake\nmake install\n';

const selection = {
  'ignore-regex': maybe(text),
  'include-regex': maybe(text),
  rules: optional(texts, noTexts),
  'no-default-rules': flag(false),
} as const;

/** The two ways to choose files are not mixed (vagga 3, Files). */
const oneSelection = <T extends { ignoreRegex: string | null; includeRegex: string | null; rules: readonly string[] }>(
  schema: Schema<T>,
) =>
  checked(schema, (value) =>
    value.rules.length > 0 && (value.ignoreRegex !== null || value.includeRegex !== null)
      ? { problem: 'rules and a regex; expected one of the two ways to choose files' }
      : { value },
  );

const depends = oneSelection(record('!Depends', { path: required(path), ...selection }));

const copy = oneSelection(
  record('!Copy', {
    source: required(path),
    path: required(plainAbsolutePath),
    ...selection,
    'owner-uid': maybe(idNumber),
    'owner-gid': maybe(idNumber),
    'preserve-permissions': flag(false),
    'preserve-times': flag(false),
    umask: optional(integer({ min: 0, max: 0o777 }, 'a umask as 0o022,'), 0o002),
  }),
);

const build = checked(
  record('!Build', {
    container: required(name),
    source: optional(plainAbsolutePath, '/'),
    path: maybe(plainAbsolutePath),
    'temporary-mount': maybe(plainAbsolutePath),
    rules: optional(texts, noTexts),
    'content-hash': flag(false),
  }),
  (value) => {
    if (value.path !== null && value.temporaryMount !== null) {
      return { problem: 'path and temporary-mount; expected one of the two' };
    }
    if (value.temporaryMount !== null && (value.contentHash || value.rules.length > 0)) {
      return { problem: 'temporary-mount takes neither content-hash nor rules' };
    }
    return { value };
  },
);

const subConfigSource = tagged({
  Directory: bare,
  Container: name,
  Git: record('a git source', { url: required(text) }),
});

const ubuntuRelease = record('!UbuntuRelease', {
  codename: maybe(text),
  url: maybe(text),
  version: maybe(text),
  arch: optional(text, 'amd64'),
  'keep-chfn-command': flag(false),
  eatmydata: flag(true),
});

const debian = record('!Debian', {
  codename: required(text),
  url: maybe(text),
  arch: maybe(text),
  components: optional(texts, ['main']),
  variant: optional(text, 'minbase'),
});

const gitDescribe = record('!GitDescribe', {
  repo: optional(path, '/work'),
  'output-file': maybe(plainAbsolutePath),
  pattern: maybe(text),
});

const repoName = scalar('REPO or BRANCH/REPO', (value) => (value.split('/').length <= 2 ? value : null));

const distributionSteps = {
  // Checked when it is built, as the original does: exit code 121.
  Alpine: text,
  AlpineRepo: record('!AlpineRepo', { url: maybe(text), branch: maybe(text), repo: required(text), tag: maybe(text) }),
  Ubuntu: text,
  UbuntuRelease: ubuntuRelease,
  UbuntuRepo: record('!UbuntuRepo', {
    url: maybe(text),
    suite: maybe(text),
    components: required(texts),
    trusted: flag(false),
  }),
  UbuntuPPA: text,
  UbuntuUniverse: bare,
  AptTrust: record('!AptTrust', { server: maybe(text), keys: optional(texts, noTexts) }),
  Repo: repoName,
  Install: { ...texts, expected: install },
  BuildDeps: texts,
  // Ours: a root of Debian's packages, by debootstrap's rules.
  Debian: oneKey(debian, 'codename', text, { url: null, arch: null, components: ['main'], variant: 'minbase' }),
} as const;

const genericSteps = {
  Sh: text,
  Cmd: texts,
  RunAs: record('!RunAs', {
    script: required(text),
    'user-id': optional(idNumber, 0),
    'group-id': optional(idNumber, 0),
    'external-user-id': maybe(idNumber),
    'supplementary-gids': optional({ ...texts, expected: 'a list of ids' } as Schema<readonly string[]>, noTexts),
    'work-dir': optional(plainAbsolutePath, '/work'),
    'isolate-network': flag(false),
  }),
  Env: environment,
  Download: record('!Download', {
    url: required(text),
    path: required(plainAbsolutePath),
    mode: optional(fileMode, 0o644),
    sha256: maybe(sha256),
  }),
  Tar: record('!Tar', archive),
  TarInstall: record('!TarInstall', {
    url: required(text),
    sha256: maybe(sha256),
    subdir: maybe(path),
    script: optional(text, defaultInstallScript),
  }),
  Unzip: record('!Unzip', archive),
  Git: record('!Git', {
    url: required(text),
    path: required(plainAbsolutePath),
    revision: maybe(text),
    branch: maybe(text),
  }),
  GitInstall: record('!GitInstall', {
    url: required(text),
    revision: maybe(text),
    branch: maybe(text),
    subdir: optional(path, '.'),
    script: optional(text, defaultInstallScript),
  }),
  GitDescribe: oneKey(gitDescribe, 'outputFile', nullable(plainAbsolutePath), { repo: '/work', pattern: null }),
} as const;

const fileSteps = {
  Text: mapping(plainAbsolutePath, text),
  Copy: copy,
  Depends: oneKey(depends, 'path', path, {
    ignoreRegex: null,
    includeRegex: null,
    rules: noTexts,
    noDefaultRules: false,
  }),
  EnsureDir: plainAbsolutePath,
  EmptyDir: plainAbsolutePath,
  Remove: plainAbsolutePath,
  CacheDirs: mapping(plainAbsolutePath, path),
} as const;

const subContainerSteps = {
  Container: name,
  Build: build,
  SubConfig: record('!SubConfig', {
    source: optional(subConfigSource, { tag: 'Directory', value: null } as const),
    path: optional(path, 'vagga.yaml'),
    container: required(name),
    cache: optional(nullable(boolean), null),
  }),
} as const;

export const stepSchema = tagged({
  ...distributionSteps,
  ...genericSteps,
  ...fileSteps,
  ...subContainerSteps,
  ...languageSteps,
});

export type Step = ValueOf<typeof stepSchema>;
export type StepOf<Tag extends Step['tag']> = Extract<Step, { readonly tag: Tag }>['value'];
