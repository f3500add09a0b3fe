import { join } from 'node:path';
import { parseHumanDuration } from '../config/duration.ts';
import { type LoadedConfig, type RefusedConfig, readConfig } from '../config/load.ts';
import { normalPath } from '../config/paths.ts';
import { type ConfigProblem, sortProblems } from '../config/problem.ts';
import { type Field, list, mapping, optional, record } from '../config/record.ts';
import { boolean, checked, matching, nullable, path, type Schema, text, type ValueOf } from '../config/schema.ts';
import { bytes, environment } from './config/common.ts';
import type { ReadFile } from './config/include.ts';

// Settings of a user and of a project: vagga 5.3.

const maybe = <T>(schema: Schema<T>) => optional(nullable(schema), null);

/** May stand in a project's own file: nothing in them lets a foreign project reach out of itself. */
const everywhere = {
  'version-check': maybe(boolean),
  'run-symlinks-as-commands': maybe(boolean),
  'build-lock-wait': maybe(boolean),
  'build-layers': maybe(boolean),
  'ubuntu-mirror': maybe(text),
  'debian-mirror': maybe(text),
  'alpine-mirror': maybe(text),
  'ubuntu-skip-locking': maybe(boolean),
  environ: maybe(environment),
  'disable-auto-clean': maybe(boolean),
  'versioned-build-dir': maybe(boolean),
} as const satisfies Record<string, Field<unknown>>;

const age = checked(text, (value) => {
  const duration = parseHumanDuration(value);
  return 'problem' in duration ? duration : { value: duration.ms };
});

const ofUsers = {
  'storage-dir': maybe(path),
  'cache-dir': maybe(path),
  'storage-subdir-from-env-var': maybe(matching(/^\w+$/, 'the name of an environment variable')),
  'external-volumes': maybe(mapping(matching(/^[\w.-]+$/, 'a name of a volume'), path)),
  'push-image-script': maybe(text),
  'ca-certificates': maybe(path),
  'propagate-environ': maybe(list(matching(/^[^=\0]+$/, 'a name of environment variables, * stands for any letters'))),
  'proxy-env-vars': maybe(boolean),
  'auto-apply-sysctl': maybe(boolean),
  'index-all-images': maybe(boolean),
  'hard-link-identical-files': maybe(boolean),
  'hard-link-between-projects': maybe(boolean),
  'layers-max-age': maybe(age),
  'layers-max-size': maybe(bytes),
} as const satisfies Record<string, Field<unknown>>;

const userFields = { ...everywhere, ...ofUsers } as const;
const siteSchema = record('settings of one project', userFields);
const noSites: ReadonlyMap<string, Site> = new Map();
type Site = ValueOf<typeof siteSchema>;

/** Of a user; a project's own file takes a part of it. */
export const userSettingsSchema = record('settings', {
  ...userFields,
  'site-settings': optional(mapping(path, siteSchema), noSites),
});
const projectSchema = record('settings of a project', { ...everywhere, 'shared-cache': maybe(boolean) });

export interface Settings {
  readonly storageDir: string | null;
  readonly cacheDir: string | null;
  readonly storageSubdirFromEnvVar: string | null;
  readonly externalVolumes: ReadonlyMap<string, string>;
  readonly pushImageScript: string | null;
  /** A PEM file of the host's authorities, for hosts whose way out has one of its own. */
  readonly caCertificates: string | null;
  readonly propagateEnviron: readonly string[];
  readonly proxyEnvVars: boolean;
  readonly autoApplySysctl: boolean;
  readonly indexAllImages: boolean;
  readonly hardLinkIdenticalFiles: boolean;
  readonly hardLinkBetweenProjects: boolean;
  /** Of what steps have made, in ms and bytes; null: the default. */
  readonly layersMaxAge: number | null;
  readonly layersMaxSize: number | null;
  readonly versionCheck: boolean;
  readonly runSymlinksAsCommands: boolean;
  readonly buildLockWait: boolean;
  /** What each step has made is kept for later builds. */
  readonly buildLayers: boolean;
  readonly ubuntuMirror: string | null;
  readonly debianMirror: string | null;
  readonly alpineMirror: string | null;
  readonly ubuntuSkipLocking: boolean;
  readonly environ: ReadonlyMap<string, string>;
  readonly disableAutoClean: boolean;
  readonly versionedBuildDir: boolean;
  readonly sharedCache: boolean;
}

