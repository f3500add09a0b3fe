import type { GraphqlService } from '../../http/graphql/service.ts';
import { tooMuchAsked } from '../query/cost.ts';
import { mostSamplesPerQuery } from '../query/extract.ts';
import { type Context, rootOf, type World } from './resolve.ts';
import { schema } from './schema.ts';

/** Half of what two lists of all cgroups with all their processes cost, or some queries of history. */
const weights = {
  lists: new Set(['processes', 'cgroups', 'peers', 'hosts', 'series', 'tips', 'chart']),
  // Each of these reads history.
  queries: new Set(['metrics', 'remote']),
};

export function serviceOf(world: World): GraphqlService {
  return {
    schema,
    root: rootOf(world),
    weights,
    begin(remoteAddress) {
      const waitSeconds = world.cost.refusal(remoteAddress);
      if (waitSeconds !== null) return { waitSeconds, reply: tooMuchAsked(waitSeconds) };
      const budget = { samples: mostSamplesPerQuery };
      return {
        context: { budget } satisfies Context,
        end: () => world.cost.charge(remoteAddress, mostSamplesPerQuery - budget.samples),
      };
    },
    onEvent(happened) {
      const leaveScans = world.cantal.onScan(() =>
        happened((roots) => roots.has('status') || roots.has('local') || roots.has('metrics')),
      );
      const leavePeers = world.onPeers(() => happened((roots) => roots.has('peers')));
      return () => {
        leaveScans();
        leavePeers();
      };
    },
    report: world.report,
  };
}
