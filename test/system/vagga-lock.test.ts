import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, type Project, vaggaHost, type Who } from './vagga/host.ts';
import { makeLayout, missingForImages, run, type Served, serveFolder } from './vagga/images.ts';

const missing = missingForRootless() ?? missingForImages();
const noLocks = skipped(missing === null, 'locks of vagga', missing ?? '');
const everybody: readonly Who[] = ['user', 'root'];

let host: Awaited<ReturnType<typeof vaggaHost>>;
beforeAll(async () => {
  if (!noLocks) host = await vaggaHost();
});
afterAll(() => host?.remove());

describe.skipIf(noLocks)('_lock', () => {
  let dir = '';
  let web: Served;
  let project: Project;
  const git = (...words: readonly string[]): string =>
    run('git', '-C', join(dir, 'repository'), '-c', 'user.name=t', '-c', 'user.email=t@t', ...words).trim();
  const commit = (text: string): string => {
    writeFileSync(join(dir, 'repository/file'), text);
    git('add', 'file');
    git('commit', '-q', '-m', text);
    return git('rev-parse', 'HEAD');
  };
  const vagga = (...words: readonly string[]): string => {
    const { status, stdout, stderr } = project.vagga(words);
    return `${status} ${stdout}${status === 0 ? '' : stderr}`;
  };
  const lock = (): string => readFileSync(project.file('vagga.lock'), 'utf8');
  const built = (path: string): string => readFileSync(project.file(`.vagga/all/${path}`), 'utf8');

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'vagga-lock-'));
    run('git', 'init', '-q', '-b', 'main', join(dir, 'repository'));
    commit('one');
    git('tag', '-a', '-m', 'first', 'v1');
    commit('two');
    git('update-server-info');
    writeFileSync(join(dir, 'data'), 'first\n');
    run('chmod', '-R', 'a+rX', dir);
    web = await serveFolder(dir);
    start('user');
  });
  const start = (who: Who): void => {
    project = host.project(
      who,
      `
containers:
  all:
    setup:
    - !Tar { url: ./root.tar.gz }
    - !Download { url: "http://${web.host}/data", path: /data/fetched }
    - !Git { url: "http://${web.host}/repository/.git", path: /head }
    - !Git { url: "http://${web.host}/repository/.git", path: /tag, revision: v1 }
  heir:
    setup:
    - !Container all
    - !Sh 'cp /data/fetched /data/inherited'
  other:
    setup:
    - !Download { url: "http://${web.host}/repository/file", path: /data/other }
`,
    );
  };
  afterEach(() => {
    web?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it.each(everybody)(
    'of %s writes what was fetched, and builds are made of that, whatever the sources have now',
    (who) => {
      start(who);
      const head = git('rev-parse', 'HEAD');
      expect(vagga('_lock', 'heir')).toMatch(/^0 locked/);
      expect(lock().split('\n').slice(1)).toEqual([
        'format: 1',
        'downloads:',
        `- { url: "http://${web.host}/data", sha256: "${run('sha256sum', join(dir, 'data')).slice(0, 64)}", size: 6 }`,
        'git:',
        `- { url: "http://${web.host}/repository/.git", reference: "HEAD", commit: "${head}" }`,
        `- { url: "http://${web.host}/repository/.git", reference: "v1", commit: "${git('rev-parse', 'v1^{}')}" }`,
        '',
      ]);
      commit('three');
      git('tag', '-f', 'v1');
      git('update-server-info');
      expect(vagga('_build', 'heir')).toBe('0 ');
      expect([built('data/fetched'), built('head/file'), built('tag/file')]).toEqual(['first\n', 'two', 'one']);
      // The rest is added without a look at what is locked.
      expect(vagga('_lock')).toMatch(/^0 locked http:\S+\/repository\/file: sha256:[0-9a-f]{64}\n$/);
      expect(lock()).toContain(`commit: "${head}"`);
      expect(vagga('_lock')).toBe('0 ');
    },
  );

  it('lets no build take anything else, and says how to get it', () => {
    expect(vagga('_lock')).toMatch(/^0 /);
    const [before = '', now = ''] = ['first\n', 'second\n'].map((text) => {
      writeFileSync(join(dir, 'data'), text);
      return run('sha256sum', join(dir, 'data')).slice(0, 64);
    });
    rmSync(project.file('.vagga'), { recursive: true, force: true });
    const refused = vagga('_build', 'all');
    expect(refused).toMatch(/^121 /);
    expect(refused).toContain(
      `Hashsum mismatch: http://${web.host}/data: expected ${before}, got ${now}; vagga.lock pins it`,
    );
    expect(refused).toContain('"vagga _lock --update" takes what is there now');
    expect(vagga('_lock', '--update', 'all')).toContain(`/data: sha256:${now}, was sha256:${before}`);
    expect(vagga('_build', 'all')).toBe('0 ');
    expect(built('data/fetched')).toBe('second\n');
  });

  it('tells where a commit is gone', () => {
    expect(vagga('_lock')).toMatch(/^0 /);
    const text = lock().replace(/(reference: "HEAD", commit: ")[0-9a-f]{40}/, `$1${'0'.repeat(40)}`);
    writeFileSync(project.file('vagga.lock'), text);
    expect(vagga('_build', 'all')).toMatch(
      /^121 .*step 3 of 4, !Git: commit 0{40} is not in http:\S+; vagga\.lock pins it/s,
    );
  });

  it('is part of the version, and _explain names the entry that changed', () => {
    const [, open = ''] = vagga('_version_hash', 'all').split(' ');
    vagga('_lock');
    const [, locked = ''] = vagga('_version_hash', 'all').split(' ');
    expect(locked).not.toBe(open);
    expect(vagga('_build', 'all')).toBe('0 ');
    expect(vagga('_explain', 'all')).toMatch(/is current/);
    writeFileSync(join(dir, 'data'), 'second\n');
    commit('three');
    git('update-server-info');
    vagga('_lock', '--update');
    const explained = vagga('_explain', 'all').split('\n').slice(1, -1);
    expect(explained).toEqual([
      expect.stringMatching(/^ {2}vagga\.lock, http:\S+\/data: hash is now `[0-9a-f]{64}`, was `[0-9a-f]{64}`$/),
      expect.stringMatching(
        /^ {2}vagga\.lock, http:\S+\/\.git HEAD: revision is now `[0-9a-f]{40}`, was `[0-9a-f]{40}`$/,
      ),
    ]);
  });

  it('takes what a build here has used already, so that nothing changes by being locked', () => {
    expect(vagga('_build', 'all')).toBe('0 ');
    const used = run('sha256sum', join(dir, 'data')).slice(0, 64);
    writeFileSync(join(dir, 'data'), 'second\n');
    expect(vagga('_lock', 'all')).toMatch(/^0 /);
    expect(lock()).toContain(used);
    expect(vagga('_build', 'all')).toBe('0 ');
    expect(built('data/fetched')).toBe('first\n');
  });

  it('--check tells of every disagreement, and changes nothing', () => {
    expect(vagga('_lock', '--check', '--offline')).toMatch(/^1 (http:\S+( \S+)?: not locked\n){4}/);
    expect(existsSync(project.file('vagga.lock'))).toBe(false);
    vagga('_lock');
    expect(vagga('_lock', '--check')).toBe('0 ');
    const before = lock();
    writeFileSync(join(dir, 'data'), 'second\n');
    expect(vagga('_lock', '--check')).toMatch(
      /^1 http:\S+\/data: sha256:[0-9a-f]{64}, was sha256:[0-9a-f]{64}\nvagga\.lock does not agree/,
    );
    expect(vagga('_lock', '--check', '--offline')).toBe('0 ');
    const yaml = readFileSync(project.file('vagga.yaml'), 'utf8');
    writeFileSync(project.file('vagga.yaml'), yaml.slice(0, yaml.indexOf('  other:')));
    expect(vagga('_lock', '--check', '--offline')).toMatch(/^1 http:\S+\/repository\/file: no container fetches it\n/);
    expect(lock()).toBe(before);
    expect(vagga('_lock')).toMatch(/^0 removed http:\S+\/repository\/file: no container fetches it\n$/);
    expect(readdirSync(project.folder).filter((name) => name.includes('lock'))).toEqual(['vagga.lock']);
  });

  it('of wrong words or a damaged file says what is wrong', () => {
    expect(vagga('_lock', 'absent')).toBe('121 vagga: there is no container absent\n');
    expect(vagga('_lock', '--check', '--update')).toMatch(/^122 /);
    expect(vagga('_lock', '--offline')).toMatch(/^122 /);
    writeFileSync(project.file('vagga.lock'), 'format: 1\ndownloads:\n- { url: a, sha256: b, size: 1 }\n');
    const place = `vagga: ${project.file('vagga.lock')}:3:21: downloads[0].sha256: "b"; expected 64 hex digits`;
    expect(vagga('_build', 'all')).toContain(`126 ${place}`);
    expect(vagga('_lock')).toContain(`126 ${place}`);
    writeFileSync(project.file('vagga.lock'), 'format: 1\n');
    web.stop();
    expect(vagga('_lock')).toMatch(/^121 .*vagga: Error downloading http:\S+\/data: .*ECONNREFUSED/s);
  });
});

describe.skipIf(noLocks)('_lock of images', () => {
  it('pins what a tag leads to, and the build takes that digest', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'vagga-lock-'));
    let web: Served | null = null;
    try {
      makeLayout(join(dir, 'layout'), join(dir, 'scratch'));
      run('chmod', '-R', 'a+rX', dir);
      web = await serveFolder(dir);
      const image = `oci:http://${web.host}/layout`;
      const yaml = `containers: { c: { setup: [!OciImage "${image}:v1"] } }`;
      const project = host.project('user', yaml);
      const { stdout } = project.vagga(['_lock']);
      const { Digest: digest } = JSON.parse(run('skopeo', 'inspect', `oci:${dir}/layout:v1`)) as { Digest: string };
      expect(stdout).toBe(`locked ${image}:v1: ${digest}\n`);
      run('umoci', 'tag', '--image', `${dir}/layout:v2`, 'v1');
      const { status, stderr } = project.vagga(['_build', 'c']);
      expect(`${status} ${stderr}`).toMatch(/^0 /);
      expect(existsSync(project.file('.vagga/c/data/hidden'))).toBe(true);
      expect(project.vagga(['_lock', '--check']).status).toBe(1);
      project.vagga(['_lock', '--update']);
      project.vagga(['_build', 'c']);
      expect(existsSync(project.file('.vagga/c/data/hidden'))).toBe(false);
    } finally {
      web?.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
