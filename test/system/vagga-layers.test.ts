import { type spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, mode, type Project, until, vaggaHost, type Who } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'layers of vagga', missing ?? '');
/** Builds that are killed, and how many of them at once. By hand: STELLWERK_KILLS=200. */
const kills = Number(process.env.STELLWERK_KILLS ?? 6);

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

/** A step that counts its runs in the project, whatever else it does. */
const counted = (name: string, script = 'true'): string => `- !Sh "echo ${name} >> /work/runs; ${script}"`;
const container = (...steps: readonly string[]): string =>
  `containers:\n  c:\n    setup:\n    - !Tar { url: ./root.tar.gz }\n${steps.map((step) => `    ${step}\n`).join('')}`;
/** The steps that have run since it was last asked. */
function runs(project: Project): readonly string[] {
  const file = project.file('runs');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  rmSync(file, { force: true });
  return lines;
}
function configure(project: Project, yaml: string): void {
  writeFileSync(project.file('vagga.yaml'), yaml);
}
function build(project: Project, args: readonly string[] = ['c']): string {
  const { status, stderr } = project.vagga(['_build', ...args]);
  expect(`${status}\n${status === 0 ? '' : stderr}`).toBe('0\n');
  return stderr;
}
const layersOf = (project: Project, folder: string): readonly string[] => {
  const path = project.file(`.vagga/.cache/layers/${folder}`);
  return existsSync(path) ? readdirSync(path) : [];
};
const read = (project: Project, path: string): string => readFileSync(project.file(`.vagga/c/${path}`), 'utf8');

describe.skipIf(noRootless).each(['user', 'root'] as const)('a build of %s', (who: Who) => {
  it('runs only what stands behind the first step that changed', () => {
    const project = host.project(who, container(counted('one', 'echo 1 > /data/a'), counted('two', 'rm /data/a')));
    build(project);
    expect(runs(project)).toEqual(['one', 'two']);
    configure(project, container(counted('one', 'echo 1 > /data/a'), counted('other', 'cat /data/a > /data/b')));
    expect(build(project)).toContain('Steps 1 to 2 of 3 are kept from an earlier build');
    expect(runs(project)).toEqual(['other']);
    expect([read(project, 'data/a'), read(project, 'data/b')]).toEqual(['1\n', '1\n']);
    configure(project, container(counted('one', 'echo 1 > /data/a'), counted('two', 'rm /data/a'), counted('three')));
    build(project);
    expect(runs(project)).toEqual(['three']);
    expect(existsSync(project.file('.vagga/c/data/a'))).toBe(false);
  });

  it('goes on at the step that failed', () => {
    const project = host.project(who, container(counted('one', 'echo 1 > /data/a'), counted('two', 'cat /work/there')));
    expect(project.vagga(['_build', 'c']).status).toBe(121);
    expect(runs(project)).toEqual(['one', 'two']);
    // For a look, the root is as the failed step has left it.
    const [left = ''] = readdirSync(project.file('.vagga/.roots')).filter((name) => !name.endsWith('.lock'));
    expect(readFileSync(project.file(`.vagga/.roots/${left}/root/data/a`), 'utf8')).toBe('1\n');
    writeFileSync(project.file('there'), '');
    build(project);
    expect(runs(project)).toEqual(['two']);
  });

  it('has the files of kept steps in one place of the disk, with owners, modes and times', () => {
    const script = 'echo x > /data/x; chown 5:6 /data/x; chmod 4750 /data/x; mkdir /data/d; chmod 1700 /data/d';
    const project = host.project(who, container(counted('one', script), counted('two')));
    build(project);
    const first = lstatSync(project.file('.vagga/c/data/x'));
    configure(project, container(counted('one', script), counted('three')));
    build(project);
    const second = lstatSync(project.file('.vagga/c/data/x'));
    expect([second.ino, second.mode & 0o7777]).toEqual([first.ino, 0o4750]);
    expect(second.uid).not.toBe(statSync(project.folder).uid);
    expect(mode(project.file('.vagga/c/data/d'))).toBe(0o1700);
  });
});

