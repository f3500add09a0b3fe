import type { ContainerReport, Overview, OverviewNode } from '../../../src/agent/api.ts';
import type { RunningCluster, RunningNode } from './cluster.ts';
import { commandLine } from './cluster.ts';

interface Story {
  readonly stopAll: () => Promise<number>;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** The whole story ends by itself within three minutes; the last seconds are for taking everything down. */
const storyDeadlineMs = 160_000;
const pollIntervalMs = 250;
/** What the issue of the election promises after a leader's death. */
const electionLimitMs = 5_000;

class StepFailed extends Error {}

/** Plays the quickstart's story against the running cluster; true where every step saw what it had to. */
export async function playStory(cluster: RunningCluster, story: Story): Promise<boolean> {
  const endsAt = Date.now() + storyDeadlineMs;
  const view = clusterView(cluster);
  let last = Date.now();
  const done = (step: string, saw: string): void => {
    const now = Date.now();
    story.say(`ok    ${step.padEnd(24)} ${saw} (${((now - last) / 1000).toFixed(1)} s)`);
    last = now;
  };

  /** Polls until `probe` returns a value; what it threw last says why it never did. */
  async function until<T>(step: string, limitMs: number, probe: () => Promise<T>): Promise<T> {
    const deadline = Math.min(Date.now() + limitMs, endsAt);
    for (;;) {
      try {
        return await probe();
      } catch (error) {
        if (story.signal.aborted) throw new StepFailed(`${step}: interrupted`);
        if (Date.now() > deadline) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new StepFailed(`${step}: not within ${Math.round(limitMs / 1000)} s: ${reason}`);
        }
        await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
      }
    }
  }

  const counts = (web: number, worker: number) => async (): Promise<string> => {
    const overview = await view.overview();
    if (overview.leaderId === null) throw new Error('there is no leader yet');
    const running = { web: runningOf(overview, 'web'), worker: runningOf(overview, 'worker') };
    const spread = overview.nodes.map(
      (node) => `${node.hostname} ${runningOn(node, 'web')}+${runningOn(node, 'worker')}`,
    );
    if (running.web !== web || running.worker !== worker) {
      throw new Error(`${running.web} web and ${running.worker} worker run (${spread.join(', ')})`);
    }
    const empty = overview.nodes.filter((node) => runningOn(node, 'web') + runningOn(node, 'worker') === 0);
    if (empty.length > 0) throw new Error(`nothing runs on ${empty.map((node) => node.hostname).join(', ')}`);
    return `${web} web + ${worker} worker run: ${spread.join(', ')}`;
  };

  const rate = (from: number, to: number) => async (): Promise<string> => {
    const perMinute = await view.requestsPerMinute();
    if (perMinute === null || perMinute < from || perMinute >= to)
      throw new Error(`${perMinute ?? 'no'} requests a minute`);
    return `${Math.round(perMinute)} requests a minute`;
  };

  try {
    done('10 + 5 up', await until('10 + 5 up', 60_000, counts(10, 5)));
    done('load flows', await until('load flows', 40_000, rate(4_000, 8_000)));

    await view.act('double');
    done('load doubled', await until('load doubled', 40_000, rate(10_000, 16_000)));
    done('20 + 2', await until('20 + 2', 40_000, counts(20, 2)));

    await killLeader();
    await killTree();
    await killContainer();

    await view.act('normal');
    done('back to 10 + 5', await until('back to 10 + 5', 60_000, counts(10, 5)));
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    story.say(`FAIL  ${error.message}`);
    await story.stopAll();
    return false;
  }
  const left = await story.stopAll();
  if (left > 0) {
    story.say(`FAIL  everything gone: ${left} things were left behind`);
    return false;
  }
  done('everything gone', 'no process, mount, cgroup or socket is left');
  return true;

