import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';
import { missingForRootless, mode, type Project, vaggaHost, type Who } from './vagga/host.ts';
import {
  makeLayout,
  missingForImages,
  missingRegistry,
  run,
  type Served,
  serveFolder,
  serveRegistry,
} from './vagga/images.ts';

const missing = missingForRootless() ?? missingForImages();
const noImages = skipped(missing === null, 'images of vagga', missing ?? '');
const noRegistry = skipped(missingRegistry() === null, 'images out of a registry', missingRegistry() ?? '');
const everybody: readonly Who[] = ['user', 'root'];

let host: Awaited<ReturnType<typeof vaggaHost>>;
let dir = '';
let web: Served;
let registry: Served | null = null;
beforeAll(async () => {
  if (noImages) return;
  dir = mkdtempSync(join(tmpdir(), 'vagga-images-'));
  makeLayout(join(dir, 'layout'), join(dir, 'scratch'));
  run('skopeo', 'copy', '-q', `oci:${dir}/layout:v2`, `oci-archive:${dir}/image.tar:v2`);
  const zstd = ['--dest-compress', '--dest-compress-format', 'zstd'];
  run('skopeo', 'copy', '-q', ...zstd, `oci:${dir}/layout:v2`, `oci:${dir}/zstd:v2`);
  run('chmod', '-R', 'a+rX', dir);
  web = await serveFolder(dir);
  if (!noRegistry) {
    registry = await serveRegistry(join(dir, 'registry'));
    push(`oci:${dir}/layout:v2`, 'team/base:v2');
  }
  host = await vaggaHost();
});
afterAll(() => {
  web?.stop();
  registry?.stop();
  host?.remove();
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
});

function push(from: string, to: string): void {
  run('skopeo', 'copy', '-q', '--dest-tls-verify=false', from, `docker://${registry?.host}/${to}`);
}

function projectWith(who: Who, yaml: string, files: Readonly<Record<string, string>> = {}): Project {
  const project = host.project(who, yaml, files);
  for (const name of ['layout', 'zstd', 'image.tar']) {
    cpSync(join(dir, name), project.file(name), { recursive: true });
  }
  if (who === 'user') run('chown', '-R', `${host.uid}:${host.gid}`, project.folder);
  return project;
}

const ok = ({ status, stdout, stderr }: ReturnType<Project['vagga']>): string => {
  expect(`${status}${status === 0 ? '' : stderr}`).toBe('0');
  return stdout;
};

/** What every form of the image v2 is. */
function expectImage(project: Project, container: string, who: Who): void {
  const image = (path: string): string => project.file(`.vagga/${container}/${path}`);
  expect(readFileSync(image('data/second'), 'utf8')).toBe('second\n');
  expect(existsSync(image('data/hidden'))).toBe(false);
  expect(mode(image('data/setuid'))).toBe(0o4755);
  expect(mode(image('tmp'))).toBe(0o1777);
  expect(statSync(image('data/hard')).ino).toBe(statSync(image('data/owned')).ino);
  for (const folder of ['dev', 'proc', 'sys', 'run', 'work']) expect(lstatSync(image(folder)).isDirectory()).toBe(true);
  const stat = ['stat', '-c', '%u:%g', '/data/owned', '/data/strange'];
  const owners = ok(project.vagga(['_run', container, ...stat])).split('\n');
  expect(owners[0]).toBe('33:44');
  // The user was granted no such id; root has them all.
  if (who === 'user') expect(owners[1]).toBe('0:0');
}