describe.skipIf(noRootless)('a step', () => {
  it('has what earlier ones left for it, though they were not run again', () => {
    const steps = [
      '- !Env { COLOUR: blue }',
      '- !CacheDirs { /var/things: things }',
      '- !Remove /data/one',
      counted('one', 'echo x > /var/things/kept; touch /data/one'),
    ];
    const project = host.project('user', container(...steps));
    build(project);
    configure(project, container(...steps, counted('two', 'echo $COLOUR $(cat /var/things/kept) > /data/seen')));
    build(project);
    expect(runs(project)).toEqual(['one', 'two']);
    expect(read(project, 'data/seen')).toBe('blue x\n');
    expect(existsSync(project.file('.vagga/c/data/one'))).toBe(false);
    expect(readdirSync(project.file('.vagga/c/var/things'))).toEqual([]);
    expect(read(project, 'etc/resolv.conf')).toBe('');
  });

  it('is run again when a file that it takes has changed, with all that stand behind it', () => {
    const steps = [counted('one'), '- !Depends list', counted('two'), '- !Copy { source: /work/src, path: /data/src }'];
    const project = host.project('user', container(...steps, counted('three')), { list: 'a', 'src/f': 'a' });
    build(project);
    runs(project);
    writeFileSync(project.file('src/f'), 'b');
    build(project);
    expect(runs(project)).toEqual(['three']);
    expect(read(project, 'data/src/f')).toBe('b');
    writeFileSync(project.file('list'), 'b');
    build(project);
    expect(runs(project)).toEqual(['two', 'three']);
  });

  it('that unpacks an archive of the project knows it by its content', () => {
    const pack = (text: string): void => {
      writeFileSync(project.file('hello'), text);
      spawnSync('tar', ['-C', project.folder, '-czf', project.file('more.tar.gz'), 'hello']);
    };
    const steps = ['- !Tar { url: ./more.tar.gz, path: /data }', counted('one')];
    const project = host.project('user', container(...steps));
    pack('old');
    build(project);
    runs(project);
    pack('new');
    // The version does not count the archive: something else has to change.
    configure(project, container(...steps, counted('two')));
    build(project);
    expect([read(project, 'data/hello'), runs(project)]).toEqual(['new', ['one', 'two']]);
  });

  it('that takes a branch of git is run again when that has moved, not otherwise', () => {
    const steps = ['- !Git { url: ./repository, path: /data/git }', counted('one')];
    const project = host.project('user', container(...steps));
    const commit = (text: string): void => {
      const repository = project.file('repository');
      writeFileSync(join(repository, 'file'), text);
      const who = ['-c', 'user.name=x', '-c', 'user.email=x@example.org', '-c', 'safe.directory=*'];
      for (const words of [
        ['add', 'file'],
        [...who, 'commit', '-qm', text],
      ]) {
        expect(spawnSync('git', ['-c', 'safe.directory=*', '-C', repository, ...words]).status).toBe(0);
      }
    };
    mkdirSync(project.file('repository'));
    spawnSync('git', ['init', '-q', project.file('repository')]);
    commit('old');
    build(project);
    runs(project);
    configure(project, container(...steps, counted('two')));
    build(project);
    expect(runs(project)).toEqual(['two']);
    commit('new');
    configure(project, container(...steps, counted('three')));
    build(project);
    expect([read(project, 'data/git/file'), runs(project)]).toEqual(['new', ['one', 'three']]);
  });

  it('is run again by --force, and what it then makes is what others find', () => {
    const random = counted('one', 'cat /proc/sys/kernel/random/uuid > /data/id');
    const project = host.project('user', container(random));
    build(project);
    const before = read(project, 'data/id');
    build(project, ['--force', 'c']);
    const forced = read(project, 'data/id');
    expect(forced).not.toBe(before);
    configure(project, container(random, counted('two')));
    build(project);
    expect([read(project, 'data/id'), runs(project)]).toEqual([forced, ['one', 'one', 'two']]);
  });

  it('is run again where somebody has written into what it made', () => {
    const steps = [counted('one', 'echo good > /data/x')];
    const project = host.project('user', container(...steps));
    build(project);
    appendFileSync(project.file('.vagga/c/data/x'), 'bad\n');
    configure(project, container(...steps, counted('two')));
    expect(build(project)).toContain('WARNING: somebody has written into what !Sh has made: it is run again');
    expect([read(project, 'data/x'), runs(project)]).toEqual(['good\n', ['one', 'one', 'two']]);
  });

  it('keeps nothing for others where a file was changed while it was built', () => {
    const steps = ['- !Copy { source: /work/src, path: /data/src }', counted('one', 'echo b > /work/src/f')];
    const project = host.project('user', container(...steps), { 'src/f': 'a\n' });
    expect(build(project)).toContain('WARNING: files that c depends on have changed while it was built');
    expect(layersOf(project, 'keys')).toHaveLength(1); // of the archive below: nothing of that has changed
  });
});

