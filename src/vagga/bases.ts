import { join } from 'node:path';
import type { Container } from './config/container.ts';
import { containerOfStep } from './config/references.ts';
import type { Step } from './config/steps.ts';
import { loadSubConfig } from './version/sub-config.ts';

interface Bases {
  /** Of the project. */
  readonly root: string;
  readonly containers: ReadonlyMap<string, Container>;
  readonly allReady: (names: readonly string[]) => Promise<void>;
  /** Folder of the build of each container that is ready. */
  readonly folders: ReadonlyMap<string, string>;
}

/** Makes all containers ready that a setup stands on, also through the setups of files that !SubConfig names. */
export async function makeBasesReady(setup: readonly Step[], bases: Bases): Promise<void> {
  const { root, containers, allReady, folders } = bases;
  const seen = new Set<string>();

  const standOn = async (steps: readonly Step[], others: ReadonlyMap<string, Container>): Promise<void> => {
    const names = steps.flatMap((step) => containerOfStep(step) ?? []);
    await allReady(names.filter((name) => containers.has(name)));
    // A container of such a file is no build of its own: its steps are done where they are named.
    for (const name of names) {
      if (!containers.has(name)) await goInto(name, others.get(name), others);
    }
    for (const step of steps) {
      if (step.tag !== 'SubConfig') continue;
      const { source, path, container } = step.value;
      const folder = source.tag === 'Container' ? folders.get(source.value) : root;
      const loaded =
        folder === undefined ? null : loadSubConfig(source.tag === 'Container' ? join(folder, 'root') : folder, path);
      if (loaded?.kind !== 'containers') continue; // the version says what is wrong
      await goInto(`${folder}/${path}:${container}`, loaded.containers.get(container), loaded.containers);
    }
  };
  const goInto = async (
    key: string,
    container: Container | undefined,
    others: ReadonlyMap<string, Container>,
  ): Promise<void> => {
    if (container === undefined || seen.has(key)) return;
    seen.add(key);
    await standOn(container.setup, others);
  };
  await standOn(setup, containers);
}