describe.skipIf(noImages).each(everybody)('!OciImage of %s', (who) => {
  it('takes a layout, an archive, layers of zstd, and a layout on a web server', () => {
    const project = projectWith(
      who,
      `
containers:
  folder: { setup: [!OciImage "./layout:v2"] }
  archive: { setup: [!OciImage ./image.tar] }
  zstd: { setup: [!OciImage { image: ./zstd, platform: linux/${process.arch === 'x64' ? 'amd64' : process.arch} }] }
  web: { setup: [!OciImage "oci:http://${web.host}/layout:v2"] }
`,
    );
    for (const name of ['folder', 'archive', 'zstd', 'web']) {
      const { status, stderr } = project.vagga(['_build', name]);
      expect(`${status}${status === 0 ? '' : stderr}`).toBe('0');
      if (who === 'user') expect(stderr).toMatch(/WARNING: image \S+: 1 files belong to root/);
      expectImage(project, name, who);
    }
  });

  it.skipIf(noRegistry)('takes images out of a registry, with their variables, also for heirs', () => {
    const project = projectWith(
      who,
      `
containers:
  base:
    setup:
    - !OciImage "http://${registry?.host}/team/base:v2"
    - !Sh 'echo "$COLOUR $TOOL" > /data/built'
  heir:
    environ: { TOOL: mine }
    setup:
    - !Container base
    - !Sh 'echo "$COLOUR $TOOL" > /data/heir'
commands:
  show: !Command { container: heir, run: 'echo "$COLOUR $TOOL"; cat /data/built /data/heir' }
`,
    );
    expect(ok(project.vagga(['show']))).toBe('blue mine\nblue /opt/tool\nblue /opt/tool\n');
    expectImage(project, 'base', who);
  });
});

describe.skipIf(noImages || noRegistry)('an image', () => {
  it('at a digest needs no network once the cache has it', async () => {
    const { Digest: digest } = JSON.parse(run('skopeo', 'inspect', `oci:${dir}/layout:v2`)) as { Digest: string };
    const own = await serveRegistry(mkdtempSync(join(dir, 'own-')));
    try {
      const to = `docker://${own.host}/a/b:v2`;
      run('skopeo', 'copy', '-q', '--dest-tls-verify=false', `oci:${dir}/layout:v2`, to);
      const project = projectWith(
        'user',
        `containers: { c: { setup: [!OciImage "http://${own.host}/a/b@${digest}"] } }`,
      );
      ok(project.vagga(['_build', 'c']));
      own.stop();
      ok(project.vagga(['_build', '--force', 'c']));
      expectImage(project, 'c', 'user');
    } finally {
      own.stop();
    }
  });
});

describe.skipIf(noImages)('an image that is not to be had', () => {
  const problem = (image: string, files: Readonly<Record<string, string>> = {}): string => {
    const project = projectWith('user', `containers: { c: { setup: [!OciImage ${image}] } }`, files);
    const { status, stderr } = project.vagga(['_build', 'c']);
    return `${status} ${stderr}`;
  };

  it('says what was wrong, and what there is', () => {
    expect(problem('"./layout"')).toMatch(
      /^121 .*2 images for linux\/\w+ in it; expected one: name one of the tags v1, v2/,
    );
    expect(problem('"./layout:v9"')).toMatch(/^121 .*no tag v9 in it; there is v1, v2/);
    // The build might have made it.
    expect(problem('./absent')).toMatch(/^121 .*\.\/absent: no such file or folder/s);
    expect(problem('"oci:layout"')).toMatch(
      /^126 vagga\.yaml:1:\d+: containers\.c\.setup\[0\]: image "oci:layout": expected/,
    );
    expect(problem('{ image: "./layout:v2", platform: linux/riscv64 }')).toMatch(
      /^121 .*it is for linux\/\w+; expected linux\/riscv64/s,
    );
    expect(problem(`"oci:http://${web.host}/none"`)).toMatch(/^121 .*none\/index\.json: status 404/s);
  });

  it('is told where a blob of it is damaged', () => {
    const project = projectWith('user', 'containers: { c: { setup: [!OciImage "./layout:v2"] } }');
    const manifest = JSON.parse(run('skopeo', 'inspect', '--raw', `oci:${dir}/layout:v2`)) as {
      readonly layers: readonly { readonly digest: string }[];
    };
    const blob = project.file(`layout/blobs/sha256/${manifest.layers[1]?.digest.slice('sha256:'.length)}`);
    const bytes = readFileSync(blob);
    bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 0xff;
    writeFileSync(blob, bytes);
    const { status, stderr } = project.vagga(['_build', 'c']);
    expect(`${status} ${stderr}`).toMatch(/^121 .*step 1 of 1, !OciImage: .*(damaged|another digest)/s);
  });
});

