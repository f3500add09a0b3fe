import type { Container } from '../config/container.ts';
import type { StepOf } from '../config/steps.ts';
import type { LayerPlan } from '../layers/plan.ts';
import type { Lock } from '../lock/lock-file.ts';
import type { Distribution } from './distro/distribution.ts';
import { initialLanguages, type LanguageState } from './languages/settings.ts';

/** All that the builder is told: plain data, it crosses a process border. Paths are the host's. */
export interface BuildJob {
  readonly name: string;
  /** The root that is filled. */
  readonly root: string;
  readonly project: string;
  readonly cache: string;
  readonly externalVolumes: ReadonlyMap<string, string>;
  readonly container: Container;
  /** All of the project, by name. */
  readonly containers: ReadonlyMap<string, Container>;
  /** Folder of the build of each container that the steps name. */
  readonly built: ReadonlyMap<string, string>;
  /** Proxies. */
  readonly environment: ReadonlyMap<string, string>;
  readonly unmaskedProc: boolean;
  readonly lock: Lock;
  /** Setting `ca-certificates`: a bundle of the host. */
  readonly caCertificates: string | null;
  readonly mirrors: Mirrors;
  /** Null: the root is built in one go, no step's work is kept. */
  readonly layers: LayerPlan | null;
  /** The container whose root the root already is, so that !Container has nothing to copy. */
  readonly standsOn?: string;
}

/** Where distributions come from: settings; null: the default. */
export interface Mirrors {
  readonly ubuntu: string | null;
  readonly debian: string | null;
  readonly alpine: string | null;
  /** Setting `ubuntu-skip-locking`: builds that share a cache of apt do not take turns. */
  readonly skipAptLocking: boolean;
}

/** What an earlier step leaves for later ones. */
export interface BuildState {
  /** Of !Env. */
  readonly env: ReadonlyMap<string, string>;
  /** Mounted for program steps: path inside → folder of the host. */
  readonly binds: ReadonlyMap<string, { readonly source: string; readonly readonly: boolean }>;
  /** Done again when the build ends, in this order. */
  readonly atEnd: readonly AtEnd[];
  /** That a step selected; null: none did, the root may have one yet. */
  readonly distro: Distribution | null;
  readonly languages: LanguageState;
}

export interface AtEnd {
  readonly kind: 'remove' | 'empty' | 'ensure';
  readonly path: string;
}

export const initialState: BuildState = {
  env: new Map(),
  binds: new Map(),
  atEnd: [],
  distro: null,
  languages: initialLanguages,
};

export type Copy = StepOf<'Copy'>;
