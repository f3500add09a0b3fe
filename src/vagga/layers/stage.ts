import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { containerAddon, isFailure } from '../../native/container.ts';
import { type BuildJob, type BuildState, initialState } from '../build/job.ts';
import type { Stage } from '../build/stage.ts';
import type { Step } from '../config/steps.ts';
import type { Field } from '../version/field.ts';
import { leavesRoot, stepContent } from './content.ts';
import { fieldsOfStep, finishKey, layerKey } from './key.ts';
import { overlaid, throwFailure } from './overlaid.ts';
import { overlayProblem } from './overlay-probe.ts';
import { type LayerPlan, type RootLayers, rootLayersFile, topOf } from './plan.ts';
import { packState, unpackState } from './state.ts';
import {
  chainOf,
  forgetKeys,
  keepLayer,
  type Layer,
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
  /** Fields of the steps behind `top` that leave the root as it is. */
  readonly waiting: readonly (readonly Field[])[];
  /** Something was done that no key tells: what follows is not kept. */
  readonly lost: boolean;
}

const ground: Standing = { top: null, folders: [], waiting: [], lost: false };

/**
 * Each step runs over the layers that are there, and what it changes is one more: later builds find it, of other versions
 * and other projects too. Null: the kernel makes no overlays here. Where a step fails the root is as that has left it.
 */
export async function layeredStage(job: BuildJob, plan: LayerPlan): Promise<Stage | null> {
  const session = await openSession(layerStore(plan.cache));
  try {
    if (overlayProblem(session.folder) !== null) {
      session.end();
      return null;
    }
    mkdirSync(job.root, { mode: 0o755 });
    const found = plan.force ? { done: 0, at: ground, state: initialState } : await findLayers(job, plan, session);
    return stageFrom(job, plan, session, found);
  } catch (error) {
    session.end();
    throw error;
  }
}

interface Found {
  readonly done: number;
  readonly at: Standing;
  readonly state: BuildState;
}

/** The longest run of steps from the first on whose layers are there. */
async function findLayers(job: BuildJob, plan: LayerPlan, session: LayerSession): Promise<Found> {
  let at = ground;
  let best: Found = { done: 0, at, state: initialState };
  for (const [index, step] of job.container.setup.entries()) {
    const fields = fieldsOfStep(plan.fields, index);
    if (leavesRoot(step)) {
      at = { ...at, waiting: [...at.waiting, fields] };
      continue;
    }
    const content = await stepContent(job, step);
    if (content.kind !== 'known') break;
    const key = keyOf(plan, at, fields, content.content);
    const name = await useLayerOfKey(session, key);
    const layer = name === null ? null : readLayer(session.store, name);
    if (name !== null && layer !== null && !isWhole(layerFiles(session.store, name), layer)) {
      process.stderr.write(`WARNING: somebody has written into what !${step.tag} has made: it is run again\n`);
      await forgetKeys(session.store, [key]);
      break;
    }
    const state = layer === null ? null : unpackState(job, layer.state);
    if (name === null || state === null) break;
    at = { ...ground, top: name, folders: foldersOf(session, name) };
    best = { done: index + 1, at, state };
  }
  return best;
}

function isWhole(folder: string, { fingerprint }: Layer): boolean {
  const size = containerAddon().measureTree(folder);
  return !isFailure(size) && size.fingerprint === fingerprint;
}

const keyOf = (plan: LayerPlan, at: Standing, fields: readonly Field[], content: readonly string[]): string =>
  layerKey(plan.world, at.top, [...at.waiting, fields], content);

const foldersOf = ({ store }: LayerSession, name: string): readonly string[] =>
  (chainOf(store, name) ?? []).map((each) => layerFiles(store, each));

function stageFrom(job: BuildJob, plan: LayerPlan, session: LayerSession, found: Found): Stage {
  const { setup } = job.container;
  const made: string[] = [];
  let { at } = found;
  let uppers = 0;

  const over = <T>(folders: readonly string[], run: () => Promise<T>): Promise<{ folder: string; value: T }> => {
    uppers += 1;
    return overlaid(job, { session, folders, name: String(uppers), first: uppers === 1 }, run);
  };

  const keep = (folder: string, key: string, below: string | null, depth: number, state: string, step: string) => {
    const size = containerAddon().measureTree(join(folder, 'fs'));
    if (isFailure(size)) throw new Error(size.message);
    made.push(key);
    return keepLayer(session, folder, { key, below, depth, state, step, ...size }, plan.force);
  };

  /** A root that is made of layers is stood on instead of being copied. */
  const standOn = async (step: Step): Promise<{ job: BuildJob; top: string | null; folders: readonly string[] }> => {
    const other = step.tag === 'Container' && at === ground ? topOf(job.built.get(step.value)) : null;
    const chain = other === null ? null : await useLayer(session, other);
    if (step.tag !== 'Container' || chain === null) return { job, top: at.top, folders: at.folders };
    const folders = chain.map((each) => layerFiles(session.store, each));
    return { job: { ...job, standsOn: step.value }, top: other, folders };
  };

  return {
    done: found.done,
    state: found.state,
    async step(index, _, run) {
      const step = setup[index]!;
      const fields = fieldsOfStep(plan.fields, index);
      if (leavesRoot(step)) {
        at = { ...at, waiting: [...at.waiting, fields] };
        return run(job);
      }
      const below = await standOn(step);
      const { folder, value: state } = await over(below.folders, () => run(below.job));
      const content = at.lost ? null : await stepContent(job, step);
      const packed = packState(job, state);
      if (content?.kind !== 'known' || packed === null || below.folders.length >= deepest) {
        at = { ...at, folders: [join(folder, 'fs'), ...below.folders], waiting: [], lost: true };
        return state;
      }
      const key = keyOf(plan, at, fields, content.content);
      const name = await keep(folder, key, below.top, below.folders.length, packed, step.tag);
      at = { ...ground, top: name, folders: foldersOf(session, name) };
      return state;
    },
    async finish(state, run) {
      const { folder } = await over(at.folders, run);
      const packed = at.lost || at.folders.length >= deepest ? null : packState(job, state);
      let top: string | null = null;
      if (packed !== null) {
        const key = finishKey(plan.world, at.top, [at.waiting, packed, job.container.dataDirs]);
        top = await keep(folder, key, at.top, at.folders.length, packed, 'end');
      }
      const folders = top === null ? [join(folder, 'fs'), ...at.folders] : foldersOf(session, top);
      throwFailure(containerAddon().mergeLayers(folders, job.root));
      if (top === null) return;
      writeFileSync(join(dirname(job.root), rootLayersFile), JSON.stringify({ top, made } satisfies RootLayers));
    },
    close: session.end,
  };
}