describe.skipIf(noImages || noRegistry)('!Devcontainer', () => {
  it('stands on the image that an editor uses, with its variables', () => {
    const file = `// as an editor writes it
{ "image": "http://${registry?.host}/team/base:v2", "containerEnv": { "EDITOR_SAYS": "hello" }, "postCreateCommand": "make", }`;
    const yaml = `
containers: { dev: { setup: [!Devcontainer ] } }
commands: { show: !Command { container: dev, run: 'echo "$COLOUR $EDITOR_SAYS"' } }
`;
    const project = projectWith('user', yaml, { '.devcontainer/devcontainer.json': file });
    const { stdout, stderr } = project.vagga(['show']);
    expect(stdout).toBe('blue hello\n');
    expect(stderr).toContain('WARNING: .devcontainer/devcontainer.json: not done here: postCreateCommand');
  });

  it('that wants a Dockerfile is refused', () => {
    const yaml = 'containers: { dev: { setup: [!Devcontainer dev.json] } }';
    const project = projectWith('user', yaml, { 'dev.json': '{ "build": { "dockerfile": "Dockerfile" } }' });
    const { status, stderr } = project.vagga(['_build', 'dev']);
    expect(`${status} ${stderr}`).toMatch(/^121 .*dev\.json: build: a Dockerfile is not built here; expected an image/);
  });
});

const crunProblem = (): string | null => {
  if (spawnSync('crun', ['--version']).error !== undefined) return 'crun is missing (apt-get install crun)';
  const mounted = spawnSync('unshare', ['-m', 'sh', '-c', unified]);
  return mounted.status === 0 ? null : 'no cgroup2 can be mounted here';
};
/** crun refuses a machine that has both kinds of cgroups: it gets one with one. */
const unified = 'umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup';

