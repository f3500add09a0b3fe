import { hashText } from '../canonical.ts';
import api from './lib/api.lua';
import daily from './lib/daily.lua';
import explain from './lib/explain.lua';
import health from './lib/health.lua';
import hold from './lib/hold.lua';
import metrics from './lib/metrics.lua';
import nodes from './lib/nodes.lua';
import pack from './lib/pack.lua';
import ramp from './lib/ramp.lua';
import rollout from './lib/rollout.lua';
import spread from './lib/spread.lua';
import threshold from './lib/threshold.lua';
import toolbox from './lib/toolbox.lua';

const modules = { api, daily, explain, health, hold, metrics, nodes, pack, ramp, rollout, spread, threshold, toolbox };

/** The modules that come with Stellwerk, `require "stellwerk/NAME"`: path → text. A scheduler's own file goes first. */
export const library: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(modules).map(([name, text]) => [`stellwerk/${name}.lua`, text]),
);

export const librarySource = (path: string): string | undefined =>
  Object.hasOwn(library, path) ? library[path] : undefined;

export const libraryHash: string = hashText(JSON.stringify(Object.entries(library)));
