import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';

let folder: string;
const at = (path: string): string => join(folder, path);
const run = (program: string, cwd = folder): string => {
  const { stdout, stderr } = spawnSync(program, ['a b', ''], { cwd, encoding: 'utf8' });
  return stdout + stderr;
};

/** An installation that has the script itself, and says what was started with which words. */
function install(path: string): void {
  mkdirSync(at(join(path, 'bin')), { recursive: true });
  cpSync(join(packageRoot(), 'bin/vagga'), at(join(path, 'bin/vagga')));
  writeFileSync(at(join(path, 'bin/vagga-node.cjs')), 'console.log("node", JSON.stringify(process.argv.slice(2)));');
}

function buildFastPath(path: string): void {
  mkdirSync(at(join(path, 'build/vagga')), { recursive: true });
  writeFileSync(at(join(path, 'build/vagga/vagga')), '#!/bin/sh\necho "fast [$1] [$2]"\n', { mode: 0o755 });
}

function link(path: string, target: string): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  symlinkSync(target, at(path));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vagga-program-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const node = 'node ["a b",""]\n';
const fast = 'fast [a b] []\n';

describe('bin/vagga', () => {
  it('starts the Node program where the fast path is not built, else the fast path', () => {
    install('own');
    expect(run(at('own/bin/vagga'))).toBe(node);
    buildFastPath('own');
    expect(run(at('own/bin/vagga'))).toBe(fast);
    expect(run('./vagga', at('own/bin'))).toBe(fast);
    expect(run('own/bin/vagga')).toBe(fast);
  });

  it('finds itself behind the link of npm, a link in any folder and a chain of them', () => {
    install('x/node_modules/stellwerk');
    buildFastPath('x/node_modules/stellwerk');
    link('x/node_modules/.bin/vagga', '../stellwerk/bin/vagga');
    link('bin/vagga', at('x/node_modules/.bin/vagga'));
    link('elsewhere/v', '../bin/vagga');
    link('y/node_modules/.bin/vagga', at('x/node_modules/stellwerk/bin/vagga'));
    for (const path of ['x/node_modules/.bin/vagga', 'bin/vagga', 'elsewhere/v', 'y/node_modules/.bin/vagga']) {
      expect(run(at(path)), path).toBe(fast);
    }
    expect(run('node_modules/.bin/vagga', at('x'))).toBe(fast);
  });

  it('starts nothing that only lies beside a link to it', () => {
    install('own');
    link('other/bin/vagga', at('own/bin/vagga'));
    buildFastPath('other');
    expect(run(at('other/bin/vagga'))).toBe(node);
  });

  it('is found where a shell was told its bare name', () => {
    install('own');
    const { stdout } = spawnSync('sh', ['vagga', 'a b', ''], { cwd: at('own/bin'), encoding: 'utf8' });
    expect(stdout).toBe(node);
  });
});
