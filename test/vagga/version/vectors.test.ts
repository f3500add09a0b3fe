import { chownSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { known, makeProject, setup, type TestProject } from './project.ts';

let project: TestProject;
beforeEach(() => {
  project = makeProject();
});
afterEach(() => project.remove());

const alpine = '!Alpine v3.4';

// vagga 4, Test vectors.
describe('the versions of vagga 0.8', () => {
  it.each([
    ['a distribution', 'd304a005', [alpine]],
    ['a cache folder', '2090f8c2', [alpine, '!CacheDirs { /var/cache: var-cache }']],
    [
      'folders that are ensured',
      '998c9d5b',
      [alpine, '!EnsureDir /var/lib/mount_point', '!EnsureDir /var/lib/mount_point/subdir'],
    ],
    ['a text', '0ae0aab6', ['!Text { /etc/hello.txt: Hello world! }']],
    [
      'texts in the order of their paths',
      '84b3175b',
      ['!Text { /etc/hello.txt: Hello world!, /etc/bye.txt: Good bye! }'],
    ],
    ['two steps', 'fb9b6868', ['!EnsureDir /var/lib', '!Text { /var/lib/question.txt: "To be or not to be?" }']],
    ['an archive', 'e66f72fd', ['!Tar { url: ./tmp.tar.gz }']],
    ['an archive with a path', 'f5b7e571', ['!Tar { url: ./tmp.tar.gz, path: /opt }']],
    [
      'a script as another user without network',
      '59a8d2d6',
      [
        alpine,
        '!RunAs { user-id: 1, external-user-id: 0, isolate-network: true, script: "ip link > /var/ip-link-isolated.out\\n" }',
      ],
    ],
  ])('%s', async (_, short, steps) => {
    expect(known(await project.version(setup(...steps))).short).toBe(short);
  });

  it('a copied file', async () => {
    project.write('file', 'data\n', 0o664);
    const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    chownSync(`${project.root}/file`, uid, gid);
    const version = await project.version(setup(alpine, '!Copy { source: /work/file, path: /var/file }'), {
      // Who made it is root inside.
      uidMap: [{ inside: 0, outside: uid, count: 1 }],
      gidMap: [{ inside: 0, outside: gid, count: 1 }],
    });
    expect(known(version).short).toBe('7ad83313');
  });
});
