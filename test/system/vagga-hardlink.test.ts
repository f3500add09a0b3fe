import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, vaggaHost, type Who } from './vagga/host.ts';

const missing = missingForRootless();
const noRootless = skipped(missing === null, 'hard links of vagga', missing ?? '');

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noRootless) host = await vaggaHost();
});
afterAll(() => host?.remove());

const yaml = `
containers:
  hello: { setup: [ !Text { /etc/hello.txt: "Hello world!" } ] }
  both: { setup: [ !Text { /etc/hello.txt: "Hello world!", /etc/bye.txt: "Good bye!" } ] }
  other: { setup: [ !EnsureDir /etc/x, !Text { /etc/hello.txt: "Hello world!", /etc/x/bye.txt: "Good bye!" } ] }
`;
const built = (project: Project, names: readonly string[], settings = ''): string => {
  let said = '';
  for (const name of names) {
    const { status, stderr } = project.vagga(['_build', name], { env: { VAGGA_SETTINGS: settings } });
    expect(`${status}\n${status === 0 ? '' : stderr}`).toBe('0\n');
    said = stderr;
  }
  return said;
};
const inode = (project: Project, name: string): number => statSync(project.file(`.vagga/${name}/etc/hello.txt`)).ino;

describe.skipIf(noRootless).each(['user', 'root'] as const)('for %s', (who: Who) => {
  it('_hardlink makes files that are the same one, and counts them', () => {
    const project = host.project(who, yaml);
    built(project, ['hello', 'both', 'other']);
    expect(inode(project, 'both')).not.toBe(inode(project, 'hello'));
    const linked = project.vagga(['_hardlink']);
    expect([linked.status, linked.stderr]).toEqual([0, 'Found and linked 2 (24B) identical files\n']);
    expect([inode(project, 'both'), inode(project, 'other')]).toEqual([
      inode(project, 'hello'),
      inode(project, 'hello'),
    ]);
    expect(project.vagga(['_hardlink']).stderr).toBe('Found and linked 0 (0B) identical files\n');
    expect(project.vagga(['_verify', 'both']).stdout).toBe('Ok\n');
  });

  it('settings have it done with each build', () => {
    const project = host.project(who, yaml);
    const settings = 'hard-link-identical-files: true\nindex-all-images: true\n';
    built(project, ['hello'], settings);
    expect(built(project, ['both'], settings)).toContain('Found and linked 1 (12B) identical files');
    expect(inode(project, 'both')).toBe(inode(project, 'hello'));
  });

  it('_verify tells what is missing, extra and corrupted, and a forced build mends it', () => {
    const project = host.project(who, yaml);
    const settings = 'index-all-images: true';
    built(project, ['hello'], settings);
    const verify = () => project.vagga(['_verify', 'hello']);
    expect([verify().status, verify().stdout]).toEqual([0, 'Ok\n']);
    appendFileSync(project.file('.vagga/hello/etc/hello.txt'), 'edited');
    rmSync(project.file('.vagga/hello/etc/hosts'));
    writeFileSync(project.file('.vagga/hello/etc/new'), '');
    expect([verify().status, verify().stdout]).toEqual([
      1,
      'Container is corrupted\nMissing paths:\n  /etc/hosts\nExtra paths:\n  /etc/new\nCorrupted paths:\n  /etc/hello.txt\n',
    ]);
    const forced = project.vagga(['_build', '--force', 'hello'], { env: { VAGGA_SETTINGS: settings } });
    expect(forced.status).toBe(0);
    expect(verify().stdout).toBe('Ok\n');
    expect(readFileSync(project.file('.vagga/hello/etc/hello.txt'), 'utf8')).toBe('Hello world!');
  });

  it('files of other ids, links and devices count too', () => {
    const project = host.project(
      who,
      `containers:\n  c:\n    setup:\n    - !Tar { url: ./root.tar.gz }\n    - !Sh "echo x > /data/x; chown 5:6 /data/x; chmod 600 /data/x; mkfifo /data/pipe"\n`,
    );
    built(project, ['c'], 'index-all-images: true');
    expect(project.vagga(['_verify', 'c']).stdout).toBe('Ok\n');
    const index = readFileSync(project.file('.vagga/c/../index.ds1'), 'utf8');
    expect(index).toMatch(/^f 0600 5 6 2 [0-9a-f]{64} "\/data\/x"$/m);
    expect(index).toMatch(/^o 010644 0 0 "\/data\/pipe"$/m);
    spawnSync('chmod', ['644', project.file('.vagga/c/data/x')]);
    expect(project.vagga(['_verify', 'c']).stdout).toBe('Container is corrupted\nCorrupted paths:\n  /data/x\n');
  });
});

describe.skipIf(noRootless)('without an index', () => {
  it('_verify says how to get one', () => {
    const project = host.project('user', yaml);
    built(project, ['hello']);
    const { status, stderr } = project.vagga(['_verify', 'hello']);
    expect([status, stderr]).toEqual([121, expect.stringContaining('index-all-images: true')]);
    expect(project.vagga(['_verify', 'nothing']).status).toBe(121);
  });

  it('a damaged one is told, not trusted', () => {
    const project = host.project('user', yaml);
    built(project, ['hello'], 'index-all-images: true');
    const file = project.file('.vagga/hello/../index.ds1');
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20));
    const { status, stderr } = project.vagga(['_verify', 'hello']);
    expect([status, stderr]).toEqual([121, expect.stringContaining('index.ds1: it is damaged')]);
  });
});

it.skipIf(noRootless)('_hardlink --global needs a folder of all projects', () => {
  const project = host.project('user', yaml);
  const { status, stderr } = project.vagga(['_hardlink', '--global']);
  expect([status, stderr]).toEqual([2, 'vagga: _hardlink: --global needs the setting storage-dir\n']);
  expect(existsSync(project.file('.vagga'))).toBe(false);
});
