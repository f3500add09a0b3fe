import { json, problem, type Route } from '../http/route.ts';
import type { StatusContext, StatusViewer } from './status-view.ts';
import type { Verwalter } from './verwalter.ts';

/** As long as gathering may take at worst, less what a browser waits for anyway. */
const longestWaitMs = 65_000;

/** For probes and for people who look for the leader (spec/verwalter.md 6.2). */
export const healthRoutes = (verwalter: Verwalter, viewer: StatusViewer, context: StatusContext): readonly Route[] => {
  const read = (path: string, summary: string, handle: Route['handle']): Route => ({
    ...{ method: 'GET', path, access: 'read', summary, handle },
  });
  const ready = (path: string): Route =>
    read(path, '200 where a leader is known and its schedule is held here, 503 otherwise', () => {
      const { schedule_status: status } = viewer.view();
      const problem = status === 'ok' && viewer.leader() !== null ? (context.notReady?.() ?? null) : notReady[status];
      return json(problem === null ? { ready: true } : { ready: false, error: problem }, problem === null ? 200 : 503);
    });
  return [
    ...['/ready', '/v1/ready'].map(ready),
    {
      method: 'GET',
      path: '/v1/leader-redirect-by-node-name',
      access: 'read',
      summary: 'to the page of the leader, by its name; waits up to 65 s for one',
      async handle() {
        const found = await leaderWithin(longestWaitMs, verwalter, viewer);
        if (found === null) return problem(404, `no leader was found within ${longestWaitMs / 1000} s`);
        const port = /:(\d+)$/.exec(found.addr)?.[1] ?? /:(\d+)$/.exec(context.peers.self.addr)?.[1] ?? '8379';
        return { status: 308, location: `http://${encodeURIComponent(found.name)}:${port}/` };
      },
    },
  ];
};

const notReady = {
  ok: 'the leader is not known by name yet',
  fetching: 'the schedule of the leader is being fetched',
  waiting: 'the leader has made no schedule yet',
  unstable: 'there is no leader',
} as const;

export const leaderWithin = (
  ms: number,
  verwalter: Pick<Verwalter, 'onChange'>,
  viewer: Pick<StatusViewer, 'leader'>,
): Promise<ReturnType<StatusViewer['leader']>> =>
  new Promise((resolve) => {
    const found = viewer.leader();
    if (found !== null) {
      resolve(found);
      return;
    }
    const done = (leader: ReturnType<StatusViewer['leader']>): void => {
      clearTimeout(timer);
      unsubscribe();
      resolve(leader);
    };
    const timer = setTimeout(() => done(null), ms);
    const unsubscribe = verwalter.onChange(() => {
      const leader = viewer.leader();
      if (leader !== null) done(leader);
    });
  });
