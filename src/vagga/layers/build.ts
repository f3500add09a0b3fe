import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { containerAddon, isFailure, type NativeFailure } from '../../native/container.ts';
import { executeStep } from '../build/execute.ts';
import { finishRoot, systemFoldersOf } from '../build/finish.ts';
import { hostFiles } from '../build/host-files.ts';
import { type BuildJob, type BuildState, initialState } from '../build/job.ts';
import type { Step } from '../config/steps.ts';
import type { Field } from '../version/field.ts';
import { leavesRoot, stepContent } from './content.ts';
import { fieldsOfStep, finishKey, layerKey } from './key.ts';
import { overlayProblem } from './overlay-probe.ts';
import { type LayerPlan, type RootLayers, rootLayersFile } from './plan.ts';
import { packState, unpackState } from './state.ts';
import {
  chainOf,
  keepLayer,
  type LayerSession,
  layerFiles,
  layerStore,
  openSession,
  readLayer,
  useLayer,
  useLayerOfKey,
} from './store.ts';

/** An overlay takes 150; what is built upon one deeper than this is one layer more, and is not kept. */
const deepest = 120;

/** Where a build stands. Layers are folders of the host, the uppermost first. */
interface Standing {
  /** Of the uppermost layer that is kept, on which the next key is made; null: nothing yet. */
  readonly top: string | null;
  readonly folders: readonly string[];
  readonly state: BuildState;
  /** Fields of the steps behind `top` that leave the root as it is. */
  readonly waiting: readonly (readonly Field[])[];
  /** Something was done that no key tells: what follows is not kept. */
  readonly lost: boolean;
}

/**
 * Builds the root of layers: each step runs over those that are there, and what it changes is kept for later builds, of
 * other versions and other projects too. Null: the kernel makes no overlays here. Throws with what went wrong; the root
 * is then as the failed step has left it.
 */
export async function buildOfLayers(job: BuildJob, plan: LayerPlan): Promise<true | null> {
  const session = await openSession(layerStore(plan.cache));
  try {
    if (overlayProblem(session.folder) !== null) return null;
    mkdirSync(job.root, { mode: 0o755 });
    const build = layeredBuild(job, plan, session);
    await build.run();
    return true;
  } finally {
    session.end();
  }
}

