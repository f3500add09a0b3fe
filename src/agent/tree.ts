import { join } from 'node:path';
import { treeClient } from '../lithos/client.ts';
import { loadMaster } from '../lithos/config/master.ts';
import type { TreeStatus } from '../lithos/status.ts';

/**
 * Asks the tree of this host. The master config is read until it can be used, so that an agent may start before lithos
 * is set up.
 */
export function treeOf(masterFile: string): () => Promise<TreeStatus> {
  let client: ReturnType<typeof treeClient> | null = null;
  return async () => {
    if (client === null) {
      const loaded = loadMaster(masterFile);
      if (loaded.kind === 'refused') throw new Error(`${masterFile} cannot be used`);
      client = treeClient(join(loaded.master.runtimeDir, 'tree.sock'));
    }
    return client.status();
  };
}
