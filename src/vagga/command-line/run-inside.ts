import { fileVariables, launch, readyContainer } from '../launch.ts';
import type { Containers } from '../ready.ts';
import { defaultPath } from '../run/environment.ts';
import type { SharedNetwork } from '../run/shared-network.ts';
import { workFolder } from '../run/words.ts';
import type { BuiltInContext } from './built-ins.ts';

/** Any words in a container, as `_run` does it; the exit code. Throws a Refusal. */
export async function runInside(
  { place, options, cwd }: BuiltInContext,
  containers: Containers,
  name: string,
  words: readonly string[],
  writeMode: 'read-only' | 'transient-hard-link-copy',
  network: SharedNetwork | null = null,
): Promise<number> {
  const where = { place, containers, options };
  const { built, container } = await readyContainer(where, name);
  const fromFile = fileVariables(built, container);
  return launch(
    where,
    { built, container, fromFile },
    {
      container: name,
      words,
      path: defaultPath,
      cwd: workFolder(null, place.project.root, cwd),
      volumes: container.volumes,
      environ: new Map(),
      initialising: new Set(),
      userId: 0,
      groupId: 0,
      supplementaryGids: [],
      externalUserId: null,
      isolateNetwork: false,
      writeMode,
      tcpSocket: null,
    },
    network,
  );
}
