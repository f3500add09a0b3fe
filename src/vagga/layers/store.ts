import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { containerAddon, isFailure } from '../../native/container.ts';
import { lockFile } from '../store/lock.ts';

/**
 * Layers on disk: a folder `layers` of the cache, which projects may share.
 *
 *     lock               flock(2), for moments: whoever finds, adds or removes layers holds it
 *     keys/KEY           name of the layer that is found by this key
 *     kept/NAME/fs       what the step has changed, as an overlay's upper folder
 *     kept/NAME/layer    what it stands on (Layer, as JSON); its modification time is when it was last used
 *     building/ID        folder of a build; ID.lock: held while it lives, and the names of the layers that it uses
 *     trash/ID           what is being removed
 *
 * A layer is there once it has its name in `kept`. The kernel frees locks however a process ends: what a killed build
 * leaves is told from what lives, and nobody takes it for a layer.
 */
export interface LayerStore {
  readonly folder: string;
}

export interface Layer {
  readonly key: string | null;
  readonly below: string | null;
  /** How many it stands on. */
  readonly depth: number;
  /** As `packState` makes it. */
  readonly state: string;
  readonly step: string;
  readonly entries: number;
  readonly bytes: number;
  /** Roots have the same files: who writes into one of them damages the layer. */
  readonly fingerprint: string;
}

/** A build that lives: what it uses is not removed. */
export interface LayerSession {
  readonly store: LayerStore;
  /** Of its own, on the file system of the layers. */
  readonly folder: string;
  readonly lockPath: string;
  end(): void;
}

export const layerStore = (cache: string): LayerStore => ({ folder: join(cache, 'layers') });

export const layerFiles = ({ folder }: LayerStore, name: string): string => join(folder, 'kept', name, 'fs');
const layerFile = ({ folder }: LayerStore, name: string): string => join(folder, 'kept', name, 'layer');
const keyFile = ({ folder }: LayerStore, key: string): string => join(folder, 'keys', key);

/** 128 bits: nobody else draws the same. */
const newName = (): string => randomBytes(16).toString('hex');
const namePattern = /^[0-9a-f]{32}$/;

/** Runs it while nobody else finds, adds or removes layers. */
export async function withStore<T>({ folder }: LayerStore, run: () => T): Promise<T> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const name of ['keys', 'kept', 'building', 'trash', 'empty']) mkdirSync(join(folder, name), { recursive: true });
  const lock = await lockFile(join(folder, 'lock'), true, () => {});
  if (lock.kind !== 'locked') throw new Error(`${join(folder, 'lock')}: ${lock.kind === 'failed' ? lock.problem : ''}`);
  try {
    return run();
  } finally {
    lock.release();
  }
}

/** Of the root of a user namespace. What builds have left that were killed is removed before. */
export async function openSession(store: LayerStore): Promise<LayerSession> {
  const { session, trash } = await withStore(store, () => {
    layersInUse(store);
    return { trash: trashOf(store), session: newSession(store) };
  });
  for (const path of trash) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Files of ids that this container has not: `_clean` removes them.
    }
  }
  return session;
}

function newSession(store: LayerStore): LayerSession {
  const folder = join(store.folder, 'building', newName());
  const lockPath = `${folder}.lock`;
  const fd = containerAddon().tryLock(lockPath);
  if (fd === null || isFailure(fd)) throw new Error(fd === null ? `${lockPath} is held` : fd.message);
  mkdirSync(folder);
  return {
    store,
    folder,
    lockPath,
    end() {
      rmSync(folder, { recursive: true, force: true });
      rmSync(lockPath, { force: true });
      containerAddon().closeFd(fd);
    },
  };
}

/** Null: it is not there, or is not a layer. */
export function readLayer(store: LayerStore, name: string): Layer | null {
  if (!namePattern.test(name)) return null;
  try {
    const layer = JSON.parse(readFileSync(layerFile(store, name), 'utf8')) as Layer;
    return existsSync(layerFiles(store, name)) ? layer : null;
  } catch {
    return null;
  }
}

/** The layer and those below it, itself first; null where one of them is gone. */
export function chainOf(store: LayerStore, name: string): readonly string[] | null {
  const chain: string[] = [];
  for (let at: string | null = name; at !== null; ) {
    const layer = readLayer(store, at);
    if (layer === null || chain.includes(at)) return null;
    chain.push(at);
    at = layer.below;
  }
  return chain;
}

