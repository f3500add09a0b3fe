import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { vi } from 'vitest';
import { type CleanOptions, clean } from '../../src/lithos/clean/clean.ts';

export interface CleanRun {
  readonly code: number;
  /** Lines of stdout; the host's folder is cut away, here and in `err`. */
  readonly out: readonly string[];
  readonly err: string;
}

/** A host whose sandbox `shop` has the images v1, v2 and v3: unused, used ten days ago until yesterday, and current. */
export interface CleanHost {
  readonly dir: string;
  write(path: string, text: string): void;
  sandbox(name: string, more?: string, imageDir?: string): void;
  /** Images by process names. */
  processes(name: string, images: Readonly<Record<string, string>>, more?: string): void;
  /** Lines of a config log by their age in days. */
  log(name: string, lines: readonly (readonly [number, Readonly<Record<string, string>>])[]): void;
  image(name: string, below?: string): void;
  /** Names of what is in a folder. */
  left(below?: string): readonly string[];
  /** Deletes, unless told otherwise; `printed` is called before each path. */
  run(options?: Partial<CleanOptions>, printed?: () => void): Promise<CleanRun>;
  remove(): void;
}

export function makeCleanHost(): CleanHost {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'stellwerk-clean-')));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  const host: CleanHost = {
    dir,
    write,
    sandbox(name, more = '', imageDir = `${dir}/images`) {
      write(`sandboxes/${name}.yaml`, `image-dir: ${imageDir}\n${more}`);
    },
    processes(name, images, more = '') {
      const entries = Object.entries(images).map(
        ([process, each]) => `${process}: {image: ${each}, config: /c.yaml}\n`,
      );
      write(`processes/${name}.yaml`, `${entries.join('')}${more}` || '{}');
    },
    log(name, lines) {
      const texts = lines.map(([days, images]) => {
        const map = Object.entries(images).map(([process, each]) => [process, { instances: 1, image: each }]);
        return `${daysAgo(days)} ${JSON.stringify(Object.fromEntries(map))}\n`;
      });
      write(`log/config/${name}.log`, texts.join(''));
    },
    image(name, below = 'images') {
      write(`${below}/${name}/bin/program`, name);
      mkdirSync(join(dir, below, name, 'etc'));
      symlinkSync('../bin/program', join(dir, below, name, 'etc/link'));
    },
    left: (below = 'images') => readdirSync(join(dir, below)).sort(),
    async run(options = {}, printed = () => {}) {
      const out: string[] = [];
      const err: string[] = [];
      const spies = [
        vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
          printed();
          return out.push(String(text)) > 0;
        }),
        vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0),
      ];
      const code = await clean({ ...usual, config: join(dir, 'master.yaml'), ...options }).finally(() => {
        for (const spy of spies) spy.mockRestore();
      });
      const text = (said: readonly string[]): string => said.join('').replaceAll(dir, '');
      return { code, out: text(out).split('\n').slice(0, -1), err: text(err) };
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  write('master.yaml', `runtime-dir: ${dir}/run\ndefault-log-dir: ${dir}/log\nconfig-log-dir: ${dir}/log/config\n`);
  host.sandbox('shop');
  host.processes('shop', { web: 'v3' });
  host.log('shop', [
    [10, { web: 'v2' }],
    [1, { web: 'v3' }],
  ]);
  for (const name of ['v1', 'v2', 'v3']) host.image(name);
  return host;
}

const usual = {
  mode: 'delete-unused',
  keepRecentMs: 0,
  historyDays: null,
  versionsMin: 0,
  versionsMax: 1000,
  cleanLogs: false,
  verbose: false,
} as const;

const msPerDay = 86_400_000;

export const daysAgo = (days: number): string => new Date(Date.now() - days * msPerDay).toISOString();