function layeredBuild(job: BuildJob, plan: LayerPlan, session: LayerSession): { run(): Promise<void> } {
  const { setup } = job.container;
  const { store } = session;
  const made: string[] = [];
  let uppers = 0;

  const topLayer = (container: string): string | null => {
    const folder = job.built.get(container);
    return folder === undefined ? null : topOf(folder);
  };
  const keyOf = (at: Standing, fields: readonly Field[], content: readonly string[]): string =>
    layerKey(plan.world, at.top, [...at.waiting, fields], content);

  /** The longest run of steps from the first on whose layers are there; how many steps it has. */
  const find = async (): Promise<{ readonly done: number; readonly at: Standing }> => {
    let at: Standing = { top: null, folders: [], state: initialState, waiting: [], lost: false };
    let best = { done: 0, at };
    if (plan.force) return best;
    for (const [index, step] of setup.entries()) {
      const fields = fieldsOfStep(plan.fields, index);
      if (leavesRoot(step)) {
        at = { ...at, waiting: [...at.waiting, fields] };
        continue;
      }
      const content = await stepContent(job, step, topLayer);
      if (content.kind !== 'known') break;
      const name = await useLayerOfKey(session, keyOf(at, fields, content.content));
      const layer = name === null ? null : readLayer(store, name);
      const state = layer === null ? null : unpackState(job, layer.state);
      if (name === null || state === null) break;
      at = { top: name, folders: foldersOf(name), state, waiting: [], lost: false };
      best = { done: index + 1, at };
    }
    return best;
  };
  const foldersOf = (name: string): readonly string[] =>
    (chainOf(store, name) ?? []).map((each) => layerFiles(store, each));

  /** Runs over what is there; the folder that holds what it has changed. */
  const over = async (
    folders: readonly string[],
    first: boolean,
    run: () => Promise<BuildState>,
  ): Promise<{ readonly folder: string; readonly state: BuildState }> => {
    uppers += 1;
    const folder = join(session.folder, String(uppers));
    const upper = join(folder, 'fs');
    const work = join(folder, 'work');
    mkdirSync(folder);
    mkdirSync(upper, { mode: 0o755 });
    mkdirSync(work);
    const lowers = folders.length > 0 ? folders : [join(store.folder, 'empty')];
    throwFailure(containerAddon().mountOverlay(lowers, upper, work, job.root));
    try {
      if (first) {
        systemFoldersOf(job.root);
        hostFiles(job.root, job.container);
      }
      return { folder, state: await run() };
    } catch (error) {
      // For a look: what the failed step has left, over what the others have made.
      throwFailure(containerAddon().unmount(job.root));
      const merged = containerAddon().mergeLayers([upper, ...folders], job.root);
      if (isFailure(merged)) process.stderr.write(`WARNING: ${merged.message}\n`);
      throw error;
    } finally {
      if (isMounted()) throwFailure(containerAddon().unmount(job.root));
      rmSync(work, { recursive: true, force: true });
    }
  };
  const isMounted = (): boolean => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${mountText(job.root)} `);

  const step = async (at: Standing, index: number, first: boolean): Promise<Standing> => {
    const each = setup[index]!;
    const fields = fieldsOfStep(plan.fields, index);
    if (leavesRoot(each)) {
      const state = await told(index, each, () => executeStep(job, at.state, each));
      return { ...at, state, waiting: [...at.waiting, fields] };
    }
    // A root that is made of layers is stood on instead of being copied.
    const other = first && at.folders.length === 0 && each.tag === 'Container' ? topLayer(each.value) : null;
    const below = other === null ? null : await useLayer(session, other);
    const folders = below === null ? at.folders : below.map((name) => layerFiles(store, name));
    const standing = below === null || each.tag !== 'Container' ? job : { ...job, standsOn: each.value };
    const { folder, state } = await over(folders, first, () =>
      told(index, each, () => executeStep(standing, at.state, each)),
    );
    const content = at.lost ? null : await stepContent(job, each, topLayer);
    const packed = packState(job, state);
    const done = { folders: [join(folder, 'fs'), ...folders], state };
    if (content?.kind !== 'known' || packed === null || folders.length >= deepest) {
      return { ...done, top: at.top, waiting: [], lost: true };
    }
    const key = keyOf(at, fields, content.content);
    const name = await keep(folder, key, below === null ? at.top : other, folders.length, packed, each.tag, plan.force);
    return { top: name, folders: foldersOf(name), state, waiting: [], lost: false };
  };

  const keep = async (
    folder: string,
    key: string,
    below: string | null,
    depth: number,
    state: string,
    tag: string,
    replace: boolean,
  ): Promise<string> => {
    const size = containerAddon().measureTree(join(folder, 'fs'));
    if (isFailure(size)) throw new Error(size.message);
    made.push(key);
    return keepLayer(session, folder, { key, below, depth, state, step: tag, ...size }, replace);
  };

  const finish = async (at: Standing, first: boolean): Promise<void> => {
    const { folder } = await over(at.folders, first, async () => {
      await finishRoot(job, at.state);
      return at.state;
    });
    let top: string | null = null;
    let folders = [join(folder, 'fs'), ...at.folders];
    const packed = at.lost || at.folders.length >= deepest ? null : packState(job, at.state);
    if (packed !== null) {
      const { atEnd } = at.state;
      const key = finishKey(plan.world, at.top, [at.waiting, atEnd, job.container.dataDirs]);
      top = await keep(folder, key, at.top, at.folders.length, packed, 'end', plan.force);
      folders = [...foldersOf(top)];
    }
    throwFailure(containerAddon().mergeLayers(folders, job.root));
    if (top !== null) {
      writeFileSync(join(dirname(job.root), rootLayersFile), JSON.stringify({ top, made } satisfies RootLayers));
    }
  };

  const told = async <T>(index: number, { tag }: Step, run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw new Error(`step ${index + 1} of ${setup.length}, !${tag}: ${(error as Error).message}`);
    }
  };

  return {
    async run() {
      const found = await find();
      if (found.done > 0) {
        process.stderr.write(`Steps 1 to ${found.done} of ${setup.length} are kept from an earlier build\n`);
      }
      let { at } = found;
      let first = true;
      for (let index = found.done; index < setup.length; index += 1) {
        at = await step(at, index, first);
        if (!leavesRoot(setup[index]!)) first = false;
      }
      await finish(at, first);
    },
  };
}

/** The layer that a built root shows; null: it was not built of layers. */
export function topOf(built: string): string | null {
  const file = join(built, rootLayersFile);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RootLayers).top : null;
}

function throwFailure(outcome: true | NativeFailure): void {
  if (isFailure(outcome)) throw new Error(outcome.message);
}

/** As /proc/PID/mountinfo writes a path. */
const mountText = (path: string): string =>
  path.replace(/[ \t\n\\]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, '0')}`);
