import { existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Container } from '../config/container.ts';
import { pathInRoot } from './root-path.ts';

/** While a root is built it has the host's name service; the image has it empty, and gets it anew whenever it runs. */
export function hostFiles(root: string, container: Container): void {
  for (const [source, path] of [
    ['/etc/resolv.conf', container.resolvConfPath],
    ['/etc/hosts', container.hostsFilePath],
  ] as const) {
    if (path === null || !existsSync(source)) continue;
    const place = pathInRoot(root, path, false);
    if (!existsSync(dirname(place))) continue;
    // A link leads to where the image's own service would write it.
    if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) rmSync(place, { force: true });
    writeFileSync(place, readFileSync(source), { mode: 0o644 });
  }
}
