import type { GraphqlService } from '../../http/graphql/service.ts';
import type { StatusContext, StatusViewer } from '../status-view.ts';
import type { Verwalter } from '../verwalter.ts';
import { schema } from './schema.ts';

export interface GraphqlWorld {
  readonly verwalter: Pick<Verwalter, 'schedule' | 'onChange'>;
  readonly viewer: StatusViewer;
  readonly election: NonNullable<StatusContext['election']>;
  readonly report: (what: string, error: unknown) => void;
}

/** Everything is at hand: an operation is bounded by its size alone. */
const weights = { lists: new Set(['errorneous']), queries: new Set<string>() };

export const serviceOf = (world: GraphqlWorld): GraphqlService => ({
  schema,
  root: { status: () => statusOf(world), noop: () => ({ ok: true }) },
  weights,
  begin: () => ({ context: {}, end: () => {} }),
  onEvent: (happened) => world.verwalter.onChange(() => happened((roots) => roots.has('status'))),
  report: world.report,
});

const statusOf = ({ verwalter, viewer, election }: GraphqlWorld) => {
  const view = viewer.view();
  const { state, votedFor, votes, needed, epoch, endsInMs } = election();
  const leads = view.leadership.role === 'leader';
  return {
    ...{ version: view.version, id: view.id, name: view.name, hostname: view.hostname },
    defaultFrontend: view.default_frontend,
    numErrors: view.num_errors,
    scheduleStatus: view.schedule_status,
    selfReport() {
      const { user, system } = process.cpuUsage();
      return { pid: process.pid, rss: process.memoryUsage.rss(), user_time: user / 1e6, system_time: system / 1e6 };
    },
    threadsReport: null,
    roles: { number: view.roles.length, failed: view.failed_roles.length },
    peers: { number: view.peers, timestamp: view.peers_timestamp, errorneous: view.erroneous_peers },
    election: {
      isLeader: leads,
      isStable: view.leadership.role !== 'none',
      promoting: state === 'electing' || state === 'voted' ? votedFor : null,
      numVotesForMe: state === 'electing' || state === 'leader' ? votes.length : null,
      neededVotes: needed,
      epoch,
      deadline: Date.now() + endsInMs,
      lastStableTimestamp: view.last_stable_timestamp,
    },
    schedule: () => verwalter.schedule(),
    fetch: { state: fetchStates[view.fetch_state] },
    leader: view.leader === null ? null : { ...view.leader, debugForced: leads && view.debug_force_leader },
  };
};

/** In the words of the original (spec verwalter 4.6). */
const fetchStates = {
  unstable: 'UNSTABLE',
  gathering: 'PREFETCHING',
  leading: 'STABLE_LEADER',
  following: 'REPLICATING',
} as const;
