import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CapsuleHost, planCapsule } from '../../src/vagga/capsule/mounts.ts';
import { type Capsule, capsuleText, hostMaps, otherIds, ownCapsule } from '../../src/vagga/capsule/own-capsule.ts';
import { settingsText } from '../../src/vagga/capsule/settings-text.ts';
import { defaultSettings, readSettings, type Settings } from '../../src/vagga/settings.ts';

const places = {
  project: '/home/anna/project',
  storage: '/home/anna/project/.vagga',
  cache: '/home/anna/project/.vagga/.cache',
  base: '/home/anna/project/.vagga',
  externalVolumes: new Map([['data', '/srv/data']]),
  node: '/usr/bin/node',
  program: '/opt/stellwerk',
};
const hostWith = (links: Readonly<Record<string, string>>, ...absent: readonly string[]): CapsuleHost => ({
  exists: (path) => !absent.includes(path),
  real: (path) => links[path] ?? path,
  text: () => 'nameserver 10.0.0.1\n',
});
const mountsAt = (plan: ReturnType<typeof planCapsule>, target: string) =>
  plan.mounts('/skeleton').filter((mount) => mount.target === target);

describe('a capsule', () => {
  it('has the programs of the host read-only, where it has them', () => {
    const plan = planCapsule(places, hostWith({ '/bin': '/usr/bin' }, '/gnu', '/nix'));
    expect(mountsAt(plan, '/bin')).toEqual([
      { kind: 'bind', source: '/usr/bin', target: '/bin', readonly: true, exec: true },
    ]);
    expect(plan.folders).toContain('/usr');
    expect(plan.folders).not.toContain('/nix');
    expect(mountsAt(plan, '/home')).toEqual([]);
  });

  it('has the project, its store, and the external volumes to write to', () => {
    const plan = planCapsule(places, hostWith({}));
    for (const [target, source] of [
      ['/work', places.project],
      ['/vagga/base', places.base],
      ['/vagga/cache', places.cache],
      ['/volumes/data', '/srv/data'],
    ]) {
      expect(mountsAt(plan, target ?? '')).toEqual([{ kind: 'bind', source, target, readonly: false, exec: true }]);
    }
  });

  it('has a store outside of the project at its own path too, where links lead to it', () => {
    const plan = planCapsule({ ...places, storage: '/storage/project', cache: '/cache' }, hostWith({}));
    expect(plan.folders).toEqual(expect.arrayContaining(['/storage/project', '/cache']));
    expect(mountsAt(plan, '/storage/project')).toHaveLength(1);
    expect(planCapsule(places, hostWith({})).folders).not.toContain(places.storage);
    const inTmp = planCapsule({ ...places, storage: '/tmp/s/project' }, hostWith({})).mounts('/skeleton');
    const made = inTmp.filter(({ target }) => target.startsWith('/tmp/'));
    expect(made.map(({ kind, target }) => [kind, target])).toEqual([
      ['folder', '/tmp/s'],
      ['folder', '/tmp/s/project'],
      ['bind', '/tmp/s/project'],
    ]);
  });

  it('has a mount point for each mount, made before those within it', () => {
    const plan = planCapsule(places, hostWith({}));
    const known = new Set([
      ...plan.folders,
      ...plan.files.keys(),
      '/dev/pts',
      '/etc/subuid',
      '/etc/subgid',
      '/run/shm',
    ]);
    for (const { target } of plan.mounts('/skeleton')) expect(known).toContain(target);
  });

  it('finds its resolver where the host’s file is a link into /run', () => {
    const linked = planCapsule(places, hostWith({ '/etc/resolv.conf': '/run/systemd/resolve/stub-resolv.conf' }));
    expect(linked.mounts('/skeleton')).toEqual(
      expect.arrayContaining([
        { kind: 'folder', target: '/run/systemd', mode: 0o755 },
        { kind: 'folder', target: '/run/systemd/resolve', mode: 0o755 },
        { kind: 'file', target: '/run/systemd/resolve/stub-resolv.conf', mode: 0o644, text: 'nameserver 10.0.0.1\n' },
      ]),
    );
    expect(
      planCapsule(places, hostWith({}))
        .mounts('/skeleton')
        .filter(({ kind }) => kind === 'file'),
    ).toEqual([]);
  });
});

describe('a vagga in a capsule', () => {
  const capsule: Capsule = {
    uids: [{ first: 0, last: 65_535 }],
    gids: [{ first: 0, last: 65_535 }],
    uidMap: [
      { inside: 0, outside: 1000, count: 1 },
      { inside: 1, outside: 100_000, count: 65_535 },
    ],
    gidMap: [
      { inside: 0, outside: 1000, count: 1 },
      { inside: 1, outside: 100_000, count: 65_535 },
    ],
  };
  const identity = capsule.uidMap.map(({ inside, count }) => ({ inside, outside: inside, count }));

  it('knows of it by its environment alone', () => {
    expect(ownCapsule({})).toBe(null);
    expect(ownCapsule({ _VAGGA_IN_CAPSULE: capsuleText(capsule) })).toEqual(capsule);
  });

  it('keeps builds with the ids of the host, as one outside does', () => {
    const { uidMap, gidMap } = capsule;
    expect(hostMaps({ uidMap: identity, gidMap: identity }, capsule)).toEqual({ uidMap, gidMap });
    expect(hostMaps({ uidMap, gidMap }, null)).toEqual({ uidMap, gidMap });
  });

  it('takes no container of other ids', () => {
    expect(otherIds(capsule.uids, capsule.gids, capsule)).toBe(null);
    expect(otherIds([{ first: 0, last: 9 }], capsule.gids, capsule)).toContain('uids and gids of the capsule');
    expect(otherIds(capsule.uids, [], capsule)).not.toBe(null);
    expect(otherIds([], [], null)).toBe(null);
  });

  it('has the settings of the one outside, with external volumes where they are inside', () => {
    const key = fc.stringMatching(/^[A-Za-z_]\w{0,8}$/);
    const maybeText = fc.option(fc.stringMatching(/^[\w./:-]{1,20}$/));
    const settings: fc.Arbitrary<Settings> = fc.record({
      ...Object.fromEntries(
        Object.entries(defaultSettings)
          .filter(([name]) => name !== 'sharedCache')
          .map(([name, value]) => [name, typeof value === 'boolean' ? fc.boolean() : fc.constant(value)]),
      ),
      storageSubdirFromEnvVar: fc.option(key),
      storageDir: fc.option(fc.constantFrom('/storage', '/s t')),
      ubuntuMirror: maybeText,
      pushImageScript: fc.option(fc.string({ minLength: 1 }).map((text) => `echo ${JSON.stringify(text)}`)),
      propagateEnviron: fc.array(key),
      environ: fc.array(fc.tuple(key, fc.stringMatching(/^[ -~]*$/))).map((entries) => new Map(entries)),
      externalVolumes: fc.array(key).map((names) => new Map(names.map((name) => [name, `/srv/${name}`]))),
      sharedCache: fc.constant(false),
    }) as unknown as fc.Arbitrary<Settings>;
    fc.assert(
      fc.property(settings, (given) => {
        const read = readSettings({ root: '/work', home: null, variable: settingsText(given), read: () => null });
        const inside = new Map([...given.externalVolumes.keys()].map((name) => [name, `/volumes/${name}`]));
        const settled = { externalVolumes: inside, storageSubdirFromEnvVar: null };
        expect(read).toEqual({ kind: 'settings', settings: { ...given, ...settled } });
      }),
    );
  });
});
