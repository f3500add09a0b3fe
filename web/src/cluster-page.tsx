import { useLoadAction } from './action-shell.ts';
import { Containers } from './containers.tsx';
import { readDecision } from './decision.ts';
import { Header } from './header.tsx';
import { Link } from './link.tsx';
import { useLive } from './live.ts';
import { scheduleMatrix } from './matrix.ts';
import { Nodes } from './nodes.tsx';
import { usePlots } from './plot-poll.ts';
import { Plots } from './plots.tsx';
import { Schedule } from './schedule.tsx';
import { Summary } from './summary.tsx';

export function ClusterPage({ token }: { token: string | null }) {
  const live = useLive();
  const isLive = live.connection.kind === 'live';
  const plots = usePlots(isLive);
  const [action, press] = useLoadAction(token);
  const { overview } = live;
  // Ages go on while the agent is away: its clock, moved on by ours.
  const now = overview === null ? 0 : overview.now + (isLive ? 0 : Date.now() - live.receivedAtMs);
  const decision = readDecision(overview?.schedule?.data);
  const matrix = overview === null ? [] : scheduleMatrix(overview.nodes, overview.schedule?.data ?? null);

  return (
    <>
      <Header live={live} canAct={token !== null} loadFactor={decision.loadFactor} action={action} onPress={press} />
      {overview === null ? (
        <main class="empty">
          <p>Waiting for the first overview from this node’s agent…</p>
        </main>
      ) : (
        <main class={isLive ? undefined : 'stale'}>
          {overview.nodes.some(({ leader, held }) => leader && held) && (
            <p class="said failed">
              A schedule that would stop much is held back: <Link href="/roles">decide about it</Link>
            </p>
          )}
          <Summary overview={overview} matrix={matrix} decision={decision} plots={plots} />
          <Plots plots={plots} thresholdPerMinute={decision.thresholdPerMinute} now={now} />
          <Nodes overview={overview} now={now} />
          <Schedule overview={overview} decision={decision} matrix={matrix} now={now} />
          <Containers nodes={overview.nodes} matrix={matrix} now={now} />
        </main>
      )}
    </>
  );
}
