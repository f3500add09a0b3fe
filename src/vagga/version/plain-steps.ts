import type { Step } from '../config/steps.ts';
import { byBytes, byParts } from './project-file.ts';

// Steps whose fields are what stands in vagga.yaml, and nothing else: vagga 3, the H columns.

export type PlainField =
  | { readonly key: string; readonly value: string }
  | { readonly key: string; readonly values: readonly string[] };

/** Steps that look at files, at other containers or at git. */
export type LookingTag =
  | 'Copy'
  | 'Depends'
  | 'Container'
  | 'Build'
  | 'SubConfig'
  | 'GitDescribe'
  | 'OciImage'
  | 'Devcontainer'
  | 'Py2Requirements'
  | 'Py3Requirements'
  | 'NpmDependencies'
  | 'YarnDependencies'
  | 'GemBundle'
  | 'ComposerDependencies';

export type PlainStep = Exclude<Step, { readonly tag: LookingTag }>;

const one = (key: string, value: string | number | boolean): PlainField => ({ key, value: String(value) });
const opt = (key: string, value: string | number | null): readonly PlainField[] =>
  value === null ? [] : [one(key, value)];
const many = (key: string, values: readonly string[]): PlainField => ({ key, values });
/** A flag that is only there where it says this. */
const onlyIf = (key: string, value: boolean, when: boolean): readonly PlainField[] =>
  value === when ? [one(key, value)] : [];
/** What is fetched is known by its sum, where there is one. */
const fetched = ({ url, sha256 }: { readonly url: string; readonly sha256: string | null }): PlainField =>
  sha256 === null ? one('url', url) : one('hash', sha256);

export function plainFields(step: PlainStep): readonly PlainField[] {
  switch (step.tag) {
    case 'Alpine':
      return [one('version', step.value)];
    case 'AlpineRepo': {
      const { url, branch, repo, tag } = step.value;
      return [...opt('url', url), ...opt('branch', branch), one('repo', repo), ...opt('tag', tag)];
    }
    case 'Ubuntu':
      return [one('codename', step.value)];
    case 'UbuntuRelease': {
      const { codename, version, url, arch, keepChfnCommand } = step.value;
      return [
        ...[...opt('codename', codename), ...opt('version', version), ...opt('url', url)],
        ...[one('arch', arch), one('keep_chfn_command', keepChfnCommand)],
      ];
    }
    case 'UbuntuRepo': {
      const { url, suite, components, trusted } = step.value;
      return [...opt('url', url), ...opt('suite', suite), many('components', components), one('trusted', trusted)];
    }
    case 'UbuntuPPA':
      return [one('ppa_name', step.value)];
    case 'UbuntuUniverse':
      return [];
    case 'AptTrust':
      return [...opt('server', step.value.server), many('keys', step.value.keys)];
    case 'Repo':
      return [one('name', step.value)];
    case 'Debian': {
      const { codename, url, arch, components, variant } = step.value;
      return [
        ...[one('codename', codename), ...opt('url', url), ...opt('arch', arch)],
        ...[many('components', components), one('variant', variant)],
      ];
    }
    case 'Install':
    case 'BuildDeps':
    case 'Py2Install':
    case 'Py3Install':
    case 'NpmInstall':
    case 'GemInstall':
    case 'ComposerInstall':
      return [many('packages', step.value)];
    case 'Sh':
      return [one('script', step.value)];
    case 'Cmd':
      return [many('command-line', step.value)];
    case 'RunAs': {
      const { userId, groupId, externalUserId, supplementaryGids, workDir, isolateNetwork, script } = step.value;
      return [
        ...[one('user_id', userId), one('group_id', groupId), ...opt('external_user_id', externalUserId)],
        ...[many('supplementary_gids', supplementaryGids), one('work_dir', workDir)],
        ...[one('isolate_network', isolateNetwork), one('script', script)],
      ];
    }
    case 'Env':
      return sorted(step.value, byBytes).flatMap(([key, value]) => [one('key', key), one('value', value)]);
    case 'Download':
      return [fetched(step.value), one('path', step.value.path), one('mode', step.value.mode)];
    case 'Tar':
    case 'Unzip':
      return [fetched(step.value), one('path', step.value.path), one('subdir', step.value.subdir)];
    case 'TarInstall':
      return [fetched(step.value), ...opt('subdir', step.value.subdir), one('script', step.value.script)];
    case 'Git': {
      const { url, revision, branch, path } = step.value;
      return [one('url', url), ...opt('revision', revision), ...opt('branch', branch), one('path', path)];
    }
    case 'GitInstall': {
      const { url, revision, branch, subdir, script } = step.value;
      return [
        ...[one('url', url), ...opt('revision', revision), ...opt('branch', branch)],
        ...[one('subdir', subdir), one('script', script)],
      ];
    }
    case 'Text':
      return sorted(step.value, byParts).flatMap(([path, data]) => [one('path', path), one('data', data)]);
    case 'EnsureDir':
    case 'EmptyDir':
    case 'Remove':
      return [one('path', step.value)];
    case 'CacheDirs':
      return sorted(step.value, byParts).flatMap(([path, name]) => [one('source', path), one('name', name)]);
    case 'PipConfig':
      return pipConfig(step.value);
    case 'NpmConfig': {
      const { npmExe, installNode, installYarn, yarnExe, yarnVersion } = step.value;
      return [
        ...[one('npm_exe', npmExe), one('install_node', installNode), ...onlyIf('install_yarn', installYarn, false)],
        ...[...opt('yarn_exe', yarnExe === 'yarn' ? null : yarnExe), ...opt('yarn_version', yarnVersion)],
      ];
    }
    case 'GemConfig': {
      const { installRuby, gemExe, updateGem } = step.value;
      return [one('install_ruby', installRuby), one('gem_exe', gemExe), one('update_gem', updateGem)];
    }
    case 'ComposerConfig': {
      const { runtimeExe, includePath, installRuntime, installDev, keepComposer, vendorDir } = step.value;
      return [
        ...[...opt('runtime_exe', runtimeExe), ...opt('include_path', includePath)],
        ...[one('install_runtime', installRuntime), one('install_dev', installDev)],
        ...[one('keep_composer', keepComposer), ...opt('vendor_dir', vendorDir)],
      ];
    }
    default: {
      const unknown: never = step;
      return unknown;
    }
  }
}

function pipConfig(config: Extract<Step, { readonly tag: 'PipConfig' }>['value']): readonly PlainField[] {
  return [
    many('find_links', config.findLinks),
    many('index_urls', config.indexUrls),
    many('trusted_hosts', config.trustedHosts),
    one('dependencies', config.dependencies),
    one('cache_wheels', config.cacheWheels),
    one('install_python', config.installPython),
    ...onlyIf('allow_pre_releases', config.allowPreReleases, true),
    ...opt('python_exe', config.pythonExe),
    ...(config.getPipArgs.length > 0 ? [many('get_pip_args', config.getPipArgs)] : []),
  ];
}

function sorted(
  map: ReadonlyMap<string, string>,
  compare: (a: string, b: string) => number,
): readonly (readonly [string, string])[] {
  return [...map].sort(([a], [b]) => compare(a, b));
}
