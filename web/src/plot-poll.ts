import { useEffect, useState } from 'preact/hooks';
import type { PlotAnswer } from './api.ts';
import { emptyPlots, mergePlots, nextSince, type PlotData } from './plot-data.ts';

/** cantal scans every 2 s. */
const pollMs = 2_000;
const requestTimeoutMs = 5_000;

/** The whole hour once, then what is new; held figures stay while the agent is away. */
export function usePlots(live: boolean): PlotData {
  const [plots, setPlots] = useState(emptyPlots);

  useEffect(() => {
    if (!live) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    let held = plots;
    const poll = async () => {
      const answer = await fetchPlots(nextSince(held));
      if (gone) return;
      if (answer) {
        held = mergePlots(held, answer);
        setPlots(held);
      }
      timer = setTimeout(poll, pollMs);
    };
    poll();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [live]);

  return plots;
}

async function fetchPlots(since: number | null): Promise<PlotAnswer | null> {
  try {
    const query = since === null ? '' : `?since=${since}`;
    const reply = await fetch(`/v1/plots${query}`, { signal: AbortSignal.timeout(requestTimeoutMs) });
    return reply.ok ? ((await reply.json()) as PlotAnswer) : null;
  } catch {
    // The connection's state says already that the agent is away.
    return null;
  }
}