export const defaultSettings: Settings = {
  storageDir: null,
  cacheDir: null,
  storageSubdirFromEnvVar: null,
  externalVolumes: new Map(),
  pushImageScript: null,
  caCertificates: null,
  propagateEnviron: [],
  proxyEnvVars: true,
  autoApplySysctl: false,
  indexAllImages: false,
  hardLinkIdenticalFiles: false,
  hardLinkBetweenProjects: false,
  layersMaxAge: null,
  layersMaxSize: null,
  versionCheck: true,
  runSymlinksAsCommands: true,
  buildLockWait: true,
  buildLayers: true,
  ubuntuMirror: null,
  debianMirror: null,
  alpineMirror: null,
  ubuntuSkipLocking: false,
  environ: new Map(),
  disableAutoClean: false,
  versionedBuildDir: false,
  sharedCache: false,
};

export interface SettingsSources {
  /** Absolute folder of the project. */
  readonly root: string;
  /** $HOME, if there is one. */
  readonly home: string | null;
  /** $VAGGA_SETTINGS: YAML, if it is set. */
  readonly variable: string | null;
  /** Bytes of an absolute path; null where there is no such file. */
  readonly read: (file: string) => ReturnType<ReadFile> | null;
}

export type ReadSettings =
  | { readonly kind: 'settings'; readonly settings: Settings }
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] };

/** Settings that a project brings along, relative to its folder; the later wins. */
export const projectSettingsFiles = ['.vagga.settings.yaml', '.vagga/settings.yaml'] as const;

/** Reads all that there are; the later in the list of vagga 5.3 wins. */
export function readSettings({ root, home, variable, read }: SettingsSources): ReadSettings {
  const ofHome = ['.config/vagga/settings.yaml', '.vagga/settings.yaml', '.vagga.yaml'];
  const problems: ConfigProblem[] = [];
  let settings: Settings = defaultSettings;

  const take = <T extends object>(loaded: LoadedConfig<T> | RefusedConfig): T | null => {
    if (loaded.kind === 'loaded') return loaded.value;
    problems.push(...loaded.problems);
    return null;
  };
  const bytesOf = (file: string): Uint8Array | null => {
    const bytes = read(file);
    if (typeof bytes !== 'string') return bytes;
    problems.push({ file, line: 0, column: 0, key: '', message: bytes });
    return null;
  };
  const ofUser = (file: string, bytes: Uint8Array): void => {
    const value = take(readConfig(file, bytes, userSettingsSchema));
    if (value === null) return;
    const { siteSettings, ...own } = value;
    settings = overlaid(settings, own, home);
    for (const [path, site] of siteSettings) {
      if (normalPath(expanded(path, home)) === normalPath(root)) settings = overlaid(settings, site, home);
    }
  };
  for (const file of home === null ? [] : ofHome.map((name) => join(home, name))) {
    const bytes = bytesOf(file);
    if (bytes !== null) ofUser(file, bytes);
  }
  if (variable !== null) ofUser('$VAGGA_SETTINGS', Buffer.from(variable));
  for (const file of projectSettingsFiles.map((name) => join(root, name))) {
    // A home folder that is a project: it has been read, as the user's.
    if (home !== null && ofHome.some((name) => join(home, name) === file)) continue;
    const bytes = bytesOf(file);
    const value = bytes === null ? null : take(readConfig(file, bytes, projectSchema));
    if (value !== null) settings = overlaid(settings, value, home);
  }
  return problems.length > 0 ? { kind: 'refused', problems: sortProblems(problems) } : { kind: 'settings', settings };
}

/** What is set wins; `environ` and `external-volumes` are joined key by key. */
function overlaid(
  below: Settings,
  above: Partial<{ readonly [K in keyof Settings]: Settings[K] | null }>,
  home: string | null,
): Settings {
  const set = Object.fromEntries(Object.entries(above).filter(([, value]) => value !== null)) as Partial<Settings>;
  const paths = Object.fromEntries(
    (['storageDir', 'cacheDir', 'caCertificates'] as const).flatMap((key) =>
      set[key] ? [[key, expanded(set[key], home)]] : [],
    ),
  );
  const volumes = [...(set.externalVolumes ?? [])].map(([name, path]) => [name, expanded(path, home)] as const);
  return {
    ...below,
    ...set,
    ...paths,
    environ: new Map([...below.environ, ...(set.environ ?? [])]),
    externalVolumes: new Map([...below.externalVolumes, ...volumes]),
  };
}

const expanded = (path: string, home: string | null): string =>
  home !== null && path.startsWith('~/') ? join(home, path.slice(2)) : path;