  async function killLeader(): Promise<void> {
    const before = await view.overview();
    const leader = nodeOf(cluster, before.nodes.find((node) => node.leader)?.hostname);
    const identities = await view.identities();
    const killedAt = Date.now();
    leader.agent.kill(true);
    const next = await until('leader killed', electionLimitMs, async () => {
      const overview = await view.overview(leader);
      const other = overview.nodes.find((node) => node.leader);
      if (other === undefined || other.hostname === leader.layout.name) throw new Error('no other node leads');
      return { hostname: other.hostname, epoch: overview.epoch, afterMs: Date.now() - killedAt };
    });
    assertAlive(identities);
    done(
      'leader killed',
      `${leader.layout.name} was leading; ${next.hostname} leads epoch ${next.epoch} after ${(next.afterMs / 1000).toFixed(1)} s, ${identities.size} containers run on`,
    );

    const scheduled = await until('scheduling goes on', 40_000, async () => {
      const overview = await view.overview(leader);
      const origin = overview.nodes.find((node) => node.id === overview.schedule?.origin)?.hostname;
      if (overview.schedule === null || origin === leader.layout.name || overview.schedule.timestamp <= killedAt) {
        throw new Error(`the schedule is still that of ${origin}`);
      }
      return `a schedule by ${origin}`;
    });
    done('scheduling goes on', scheduled);

    leader.agent.startAgain();
    const rejoined = await until('old leader rejoins', 30_000, async () => {
      const overview = await view.overviewOf(leader);
      const alive = overview.nodes.filter((node) => node.liveness === 'alive' && node.reachable);
      if (alive.length !== cluster.nodes.length || overview.leaderId === null)
        throw new Error(`${alive.length} nodes alive in its eyes`);
      return `${leader.layout.name} sees ${alive.length} nodes and a leader`;
    });
    assertAlive(identities);
    done('old leader rejoins', `${rejoined}, ${identities.size} containers untouched`);
  }

  async function killTree(): Promise<void> {
    const node = cluster.nodes[1];
    if (node === undefined) throw new StepFailed('kill tree: there is no second node');
    const identities = await view.identities(node);
    if (identities.size === 0) throw new StepFailed('kill tree: the second node runs nothing');
    node.tree.kill(true);
    await until('tree killed', 5_000, async () => {
      if (node.tree.pid() !== null) throw new Error('it still runs');
    });
    assertAlive(identities);
    done('tree killed', `${node.layout.name}: ${identities.size} containers run on without it`);
    node.tree.startAgain();
    await until('next tree adopts', 20_000, async () => {
      const report = (await view.overview()).nodes.find((each) => each.hostname === node.layout.name);
      const adopted =
        report?.containers.filter((container) => container.adopted && container.phase === 'running') ?? [];
      if (adopted.length < identities.size) throw new Error(`${adopted.length} of ${identities.size} adopted`);
      for (const container of adopted) assertSame(identities, node, container);
    });
    assertAlive(identities);
    done('next tree adopts', `${identities.size} containers adopted, same pids and start times`);
  }

  async function killContainer(): Promise<void> {
    const node = cluster.nodes[2];
    if (node === undefined) throw new StepFailed('kill container: there is no third node');
    const report = (await view.overview()).nodes.find((each) => each.hostname === node.layout.name);
    const victim = report?.containers.find((container) => container.process === 'web' && container.pid !== null);
    if (victim?.pid == null) throw new StepFailed(`kill container: ${node.layout.name} runs no web`);
    process.kill(victim.pid, 'SIGKILL');
    const saw = await until('container killed', 20_000, async () => {
      const again = (await view.overview()).nodes
        .find((each) => each.hostname === node.layout.name)
        ?.containers.find((container) => container.name === victim.name);
      if (again?.phase !== 'running' || again.pid === victim.pid) throw new Error(`${victim.name} is ${again?.phase}`);
      if (again.restarts <= victim.restarts) throw new Error(`${victim.name} counts ${again.restarts} restarts`);
      return `${victim.name} on ${node.layout.name}: pid ${victim.pid} → ${again.pid}, ${again.restarts} restarts`;
    });
    done('container killed', saw);
  }
}

