import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';

const yaml = `
containers: { app: {}, apple: {} }
commands:
  hello: !Command { container: app, description: "Say hello: to all", run: [echo] }
  _hidden: !Command { container: app, run: [echo] }
  serve: !Supervise
    children:
      web: !Command { container: app, tags: [svc], run: web }
      worker: !Command { container: app, run: work }
`;

const isThere = (shell: string): boolean => spawnSync('sh', ['-c', `command -v ${shell}`]).status === 0;
const without = (shell: string): boolean =>
  skipped(isThere(shell), `completion of ${shell}`, `${shell} is missing (apt-get install ${shell})`);

let folder: string;
let env: Readonly<Record<string, string>>;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vagga-completion-'));
  mkdirSync(join(folder, 'bin'));
  symlinkSync(join(packageRoot(), 'bin/stellwerk.js'), join(folder, 'bin/vagga'));
  mkdirSync(join(folder, 'project'));
  writeFileSync(join(folder, 'project/vagga.yaml'), yaml);
  writeFileSync(join(folder, 'project/some-file'), '');
  env = {
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    HOME: folder,
    ZDOTDIR: folder,
    TERM: 'vt100',
    LANG: 'C.UTF-8',
  };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (program: string, ...args: readonly string[]) =>
  spawnSync(program, args, { cwd: join(folder, 'project'), env, encoding: 'utf8', timeout: 120_000 });

const cases: readonly (readonly [typed: string, becomes: string])[] = [
  ['vagga hel', 'vagga hello'],
  ['vagga --no-pre', 'vagga --no-prerequisites'],
  ['vagga --env=A=b:c serv', 'vagga --env=A=b:c serve'],
  ['vagga serve --only s', 'vagga serve --only svc'],
  ['vagga _clean --unused-', 'vagga _clean --unused-volumes'],
  ['vagga _version_hash appl', 'vagga _version_hash apple'],
  ['vagga _completion z', 'vagga _completion zsh'],
  // Whatever follows a command may be a file.
  ['vagga hello some-f', 'vagga hello some-file'],
];

/** Types each text and a Tab; throws with what the terminal showed where the line does not become what it should. */
function typeAndTab(words: readonly string[]): void {
  const kill = '\u0015'; // Ctrl-U
  const script = [
    ['expect', 'READY'],
    ...cases.flatMap(([typed, becomes]) => [
      ['type', `${typed}\t`],
      ['expect', becomes],
      ['type', kill],
    ]),
  ];
  const end = spawnSync('python3', [join(import.meta.dirname, 'vagga/terminal.py'), ...words], {
    cwd: join(folder, 'project'),
    env,
    encoding: 'utf8',
    input: JSON.stringify(script),
  });
  expect([end.status, end.stdout + end.stderr]).toEqual([0, expect.anything()]);
}

describe.skipIf(without('bash') || without('python3'))('completion of bash', () => {
  it('completes what is typed at a terminal, and file names where vagga knows nothing', () => {
    writeFileSync(
      join(folder, 'bashrc'),
      "source <(vagga _completion bash)\nPS1='READY '\nbind 'set enable-bracketed-paste off'\n",
    );
    typeAndTab(['bash', '--noprofile', '--rcfile', join(folder, 'bashrc'), '-i']);
  });

  it('offers all that fits', () => {
    const script = `source <(vagga _completion bash); COMP_WORDS=(vagga serve --only w); COMP_CWORD=3
      COMP_LINE='vagga serve --only w'; _vagga; printf '%s\\n' "\${COMPREPLY[@]}"`;
    expect(run('bash', '--norc', '-c', script).stdout).toBe('web\nworker\n');
  });
});

describe.skipIf(without('zsh') || without('python3'))('completion of zsh', () => {
  it('completes what is typed at a terminal, and file names where vagga knows nothing', () => {
    writeFileSync(
      join(folder, '.zshrc'),
      "autoload -U compinit\ncompinit -u -D\nsource <(vagga _completion zsh)\nPS1='READY '\nzle_highlight=(none)\n",
    );
    typeAndTab(['zsh', '-i']);
  });
});

describe.skipIf(without('fish'))('completion of fish', () => {
  const offered = (line: string): readonly string[] => {
    const script = `vagga _completion fish | source; complete -C ${JSON.stringify(line)}`;
    return run('fish', '--no-config', '-c', script)
      .stdout.split('\n')
      .filter((each) => each !== '');
  };

  it('offers words with what they are about, and file names where vagga knows nothing', () => {
    expect(offered('vagga hel')).toEqual(['hello\tSay hello: to all']);
    expect(offered('vagga serve --only s')).toEqual(['svc\ta tag']);
    expect(offered('vagga _clean --unused')).toEqual([
      '--unused\tbuilds that are no current version of a container',
      '--unused-volumes\tpersistent volumes that vagga.yaml does not name',
    ]);
    expect(offered('vagga hello some-f')).toEqual(['some-file']);
    expect(offered('vagga --env=A=b serv')).toEqual(['serve']);
  });
});

describe('vagga _compgen', () => {
  const words = (...args: readonly string[]): readonly string[] =>
    run('vagga', '_compgen', ...args)
      .stdout.split('\n')
      .filter((word) => word !== '');

  it('is what all of them ask: options vanish once said, hidden names come after their first letter', () => {
    expect(words('--', '')).toEqual(expect.arrayContaining(['hello', 'serve', '--no-build', '-E']));
    expect(words('--', '')).not.toContain('_hidden');
    expect(words('--', '_h')).toEqual(expect.arrayContaining(['_hidden', '_help']));
    expect(words('--no-build', '--', '--no-b')).toEqual([]);
    expect(words('-E', 'A=1', '--', '-E')).toEqual(['-E']);
    expect(words('_list', '--all', '--', '-')).not.toEqual(expect.arrayContaining(['-A']));
    expect(words('_build', '--', 'app')).toEqual(['app', 'apple']);
    expect(words('_build', 'app', '--', 'app')).toEqual([]);
    expect(words('_clean', '--at-least', '--', '')).toEqual([]);
    expect(words('serve', '--only', 'web', '--', 'w')).toEqual(['worker']);
  });

  it('is asked where there is no project too, and of shells that are not known', () => {
    const at = { cwd: '/', env, encoding: 'utf8' } as const;
    expect(spawnSync('vagga', ['_completion', 'bash'], at)).toMatchObject({ status: 0, stderr: '' });
    expect(spawnSync('vagga', ['_completion', 'tcsh'], at)).toMatchObject({
      status: 122,
      stderr: expect.stringContaining('bash, zsh, fish'),
    });
  });
});
