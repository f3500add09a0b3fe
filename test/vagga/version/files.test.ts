import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HashCache } from '../../../src/vagga/version/cache.ts';
import { known, makeProject, setup, type TestProject } from './project.ts';

let project: TestProject;
beforeEach(() => {
  project = makeProject();
  project.write('dir/a', 'first');
  project.write('dir/sub/b', 'second');
  project.link('dir/link', 'a');
});
afterEach(() => project.remove());

const hashOf = async (...steps: readonly string[]): Promise<string> =>
  known(await project.version(setup(...steps))).hash;

const copy = '!Copy { source: /work/dir, path: /dir }';
const depends = '!Depends dir';

describe.each([copy, depends])('%s', (step) => {
  it('does not change with what a umask takes from folders and files', async () => {
    const before = await hashOf(step);
    chmodSync(join(project.root, 'dir/sub'), 0o750);
    chmodSync(join(project.root, 'dir/a'), 0o600);
    expect(await hashOf(step)).toBe(before);
  });

  it('changes with content, with the executable bit, with a name and with the target of a link', async () => {
    const seen = [await hashOf(step)];
    project.write('dir/a', 'FIRST');
    seen.push(await hashOf(step));
    chmodSync(join(project.root, 'dir/a'), 0o755);
    seen.push(await hashOf(step));
    project.write('dir/sub/c', '');
    seen.push(await hashOf(step));
    rmSync(join(project.root, 'dir/link'));
    project.link('dir/link', 'sub/b');
    seen.push(await hashOf(step));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('does not change with what is ignored', async () => {
    const before = await hashOf(step);
    project.write('dir/.git/HEAD', 'x');
    project.write('dir/.vagga/big', 'x');
    project.write('dir/a~', 'x');
    expect(await hashOf(step)).toBe(before);
  });

  it('does not look into what a symbolic link points to', async () => {
    project.link('dir/out', '/proc');
    const before = await hashOf(step);
    project.link('dir/sub/loop', '..');
    expect(await hashOf(step)).not.toBe(before);
  });
});

describe('which files go into a version', () => {
  it('rules and a regex that take the same give the same', async () => {
    project.write('dir/x.c', '');
    project.write('dir/sub/y.c', '');
    const regex = await hashOf('!Depends { path: dir, include-regex: "\\\\.c$" }');
    expect(await hashOf('!Depends { path: dir, rules: ["/**/*.c"] }')).toBe(regex);
    expect(await hashOf('!Depends { path: dir, rules: ["/", "!a", "!b", "!link"] }')).toBe(regex);
    expect(await hashOf('!Depends { path: dir, rules: ["/*.c"] }')).not.toBe(regex);
  });

  it('rules that only leave out take the folder alone, and warn', async () => {
    const warnings: string[] = [];
    const options = { warn: (message: string) => warnings.push(message) };
    const before = known(await project.version(setup('!Depends { path: dir, rules: ["!*.o"] }'), options)).hash;
    expect(warnings.join()).toContain("You didn't add any include rules");
    project.write('dir/a', 'changed');
    expect(await hashOf('!Depends { path: dir, rules: ["!*.o"] }')).toBe(before);
  });

  it('what is no file is left out, and a rule that names a folder takes nothing of it: both warn', async () => {
    execFileSync('mkfifo', [join(project.root, 'dir/pipe')]);
    const warnings: string[] = [];
    const warn = (message: string): void => void warnings.push(message);
    const plain = await hashOf('!Depends { path: dir, rules: ["/a"] }');
    const version = await project.version(setup('!Depends { path: dir, rules: ["/a", "/sub", "/pipe"] }'), { warn });
    expect(known(version).hash).toBe(plain);
    expect(warnings).toEqual([
      '/work/dir: pipe is neither file, folder nor symbolic link: left out',
      '/work/dir: a rule names the folder sub, and so takes nothing of it; write /sub/ to take what is in it',
    ]);
  });

  it('an empty folder is there only where a rule names it', async () => {
    const [named, other] = [
      '!Depends { path: dir, rules: ["/empty/"] }',
      '!Depends { path: dir, rules: ["/empty/**"] }',
    ];
    const before = [await hashOf(named), await hashOf(other)];
    mkdirSync(join(project.root, 'dir/empty'));
    expect(await hashOf(named)).not.toBe(before[0]);
    expect(await hashOf(other)).toBe(before[1]);
  });

  it('a source that is not there is not ready', async () => {
    expect(await project.version(setup(copy.replace('/work/dir', '/work/gone')))).toEqual({
      kind: 'not-ready',
      reason: '!Copy: /work/gone does not exist',
    });
  });

  it('the whole project, and one file of it', async () => {
    const seen = [await hashOf('!Depends .'), await hashOf('!Depends /work'), await hashOf('!Depends dir/sub/../a')];
    expect(seen[0]).toBe(seen[1]);
    expect(await hashOf('!Depends ./dir/a')).toBe(seen[2]);
    project.write('dir/sub/b', 'changed');
    expect(await hashOf('!Depends .')).not.toBe(seen[0]);
    expect(await hashOf('!Depends dir/a')).toBe(seen[2]);
  });

  it('outside of the project nothing is depended on', async () => {
    const version = await project.version(setup('!Depends ../x'));
    expect(version).toEqual({ kind: 'failed', reason: '!Depends: ../x lies outside of the project' });
  });

  describe('a tree that is written to while it is read', () => {
    /** Writes between the look at the files and the reading of them, so many times. */
    const writing = (times: number): HashCache => ({
      keep: () => undefined,
      find() {
        if (times-- > 0) project.write('dir/a', 'x'.repeat(times + 10));
        return null;
      },
    });

    it('is read once more', async () => {
      const version = await project.version(setup(depends), { cache: writing(3) });
      expect(known(version).hash).toBe(await hashOf(depends));
    });

    it('is given up after some tries, and the message says which file it was', async () => {
      const version = await project.version(setup(depends), { cache: writing(1000) });
      expect(version).toMatchObject({ kind: 'failed' });
      expect(JSON.stringify(version)).toMatch(/dir\/a: .*it is being written to; tried 4 times/);
    });
  });

  it('a container that does not exist is told', async () => {
    expect(await project.version(setup(depends), {}, 'other')).toEqual({
      kind: 'failed',
      reason: 'container "other" does not exist',
    });
  });

  it('a name that is no UTF-8 is told', async () => {
    const path = Buffer.concat([Buffer.from(`${project.root}/dir/bad`), Buffer.from([0xff])]);
    mkdirSync(path);
    const version = await project.version(setup(copy));
    expect(version).toMatchObject({ kind: 'failed' });
    expect(JSON.stringify(version)).toContain('name is no UTF-8');
  });

  it('a file of one owner in the image gives one hash, whoever has it here', async () => {
    const step = '!Copy { source: /work/dir, path: /dir, owner-uid: 1, owner-gid: 2 }';
    const elsewhere = { uidMap: [{ inside: 7, outside: process.getuid?.() ?? 0, count: 1 }] };
    const here = known(await project.version(setup(step))).hash;
    expect(known(await project.version(setup(step), elsewhere)).hash).toBe(here);
    expect(known(await project.version(setup(copy), elsewhere)).hash).not.toBe(await hashOf(copy));
  });
});
