import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDuration } from '../../src/config/duration.ts';
import { deleteImage, mountsBelow } from '../../src/lithos/clean/unused.ts';
import { skipped } from '../skipped.ts';
import { type CleanHost, daysAgo, makeCleanHost } from './clean-host.ts';

const day = 86_400_000;
const isRoot = process.getuid?.() === 0;

let host: CleanHost;
let dir: string;
beforeEach(() => {
  host = makeCleanHost();
  dir = host.dir;
});
afterEach(() => host.remove());

describe('deleting', () => {
  it('goes on with what an earlier run has left half deleted', async () => {
    host.write('images/.deleting.v0/usr/file', '');
    expect((await host.run({ mode: 'unused' })).out).toEqual(['/images/.deleting.v0', '/images/v1']);
    expect(await host.run()).toEqual({ code: 0, out: ['/images/.deleting.v0', '/images/v1'], err: '' });
    expect(host.left()).toEqual(['v2', 'v3']);
  });

  it('stops at an image that has come into use meanwhile', async () => {
    const { code, out, err } = await host.run({ versionsMax: 0 }, () =>
      host.processes('shop', { web: 'v3', next: 'v2' }),
    );
    expect({ code, out }).toEqual({ code: 2, out: ['/images/v1'] });
    expect(err).toBe('lithos clean: /images/v2: left alone, now used by shop: process next\n');
    host.image('v0');
    host.image('v1');
    const broken = await host.run({}, () => host.write('processes/shop.yaml', '['));
    expect(broken).toMatchObject({ code: 2, out: ['/images/v0'] });
    expect(broken.err).toMatch(/^lithos clean: \/images\/v1: left alone, sandbox shop: \/processes\/shop\.yaml/);
    expect(host.left()).toEqual(['v1', 'v2', 'v3']);
  });

  it('takes the name of the image first, so that no half of it passes for whole', () => {
    host.write('images/.deleting.v1', 'in the way');
    expect(deleteImage(join(dir, 'images/v1'))).toMatch(/cannot be renamed to .*\.deleting\.v1 \(ENOTDIR\)/);
    expect(existsSync(join(dir, 'images/v1/bin/program'))).toBe(true);
  });

  it('removes files whose names are no UTF-8, and leaves images of such names alone', async () => {
    writeFileSync(Buffer.from(`${dir}/images/v1/\xff`, 'latin1'), '');
    mkdirSync(Buffer.from(`${dir}/images/\xfe`, 'latin1'));
    const { code, out, err } = await host.run();
    expect({ code, out }).toEqual({ code: 2, out: ['/images/v1'] });
    expect(err).toMatch(/expected a name in UTF-8/);
  });

  it('leaves an image alone in which something is mounted', async (context) => {
    const target = join(dir, 'images/v1/etc');
    const mounted = isRoot && spawnSync('mount', ['-t', 'tmpfs', 'none', target]).status === 0;
    if (skipped(mounted, 'clean beside mounts', 'it needs root and the right to mount')) context.skip();
    try {
      writeFileSync(join(target, 'file'), '');
      const { code, err } = await host.run();
      expect(code).toBe(2);
      expect(err).toMatch(/\/images\/v1: left alone, \/images\/v1\/etc is mounted/);
      expect(existsSync(join(target, 'file'))).toBe(true);
    } finally {
      spawnSync('umount', [target]);
    }
  });

  it('knows mounts with blanks in their names', () => {
    const mountinfo = '1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / /i/a\\040b/c rw - tmpfs none rw\n';
    expect(mountsBelow(mountinfo, '/i/a b')).toEqual(['/i/a b/c']);
    expect(mountsBelow(mountinfo, '/i/a')).toEqual([]);
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const mount of mountsBelow(text, '/i')) expect(mount.startsWith('/i')).toBe(true);
      }),
    );
  });
});