describe.skipIf(noRootless)('what steps have made', () => {
  it('is shared by projects that share a cache', () => {
    const [one, two] = [0, 1].map(() => host.project('user', container(counted('one', 'echo x > /data/x')))) as [
      Project,
      Project,
    ];
    mkdirSync(one.file('.vagga/.cache'), { recursive: true });
    mkdirSync(two.file('.vagga'));
    symlinkSync(one.file('.vagga/.cache'), two.file('.vagga/.cache'));
    for (const project of [one, two]) spawnSync('chown', ['-R', `${host.uid}:${host.gid}`, project.folder]);
    build(one);
    build(two);
    expect([runs(one), runs(two)]).toEqual([['one'], []]);
    const inode = (project: Project): number => statSync(project.file('.vagga/c/data/x')).ino;
    expect(inode(two)).toBe(inode(one));
  });

  const heirs = `${container(counted('one', 'echo x > /data/x; echo y > /data/y'))}
  heir:
    setup:
    - !Container c
    - !Sh "echo more >> /data/x; rm /data/y; echo z > /data/z"
`;

  it('is what a container that stands on another stands on: nothing is copied, nothing written through', () => {
    const project = host.project('user', heirs);
    build(project, ['heir']);
    const at = (name: string, path: string): string => project.file(`.vagga/${name}/${path}`);
    expect(statSync(at('heir', 'bin/busybox')).ino).toBe(statSync(at('c', 'bin/busybox')).ino);
    expect(readFileSync(at('heir', 'data/x'), 'utf8')).toBe('x\nmore\n');
    expect(readFileSync(at('c', 'data/x'), 'utf8')).toBe('x\n');
    expect([existsSync(at('heir', 'data/y')), existsSync(at('c', 'data/y'))]).toEqual([false, true]);
  });

  it('may be gone: a container is then copied', () => {
    const project = host.project('user', heirs);
    build(project);
    expect(project.vagga(['_clean', '--layers']).status).toBe(0);
    expect([layersOf(project, 'kept'), layersOf(project, 'keys')]).toEqual([[], []]);
    build(project, ['heir']);
    expect(readFileSync(project.file('.vagga/heir/data/x'), 'utf8')).toBe('x\nmore\n');
    expect(runs(project)).toEqual(['one']);
  });

  it('is removed by age and by size, the least recently used first; builds stay as they are', () => {
    const big = 'head -c 3000000 /dev/zero > /data/big';
    const project = host.project('user', container(counted('one', big)));
    build(project);
    const old = layersOf(project, 'kept');
    for (const name of old) utimesSync(project.file(`.vagga/.cache/layers/kept/${name}/layer`), 1000, 1000);
    const other = container(counted('two', big)).replace('root.tar.gz', 'other.tar.gz');
    spawnSync('cp', [project.file('root.tar.gz'), project.file('other.tar.gz')]);
    configure(project, `${other}    - !Text { /etc/x: x }\n`);
    // Both archives are the same: the younger build has used that of the older.
    build(project);
    const dry = project.vagga(['_clean', '--layers', '--at-least', '1day', '--dry-run']);
    expect(dry.stdout.match(/Would remove/g)).toHaveLength(old.length);
    const stay = layersOf(project, 'kept').length - old.length;
    expect(project.vagga(['_clean', '--layers', '--at-least', '1day']).stderr).toContain(`what ${old.length} steps`);
    expect(layersOf(project, 'kept')).toHaveLength(stay);
    expect(project.vagga(['_clean', '--layers-over', '1Gi']).status).toBe(0);
    expect(layersOf(project, 'kept')).toHaveLength(stay);
    expect(project.vagga(['_clean', '--layers-over', '1k']).status).toBe(0);
    expect(layersOf(project, 'kept')).toEqual([]);
    expect(statSync(project.file('.vagga/c/data/big')).size).toBe(3_000_000);
    expect(project.vagga(['_clean', '--layers-over', 'much']).status).toBe(122);
  });

  it('is removed after each build as settings say', () => {
    const project = host.project('user', container(counted('one')));
    const env = { VAGGA_SETTINGS: 'layers-max-size: 1' };
    expect(project.vagga(['_build', 'c'], { env }).status).toBe(0);
    expect(layersOf(project, 'kept')).toEqual([]);
  });

  it('is not kept where a setting says so', () => {
    const project = host.project('user', container(counted('one')), {
      '.vagga.settings.yaml': 'build-layers: false\n',
    });
    build(project);
    expect(existsSync(project.file('.vagga/.cache/layers'))).toBe(false);
    expect(existsSync(project.file('.vagga/c/bin/busybox'))).toBe(true);
  });
});

