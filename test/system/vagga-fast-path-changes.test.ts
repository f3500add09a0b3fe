import { chmodSync, chownSync, existsSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, vaggaHost } from './vagga/host.ts';

const missing = missingForRootless();
const noFastPath = skipped(missing === null, 'the fast path under random changes', missing ?? '');
/** Many: VAGGA_FAST_PATH_CHANGES=100 npx vitest run --project system test/system/vagga-fast-path-changes.test.ts */
const changes = Number(process.env.VAGGA_FAST_PATH_CHANGES ?? 5);
/** Younger files are not trusted. */
const untilOldMs = 2_200;

const command = (words: string): string => `!Command { container: c, run: '${words}; cat /built; echo "$A $B"; pwd' }`;
const yaml = `
containers:
  c:
    setup:
    - !Tar { url: ./root.tar.gz }
    - !Depends file
    - !Copy { source: /work/folder, path: /copy }
    - !Sh "cat /work/file > /built; ls /copy >> /built"
    environ: { A: container }
commands: { show: ${command('echo main')} }
`;

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noFastPath) host = await vaggaHost();
});
afterAll(() => host?.remove());

type Change = (project: Project, text: string) => void;

const write = (project: Project, path: string, text: string): void => {
  writeFileSync(project.file(path), text);
  chownSync(project.file(path), host.uid, host.gid);
};
/** There with this text, or, the next time, gone. */
const comesOrGoes =
  (path: string, content: (text: string) => string): Change =>
  (project, text) =>
    existsSync(project.file(path)) ? rmSync(project.file(path)) : write(project, path, content(text));

const all: Readonly<Record<string, Change>> = {
  nothing: () => undefined,
  content: (project, text) => write(project, 'file', `${text}\n`),
  'content, its time set back': (project, text) => {
    write(project, 'file', `${text}\n`);
    utimesSync(project.file('file'), 1, 1);
  },
  replaced: (project, text) => {
    write(project, 'other', `${text}\n`);
    renameSync(project.file('other'), project.file('file'));
  },
  mode: (project, text) => chmodSync(project.file('file'), text === 'a' ? 0o755 : 0o644),
  'a file of a folder': comesOrGoes('folder/b', (text) => text),
  'a file that does not count': comesOrGoes('unrelated', (text) => text),
  'a mixin': comesOrGoes('vagga.local.yaml', () => 'commands: { other: !Command { container: c, run: "true" } }'),
  settings: comesOrGoes('.vagga.settings.yaml', (text) => `environ: { B: ${text} }`),
  'vagga.yaml': (project, text) => write(project, 'vagga.yaml', yaml.replace('echo main', `echo ${text}`)),
  'a link': (project) => rmSync(project.file('.vagga/c'), { force: true }),
};

describe.skipIf(noFastPath)('under random changes the fast path', () => {
  it(`does what Node does, ${changes} times`, { timeout: 120_000 + changes * 20_000 }, async () => {
    const project = host.project('user', yaml, { file: 'a\n', 'folder/a': '' });
    const one = fc.record({
      change: fc.constantFrom(...Object.keys(all)),
      text: fc.constantFrom('a', 'b'),
      still: fc.boolean(),
      env: fc.constantFrom({}, { VAGGAENV_B: 'x' }, { VAGGA_SETTINGS: 'environ: { A: setting }' }),
      inFolder: fc.boolean(),
    });
    const seed = Number(process.env.VAGGA_FAST_PATH_SEED ?? Date.now() % 2 ** 31);
    let taken = 0;
    for (const { change, text, still, env, inFolder } of fc.sample(one, { numRuns: changes, seed })) {
      all[change]?.(project, text);
      const options = { cwd: inFolder ? project.file('folder') : project.folder };
      const run = (more: Readonly<Record<string, string>>) =>
        project.installed(['show'], { ...options, env: { ...env, ...more } });
      if (still) await sleep(untilOldMs);
      // The second finds what the first has written, if it has.
      const ways = [
        run({ VAGGA_DEBUG_FAST_PATH: '1' }),
        run({ VAGGA_DEBUG_FAST_PATH: '1' }),
        run({ VAGGA_NO_FAST_PATH: '1', VAGGA_NO_KEPT_CONFIG: '1' }),
      ];
      const [first, second, alone] = ways.map(({ status, stdout }) => ({ status, stdout }));
      expect({ first, second }, `seed ${seed}: ${change} ${text}`).toEqual({ first: alone, second: alone });
      taken += ways.filter(({ stderr }) => stderr.includes('fast path: taken')).length;
    }
    if (changes >= 50) expect(taken).toBeGreaterThan(changes / 5);
  });
});
