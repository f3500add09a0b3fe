import { plainAbsolutePath } from '../../config/paths.ts';
import { optional, record } from '../../config/record.ts';
import { boolean, nullable, path, type Schema, text } from '../../config/schema.ts';
import { texts } from './common.ts';

// Steps for package managers of languages: vagga 3, the last table.

const noTexts: readonly string[] = [];
const maybe = <T>(schema: Schema<T>) => optional(nullable(schema), null);
const flag = (fallback: boolean) => optional(boolean, fallback);

export const languageSteps = {
  PipConfig: record('!PipConfig', {
    dependencies: flag(false),
    'index-urls': optional(texts, noTexts),
    'find-links': optional(texts, noTexts),
    'trusted-hosts': optional(texts, noTexts),
    'cache-wheels': flag(true),
    'install-python': flag(true),
    'allow-pre-releases': flag(false),
    'python-exe': maybe(text),
    'get-pip-args': optional(texts, noTexts),
  }),
  Py2Install: texts,
  Py3Install: texts,
  Py2Requirements: path,
  Py3Requirements: path,
  NpmConfig: record('!NpmConfig', {
    'npm-exe': optional(text, 'npm'),
    'install-node': flag(true),
    'install-yarn': flag(true),
    'yarn-exe': optional(text, '/usr/bin/yarn'),
    'yarn-version': maybe(text),
  }),
  NpmInstall: texts,
  NpmDependencies: record('!NpmDependencies', {
    file: optional(path, 'package.json'),
    package: flag(true),
    dev: flag(true),
    peer: flag(false),
    bundled: flag(true),
    optional: flag(false),
  }),
  YarnDependencies: record('!YarnDependencies', {
    dir: optional(path, '.'),
    production: flag(false),
    optional: flag(false),
  }),
  GemConfig: record('!GemConfig', {
    'install-ruby': flag(true),
    'gem-exe': optional(text, '/usr/bin/gem'),
    'update-gem': flag(true),
  }),
  GemInstall: texts,
  GemBundle: record('!GemBundle', {
    gemfile: optional(path, 'Gemfile'),
    without: optional(texts, noTexts),
    'trust-policy': maybe(text),
  }),
  ComposerConfig: record('!ComposerConfig', {
    'install-runtime': flag(true),
    'install-dev': flag(false),
    'runtime-exe': maybe(text),
    'include-path': maybe(text),
    'keep-composer': flag(false),
    'vendor-dir': maybe(plainAbsolutePath),
  }),
  ComposerInstall: texts,
  ComposerDependencies: record('!ComposerDependencies', {
    'working-dir': maybe(path),
    dev: flag(true),
    prefer: maybe(text),
    'ignore-platform-reqs': flag(false),
    'no-autoloader': flag(false),
    'no-scripts': flag(false),
    'no-plugins': flag(false),
    'optimize-autoloader': flag(false),
    'classmap-authoritative': flag(false),
  }),
} as const;