/** Every running container's pid and start time, keyed by node and name. */
type Identities = ReadonlyMap<string, { readonly pid: number; readonly startTime: number }>;

function assertAlive(identities: Identities): void {
  const gone = [...identities].filter(([, { pid }]) => commandLine(pid) === '').map(([name]) => name);
  if (gone.length > 0) throw new StepFailed(`containers ended that should run on: ${gone.join(', ')}`);
}

function assertSame(identities: Identities, node: RunningNode, container: ContainerReport): void {
  const before = identities.get(`${node.layout.name} ${container.name}`);
  if (before !== undefined && (before.pid !== container.pid || before.startTime !== container.startTime)) {
    throw new StepFailed(`${container.name} was restarted: pid ${before.pid} → ${container.pid}`);
  }
}

function nodeOf(cluster: RunningCluster, hostname: string | undefined): RunningNode {
  const node = cluster.nodes.find((each) => each.layout.name === hostname);
  if (node === undefined) throw new StepFailed('no node leads');
  return node;
}

function runningOn(node: OverviewNode, process: string): number {
  return node.containers.filter((container) => container.process === process && container.phase === 'running').length;
}

function runningOf(overview: Overview, process: string): number {
  return overview.nodes.reduce((sum, node) => sum + runningOn(node, process), 0);
}

/** The cluster as its HTTP API shows it, asked of the first node that is not `except`. */
function clusterView(cluster: RunningCluster) {
  const get = async (node: RunningNode, path: string): Promise<unknown> => {
    const reply = await fetch(`http://${node.layout.ip}:${node.layout.ports.agent}${path}`, {
      signal: AbortSignal.timeout(4_000),
    });
    if (!reply.ok) throw new Error(`${node.layout.name} answers ${reply.status} on ${path}`);
    return reply.json();
  };
  const asked = (except?: RunningNode): RunningNode => {
    const node = cluster.nodes.find((each) => each !== except);
    if (node === undefined) throw new Error('no node to ask');
    return node;
  };
  const overviewOf = async (node: RunningNode): Promise<Overview> => (await get(node, '/v1/overview')) as Overview;
  return {
    overviewOf,
    overview: (except?: RunningNode): Promise<Overview> => overviewOf(asked(except)),
    async identities(only?: RunningNode): Promise<Identities> {
      const overview = await overviewOf(asked());
      const entries = overview.nodes
        .filter((node) => only === undefined || node.hostname === only.layout.name)
        .flatMap((node) =>
          node.containers.flatMap((container) =>
            container.phase === 'running' && container.pid !== null && container.startTime !== null
              ? [
                  [
                    `${node.hostname} ${container.name}`,
                    { pid: container.pid, startTime: container.startTime },
                  ] as const,
                ]
              : [],
          ),
        );
      return new Map(entries);
    },
    /** Average of the newest known points, as the plot shows them. */
    async requestsPerMinute(): Promise<number | null> {
      const plots = (await get(asked(), `/v1/plots?since=${Date.now() - 20_000}`)) as {
        series: { requestsPerMinute: (number | null)[] };
      };
      const known = plots.series.requestsPerMinute.filter((value): value is number => value !== null).slice(-3);
      return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
    },
    async act(action: string): Promise<void> {
      const node = asked();
      const origin = `http://${node.layout.ip}:${node.layout.ports.agent}`;
      const reply = await fetch(`${origin}/v1/action`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${cluster.layout.token}` },
        body: JSON.stringify({ button: { role: 'load', action } }),
        signal: AbortSignal.timeout(10_000),
      });
      if (!reply.ok)
        throw new StepFailed(`the button "${action}" is answered with ${reply.status}: ${await reply.text()}`);
    },
  };
}