/** Finds a layer with all that it stands on, and uses them from now on. */
export function useLayer(session: LayerSession, name: string): Promise<readonly string[] | null> {
  return withStore(session.store, () => takeUse(session, name));
}

export function useLayerOfKey(session: LayerSession, key: string): Promise<string | null> {
  const { store } = session;
  return withStore(store, () => {
    const name = nameOfKey(store, key);
    return name !== null && takeUse(session, name) !== null ? name : null;
  });
}

function takeUse(session: LayerSession, name: string): readonly string[] | null {
  const chain = chainOf(session.store, name);
  if (chain === null) return null;
  const now = new Date();
  for (const each of chain) utimesSync(layerFile(session.store, each), now, now);
  writeFileSync(session.lockPath, chain.map((each) => `${each}\n`).join(''), { flag: 'a' });
  return chain;
}

export function nameOfKey(store: LayerStore, key: string): string | null {
  try {
    return readFileSync(keyFile(store, key), 'utf8').trim();
  } catch {
    return null;
  }
}

/**
 * Makes a layer of `folder`, which has `fs` and lies in the session's. `replace`: whoever asks for the key finds this one;
 * otherwise one that is there stays, and its name is the answer.
 */
export async function keepLayer(
  session: LayerSession,
  folder: string,
  layer: Layer & { readonly key: string },
  replace: boolean,
): Promise<string> {
  const { store } = session;
  writeFileSync(join(folder, 'layer'), JSON.stringify(layer));
  return withStore(store, () => {
    const there = replace ? null : nameOfKey(store, layer.key);
    if (there !== null && takeUse(session, there) !== null) return there;
    const name = newName();
    renameSync(folder, join(store.folder, 'kept', name));
    const made = `${keyFile(store, layer.key)}.${name}`;
    writeFileSync(made, name);
    renameSync(made, keyFile(store, layer.key));
    takeUse(session, name);
    return name;
  });
}

/** Nobody finds these any more; who uses them goes on. */
export function forgetKeys(store: LayerStore, keys: readonly string[]): Promise<void> {
  return withStore(store, () => {
    for (const key of keys) rmSync(keyFile(store, key), { force: true });
  });
}

export interface KeptLayer {
  readonly name: string;
  readonly key: string | null;
  readonly below: string | null;
  readonly bytes: number;
  readonly lastUseMs: number;
}

/** To be called with the lock held, as the next two. `broken`: names in `kept` that are no layers. */
export function listLayers(store: LayerStore): {
  readonly layers: readonly KeptLayer[];
  readonly broken: readonly string[];
} {
  const layers: KeptLayer[] = [];
  const broken: string[] = [];
  for (const name of readdirSync(join(store.folder, 'kept'))) {
    const layer = readLayer(store, name);
    if (layer === null) broken.push(name);
    else {
      const { key, below, bytes } = layer;
      layers.push({ name, key, below, bytes, lastUseMs: statSync(layerFile(store, name)).mtimeMs });
    }
  }
  return { layers, broken };
}

/** Layers that live builds use; folders of builds that are dead go to the trash. */
export function layersInUse(store: LayerStore): ReadonlySet<string> {
  const building = join(store.folder, 'building');
  const used = new Set<string>();
  for (const name of readdirSync(building)) {
    if (!name.endsWith('.lock')) continue;
    const lockPath = join(building, name);
    const fd = containerAddon().tryLock(lockPath);
    if (isFailure(fd)) throw new Error(fd.message);
    if (fd === null) {
      for (const each of readFileSync(lockPath, 'utf8').split('\n')) used.add(each);
      continue;
    }
    const folder = lockPath.slice(0, -'.lock'.length);
    if (existsSync(folder)) renameSync(folder, join(store.folder, 'trash', newName()));
    rmSync(lockPath, { force: true });
    containerAddon().closeFd(fd);
  }
  return used;
}

/** From now on nobody finds them. What is in the trash is to be removed without the lock. */
export function discardLayers(store: LayerStore, names: readonly string[]): readonly string[] {
  for (const name of names) {
    renameSync(join(store.folder, 'kept', name), join(store.folder, 'trash', newName()));
  }
  for (const key of readdirSync(join(store.folder, 'keys'))) {
    const name = nameOfKey(store, key);
    if (name === null || !existsSync(join(store.folder, 'kept', name))) rmSync(keyFile(store, key), { force: true });
  }
  return trashOf(store);
}

function trashOf(store: LayerStore): readonly string[] {
  const trash = join(store.folder, 'trash');
  return readdirSync(trash).map((name) => join(trash, name));
}