describe.skipIf(noRootless)('a file system that takes no overlays', () => {
  it('gets roots all the same', () => {
    const project = host.project('root', container(counted('one', 'echo x > /data/x')));
    // An overlay’s upper folder may not be one of an overlay itself.
    const script = `cd "$0" && mkdir -p .vagga/.cache low up work && mount -t overlay -o lowerdir=low,upperdir=up,workdir=work overlay .vagga/.cache && exec "$@"`;
    const words = ['--mount', 'sh', '-c', script, project.folder, ...project.words(['_build', 'c'])];
    const { status, stderr } = spawnSync('unshare', words, {
      ...{ cwd: project.folder, encoding: 'utf8' },
      env: { PATH: process.env.PATH ?? '', HOME: project.folder },
    });
    expect(`${status}\n${status === 0 ? '' : stderr}`).toBe('0\n');
    expect(read(project, 'data/x')).toBe('x\n');
    expect(readdirSync(project.file('up/layers/kept'))).toEqual([]);
  });
});

describe.skipIf(noRootless)('builds that are killed while others build and collect', () => {
  it('leave nothing that is taken for whole, and nothing at all in the end', async () => {
    const steps = ['a', 'b', 'c', 'd'].map(
      (name) =>
        `- !Sh "for i in $(seq 60); do echo ${name}$i > /data/${name}$i; done; mkdir /data/${name}; mv /data/${name}[1-9] /data/${name}; touch /data/${name}/whole"`,
    );
    const yaml = (name: string): string => container(...steps, `- !Sh "echo ${name} > /data/name; touch /data/whole"`);
    const project = host.project('user', yaml('0'));
    const ended = (child: ReturnType<typeof spawn>): Promise<unknown> =>
      new Promise((resolve) => {
        child.stdout?.resume();
        child.stderr?.resume();
        child.on('close', resolve);
      });
    for (let round = 0; round < kills; round += 1) {
      configure(project, yaml(String(round % 3)));
      const children = [
        project.start(['_build', '--force', 'c']),
        project.start(['_clean', '--layers']),
        project.start(['_build', 'c']),
      ];
      const all = children.map(ended);
      await sleep(Math.random() * 2000);
      for (const child of children) if (Math.random() < 0.8) child.kill('SIGKILL');
      await Promise.all(all);
      await until('what was killed to be gone', () => host.processes() === '');
    }
    for (const name of ['0', '1', 'last']) {
      configure(project, yaml(name));
      build(project);
      expect(read(project, 'data/name')).toBe(`${name}\n`);
      for (const step of ['a', 'b', 'c', 'd']) {
        expect(readdirSync(project.file(`.vagga/c/data/${step}`))).toHaveLength(10);
        expect(read(project, `data/${step}60`)).toBe(`${step}60\n`);
      }
      expect(existsSync(project.file('.vagga/c/data/whole'))).toBe(true);
    }
    expect([layersOf(project, 'building'), layersOf(project, 'trash')]).toEqual([[], []]);
    expect(project.vagga(['_clean', '--layers']).status).toBe(0);
    expect([layersOf(project, 'kept'), layersOf(project, 'keys'), layersOf(project, 'trash')]).toEqual([[], [], []]);
  });
});

