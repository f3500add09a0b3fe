import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveInView } from '../../src/config/view.ts';
import { loadMaster } from '../../src/lithos/config/master.ts';
import { containerText, type Host, makeHost, processText, sandboxText } from './config-host.ts';

let host: Host;
beforeAll(() => {
  host = makeHost();
});
afterAll(() => host.remove());

/** A good file with something done to it that hands and disks do. */
const damaged = (good: string) => {
  const at = fc.nat({ max: good.length });
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(
        '- ',
        ': ',
        '\n',
        '{',
        '}',
        '[',
        ']',
        '!Tmpfs ',
        '&a ',
        '*a',
        '"',
        '..',
        '/',
        '\0',
        '@{',
        '9999999999',
      )
      .map((text) => Buffer.from(text)),
  );
  return fc
    .array(fc.tuple(at, fc.nat({ max: 12 }), noise), { minLength: 1, maxLength: 4 })
    .map((changes) =>
      changes.reduce(
        (bytes, [start, length, put]) =>
          Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(Math.min(bytes.length, start + length))]),
        Buffer.from(good),
      ),
    );
};

describe('configs with damage', () => {
  const files = () => [
    ['sandboxes/shop.yaml', sandboxText(host.dir)] as const,
    ['processes/shop.yaml', `${processText}  instances: 2\n  variables: {a: b}\n`] as const,
    ['images/app/config/web.yaml', containerText] as const,
  ];

  it('give instances or problems with a place, and a refused sandbox counts as broken', () => {
    for (const [path, good] of files()) {
      fc.assert(
        fc.property(damaged(good), (bytes) => {
          writeFileSync(join(host.dir, path), bytes);
          const { instances, problems, brokenSandboxes } = host.load();
          expect(brokenSandboxes).toEqual(problems.length > 0 ? ['shop'] : []);
          for (const { file, message } of problems) {
            expect(file).not.toBe('');
            expect(message).not.toBe('');
          }
          for (const { planWords, cgroupLeaf } of instances) {
            expect(planWords.join('')).not.toContain('\0');
            expect(cgroupLeaf).not.toContain('/');
          }
        }),
        { numRuns: 400 },
      );
      host.write(path, good);
    }
    expect(host.problems()).toEqual([]);
  });

  it('never make a master config throw', () => {
    const good = `runtime-dir: /run/x\ncgroup-name: x.slice\ncontrol-users: [1]\nlog-level: info\n`;
    fc.assert(
      fc.property(damaged(good), (bytes) => {
        const file = join(host.dir, 'm.yaml');
        writeFileSync(file, bytes);
        const loaded = loadMaster(file);
        if (loaded.kind === 'refused') expect(loaded.problems.length).toBeGreaterThan(0);
        else expect(loaded.master.runtimeDir).toMatch(/^\//);
      }),
      { numRuns: 400 },
    );
  });
});

describe('names of images and configs', () => {
  it('never lead out of their folder', () => {
    const part = fc.constantFrom('..', '.', '', 'app', 'bin', 'usr', 'config', 'web.yaml', 'etc', 'passwd');
    const root = join(host.dir, 'images/app');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const place = resolveInView({ root, mounts: new Map() }, `/${parts.join('/')}`);
        if (place.kind === 'found') expect(`${place.host}/`.startsWith(`${root}/`)).toBe(true);
        expect(place.kind).not.toBe('made');
      }),
    );
  });
});