describe('--clean-logs', () => {
  const rolled = (days: number): string => `shop.log.${daysAgo(days)}`;
  const lineOf = (days: number, used: string): string => `${daysAgo(days)} {"web":{"image":"${used}"}}\n`;

  it('removes rolled logs older than history-days, unless they tell of an image that is kept', async () => {
    host.write(`log/config/${rolled(100)}`, lineOf(120, 'v0'));
    host.write(`log/config/${rolled(50)}`, lineOf(100, 'v1'));
    host.write(`log/config/${rolled(5)}`, lineOf(50, 'v2'));
    host.write('log/config/shop.log', lineOf(5, 'v3'));
    host.write('log/config/notes.txt', '');
    const names = readdirSync(join(dir, 'log/config')).sort();
    expect(names).toHaveLength(5);
    expect((await host.run({ mode: 'used', historyDays: 30, versionsMin: 3, cleanLogs: true })).code).toBe(0);
    expect(readdirSync(join(dir, 'log/config')).sort()).toEqual(names.filter((name) => name !== names[2]));
    expect((await host.run({ mode: 'used', historyDays: 30, cleanLogs: true })).code).toBe(0);
    expect(readdirSync(join(dir, 'log/config'))).toHaveLength(3);
  });

  it('keeps the logs of a sandbox of which too little is known', async () => {
    host.write(`log/config/${rolled(100)}`, 'broken');
    expect((await host.run({ historyDays: 30, cleanLogs: true })).code).toBe(1);
    expect(readdirSync(join(dir, 'log/config'))).toHaveLength(2);
  });

  it('needs history-days', async () => {
    expect(await host.run({ cleanLogs: true })).toMatchObject({
      code: 1,
      out: [],
      err: expect.stringMatching(/--history-days/),
    });
    expect(host.left()).toEqual(['v1', 'v2', 'v3']);
  });
});

describe('any use of images', () => {
  it('never loses one that is current, and deletes no more than it prints as unused', async () => {
    const name = fc.constantFrom('v1', 'v2', 'v3', 'v4');
    const rule = fc.record({
      historyDays: fc.nat(20).map((days) => days + 0.5),
      versionsMin: fc.nat(3),
      versionsMax: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(
        name,
        fc.array(fc.tuple(fc.nat(20), name), { maxLength: 6 }),
        rule,
        async (now, past, limits) => {
          for (const each of ['v1', 'v2', 'v3', 'v4']) {
            rmSync(join(dir, 'images', each), { recursive: true, force: true });
            host.image(each);
          }
          host.processes('shop', { web: now });
          host.log(
            'shop',
            past.sort(([a], [b]) => b - a).map(([days, web]) => [days, { web }]),
          );
          const before = host.left();
          const { out: unused } = await host.run({ ...limits, mode: 'unused' });
          const { out, code } = await host.run(limits);
          expect(out).toEqual(unused);
          expect(code).toBe(past.length === 0 ? 1 : 0);
          expect(host.left()).toEqual(before.filter((each) => !out.includes(`/images/${each}`)));
          expect(host.left()).toContain(now);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a duration', () => {
  it('has days, hours, minutes and seconds', () => {
    expect(parseDuration('7d')).toEqual({ ms: 7 * day });
    expect(parseDuration('12h')).toEqual({ ms: 12 * 3_600_000 });
    expect(parseDuration('30m')).toEqual({ ms: 1_800_000 });
    expect(parseDuration('1d12h5s')).toEqual({ ms: 1.5 * day + 5000 });
  });

  it.each(['', '7', 'd', '-1d', '1h2d', '1.5d', '7 d', '99999999999999d'])('is refused as %j', (text) => {
    expect(parseDuration(text)).toEqual({ problem: expect.any(String) });
  });

  it('is a safe count of ms or a problem, whatever the text', () => {
    const likely = fc
      .array(fc.constantFrom('1', '20', 'd', 'h', 'm', 's', ' ', '9'.repeat(30)))
      .map((all) => all.join(''));
    fc.assert(
      fc.property(fc.oneof(fc.string(), likely), (text) => {
        const duration = parseDuration(text);
        if ('ms' in duration) expect(Number.isSafeInteger(duration.ms) && duration.ms >= 0).toBe(true);
        else expect(duration.problem).not.toBe('');
      }),
    );
  });
});