describe.skipIf(noRootless).each(['user', 'root'] as const)('a process of %s that may write', (who: Who) => {
  const yaml = `${container('- !Sh "echo x > /data/x; chown 5:6 /data/x; mkdir /db; echo 1 > /db/a; chown 7:8 /db /db/a; chmod 750 /db; head -c 2000000 /dev/zero > /db/big"')}
    volumes: { /db: !Snapshot { size: 1M } }
commands:
  write: !Command
    container: c
    write-mode: transient-hard-link-copy
    run: 'echo changed > /data/x; chmod 600 /bin/busybox; rm /data/one; touch /new; stat -c "%u %g %s" /data/x'
  snapshot: !Command
    container: c
    run: 'stat -c "%u %g %a" /db /db/a; echo 2 > /db/a; cat /db/a; head -c 3000000 /dev/zero > /db/more || echo full'
`;
  let project: Project;
  beforeAll(() => {
    project = host.project(who, yaml);
    build(project);
  });
  const untouched = (): void => {
    expect([read(project, 'data/x'), read(project, 'data/one'), read(project, 'db/a')]).toEqual([
      'x\n',
      'one\n',
      '1\n',
    ]);
    expect(mode(project.file('.vagga/c/bin/busybox'))).toBe(0o755);
    expect(existsSync(project.file('.vagga/c/new'))).toBe(false);
    expect(readdirSync(project.file('.vagga/.transient'))).toEqual([]);
  };

  it('changes files, modes and names of its own root, and never the image', () => {
    const { status, stdout } = project.vagga(['write']);
    expect([status, stdout]).toEqual([0, '5 6 8\n']);
    untouched();
    const run = project.vagga(['_run', '-W', 'c', 'sh', '-c', 'echo other > /data/x; cat /data/x']);
    expect([run.status, run.stdout]).toEqual([0, 'other\n']);
    untouched();
  });

  it('has a snapshot with its owners and modes, larger than its size if need be, which limits what is written', () => {
    const { stdout } = project.vagga(['snapshot']);
    expect(stdout).toBe('7 8 750\n7 8 644\n2\nfull\n');
    expect([read(project, 'db/a'), statSync(project.file('.vagga/c/db/big')).size]).toEqual(['1\n', 2_000_000]);
  });
});

it.skipIf(noRootless)('a container of one id may be written to too', () => {
  const project = host.project('user', container(counted('one')));
  const options = { subuid: '/dev/null', subgid: '/dev/null' };
  chmodSync(realpathSync(project.folder), 0o755);
  const { status, stdout, stderr } = project.vagga(
    ['_run', '-W', 'c', 'sh', '-c', 'echo y > /data/one; cat /data/one'],
    options,
  );
  expect([status, stdout, status === 0 ? '' : stderr]).toEqual([0, 'y\n', '']);
  expect(read(project, 'data/one')).toBe('one\n');
});