describe.skipIf(noImages).each(everybody)('_export --oci of %s', (who) => {
  let project: Project;
  beforeAll(() => {
    project = projectWith(
      who,
      `
containers:
  web:
    environ: { GREETING: hello world }
    setup:
    - !OciImage "./layout:v2"
    - !Sh 'echo "#!/bin/sh" > /data/tool; echo long > "/data/$(echo 123456789{,,,,,,,,,,,,} | { read all; echo "$all$all"; })"'
`,
    );
    ok(project.vagga(['_export', '--oci', 'web', '-o', 'out']));
  });
  const bundle = (name: string): string => project.file(name);

  it('is the same bytes each time, as a folder and as an archive', () => {
    ok(project.vagga(['_export', '--oci', 'web', '-o', 'again']));
    expect(run('diff', '-r', project.file('out'), project.file('again'))).toBe('');
    const first = ok(project.vagga(['_export', 'web']));
    const second = ok(project.vagga(['_export', 'web', '--output', 'second.tar']));
    expect(first).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(second).toBe(first);
    expect(readFileSync(project.file('web.oci.tar')).equals(readFileSync(project.file('second.tar')))).toBe(true);
    expect(readdirSync(project.folder).filter((name) => /^\.[^v]|\.tmp\./.test(name))).toEqual([]);
  });

  it('is an image to skopeo: variables, no command, a fixed time', () => {
    const config = JSON.parse(run('skopeo', 'inspect', '--config', `oci:${project.file('out')}:latest`));
    expect(config).toMatchObject({ created: '1970-01-01T00:00:00Z', os: 'linux' });
    expect(config.config).toEqual({
      Env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'COLOUR=blue',
        'TOOL=/opt/tool',
        'GREETING=hello world',
      ],
    });
    expect(config.history.map((each: { created_by: string }) => each.created_by)).toEqual([
      '!OciImage ./layout:v2',
      expect.stringContaining('!Sh echo'),
      expect.stringMatching(/^vagga _export web \([0-9a-f]{8}\)$/),
    ]);
  });

  it('has the owners of the inside, modes and hard links, as umoci unpacks it', () => {
    run('umoci', 'unpack', '--image', `${project.file('out')}:latest`, bundle('unpacked'));
    const root = join(bundle('unpacked'), 'rootfs');
    expect([statSync(join(root, 'data/owned')).uid, statSync(join(root, 'data/owned')).gid]).toEqual([33, 44]);
    expect(statSync(join(root, 'data/tool')).uid).toBe(0);
    expect(mode(join(root, 'data/setuid'))).toBe(0o4755);
    expect(statSync(join(root, 'data/hard')).ino).toBe(statSync(join(root, 'data/owned')).ino);
    rmSync(bundle('unpacked'), { recursive: true });
  });

  it('takes its time from SOURCE_DATE_EPOCH, and files no newer', () => {
    const env = { SOURCE_DATE_EPOCH: '1000000000' };
    ok(project.vagga(['_export', 'web', '-o', 'dated', '--tag', 'old'], { env }));
    const config = JSON.parse(run('skopeo', 'inspect', '--config', `oci:${project.file('dated')}:old`));
    expect(config.created).toBe('2001-09-09T01:46:40Z');
    const { layers } = JSON.parse(run('skopeo', 'inspect', '--raw', `oci:${project.file('dated')}:old`));
    const blob = project.file(`dated/blobs/sha256/${layers[0].digest.slice('sha256:'.length)}`);
    const listed = run('tar', '--utc', '--full-time', '-tvzf', blob);
    expect(listed).toContain('2001-09-09 01:46:40 ./data/tool');
    expect(listed).not.toMatch(/ 20(?:0[2-9]|[1-9]\d)-\d\d-\d\d \d\d:/);
    const wrong = project.vagga(['_export', 'web', '-o', 'x'], { env: { SOURCE_DATE_EPOCH: 'now' } });
    expect(`${wrong.status} ${wrong.stderr}`).toBe('126 vagga: SOURCE_DATE_EPOCH=now: expected seconds since 1970\n');
  });

  it('goes into a layout beside other tags, and into no folder of other things', () => {
    ok(project.vagga(['_export', 'web', '-o', 'layout', '--tag', 'mine']));
    expect(run('umoci', 'ls', '--layout', project.file('layout')).split('\n').sort()).toEqual(['', 'mine', 'v1', 'v2']);
    const refused = project.vagga(['_export', 'web', '-o', '.']);
    expect(`${refused.status} ${refused.stderr}`).toMatch(/^122 .* holds other things than an OCI layout/);
    expect(project.vagga(['_export', 'web', '--tag', 'a b']).status).toBe(122);
    expect(project.vagga(['_export', 'none']).status).toBe(121);
  });

  it.skipIf(noRegistry)('comes back through a registry as it was', () => {
    push(`oci:${project.file('out')}:latest`, `exported/${who}:1`);
    const other = projectWith(
      who,
      `containers: { back: { setup: [!OciImage "http://${registry?.host}/exported/${who}:1"] } }`,
    );
    ok(other.vagga(['_build', 'back']));
    expect(ok(other.vagga(['_run', 'back', 'sh', '-c', 'echo "$GREETING"; stat -c %u:%g /data/owned']))).toBe(
      'hello world\n33:44\n',
    );
  });

  it.skipIf(skipped(crunProblem() === null, 'exported images run by crun', crunProblem() ?? ''))('runs', () => {
    const folder = mkdtempSync(join(dir, 'crun-'));
    const words = who === 'user' ? ['setpriv', `--reuid=${host.uid}`, `--regid=${host.gid}`, '--clear-groups'] : [];
    if (who === 'user') run('chown', `${host.uid}:${host.gid}`, folder);
    const rootless = who === 'user' ? ['--rootless'] : [];
    const as = ([program = '', ...rest]: readonly string[]): string => run(program, ...rest);
    const image = `${project.file('out')}:latest`;
    as([...words, 'env', `HOME=${folder}`, 'umoci', 'unpack', ...rootless, '--image', image, join(folder, 'b')]);
    const file = join(folder, 'b/config.json');
    const config = JSON.parse(readFileSync(file, 'utf8'));
    const args = ['/bin/sh', '-c', 'id -u; echo "$GREETING"; cat /data/second'];
    writeFileSync(file, JSON.stringify({ ...config, process: { ...config.process, terminal: false, args } }));
    const name = `vagga-export-${process.pid}-${who}`;
    const crun = ['crun', '--cgroup-manager=disabled', '--root', join(folder, 'state'), 'run', '-b', join(folder, 'b')];
    const started = [...words, 'env', `XDG_RUNTIME_DIR=${folder}`, ...crun, name];
    expect(as(['unshare', '-m', 'sh', '-c', `${unified} && exec "$@"`, 'sh', ...started])).toBe(
      '0\nhello world\nsecond\n',
    );
  });
});
