import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { until } from './host.ts';

// Repositories of gems and of Composer's packages, in their own static formats, served on loopback.

export interface Repositories {
  readonly gems: string;
  readonly composer: string;
  /** Paths that were asked for. */
  asked(): readonly string[];
  close(): void;
}

export async function serveRepositories(): Promise<Repositories> {
  const folder = mkdtempSync(join(tmpdir(), 'language-repositories-'));
  const files = join(folder, 'files');
  mkdirSync(files);
  // A process of its own: a test that waits for a build could not answer it.
  const log = openSync(join(folder, 'log'), 'w');
  const server = spawn('python3', ['-u', '-m', 'http.server', '--bind=127.0.0.1', `--directory=${files}`, '0'], {
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const said = (): string => readFileSync(join(folder, 'log'), 'utf8');
  await until('a server of files', () => / port \d+ /.test(said()));
  const port = / port (\d+) /.exec(said())?.[1];
  const origin = `http://127.0.0.1:${port}`;
  makeGems(join(files, 'ruby'));
  makeComposer(join(files, 'composer'), `${origin}/composer`);
  return {
    gems: `${origin}/ruby/`,
    composer: `${origin}/composer`,
    asked: () => [...said().matchAll(/"GET (\S+) /g)].map(([, path = '']) => path),
    close: () => {
      server.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Gems `vagga-hello` 1.0.0 and 1.1.0 with a program, and `vagga-extra` 1.0.0. */
function makeGems(folder: string): void {
  mkdirSync(join(folder, 'gems'), { recursive: true });
  const source = mkdtempSync(join(tmpdir(), 'gem-source-'));
  for (const [name, version, program] of [
    ['vagga-hello', '1.0.0', true],
    ['vagga-hello', '1.1.0', true],
    ['vagga-extra', '1.0.0', false],
  ] as const) {
    write(join(source, `lib/${name}.rb`), `VERSION_OF_${name.replace(/\W/g, '_').toUpperCase()} = '${version}'\n`);
    write(join(source, 'bin/vagga-hello'), `#!/usr/bin/env ruby\nputs 'hello ${version}'\n`);
    write(
      join(source, 'one.gemspec'),
      `Gem::Specification.new do |s|
        s.name = '${name}'; s.version = '${version}'; s.summary = 'x'; s.authors = ['x']; s.license = 'MIT'
        s.homepage = 'http://127.0.0.1/'; s.files = ['lib/${name}.rb'${program ? ", 'bin/vagga-hello'" : ''}]
        ${program ? "s.bindir = 'bin'; s.executables = ['vagga-hello']" : ''}
      end`,
    );
    run(['gem', 'build', '--quiet', 'one.gemspec', '-o', join(folder, `gems/${name}-${version}.gem`)], source);
  }
  rmSync(source, { recursive: true });
  run(['gem', 'generate_index', '--quiet', '--directory', folder], folder);
}

/** Packages `vagga/hello` 1.0.0 and 1.1.0, `vagga/extra` 1.0.0; the first has a program. */
function makeComposer(folder: string, url: string): void {
  const packages: Record<string, Record<string, unknown>> = {};
  for (const [name, version, program] of [
    ['vagga/hello', '1.0.0', 'bin/vagga-hello-php'],
    ['vagga/hello', '1.1.0', 'bin/vagga-hello-php'],
    ['vagga/extra', '1.0.0', null],
  ] as const) {
    const constant = name.replace('/', '_').toUpperCase();
    const about = {
      ...{ name, version, license: 'MIT', description: 'x' },
      ...{ autoload: { files: ['constant.php'] } },
      ...(program === null ? {} : { bin: [program] }),
    };
    const source = mkdtempSync(join(tmpdir(), 'composer-source-'));
    write(join(source, 'top/composer.json'), JSON.stringify(about));
    write(join(source, 'top/constant.php'), `<?php const ${constant} = '${version}';\n`);
    write(join(source, 'top/bin/vagga-hello-php'), `#!/usr/bin/env php\n<?php echo "hello ${version}\\n";\n`);
    const archive = `${name.replace('/', '-')}-${version}.zip`;
    write(join(folder, archive), '');
    run(['python3', '-m', 'zipfile', '-c', join(folder, archive), 'top'], source);
    rmSync(source, { recursive: true });
    const shasum = createHash('sha1')
      .update(readFileSync(join(folder, archive)))
      .digest('hex');
    packages[name] = {
      ...packages[name],
      [version]: { ...about, dist: { type: 'zip', url: `${url}/${archive}`, shasum } },
    };
  }
  write(join(folder, 'packages.json'), JSON.stringify({ packages }));
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function run([program = '', ...args]: readonly string[], cwd: string): void {
  const done = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr}`);
}
