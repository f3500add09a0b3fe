import type { Stream } from '../http/route.ts';
import type { Overview } from './api.ts';

/** As often as there is a new scan. */
const periodMs = 2_000;

/** The overview for all open pages: collected once a period however many look, and not at all while none does. */
export function liveStream(collect: () => Promise<Overview>): Stream {
  const clients = new Set<(message: unknown) => void>();
  let timer: NodeJS.Timeout | null = null;
  let collecting = false;
  let newest: Overview | null = null;

  const round = async (): Promise<void> => {
    // A slow peer delays a picture, it does not pile up questions.
    if (collecting) return;
    collecting = true;
    try {
      newest = await collect();
      for (const send of clients) send(newest);
    } finally {
      collecting = false;
    }
  };

  return {
    path: '/v1/live',
    summary: 'WebSocket: the overview at once and every 2 s',
    open(_query, send) {
      clients.add(send);
      if (newest !== null && timer !== null) send(newest);
      else void round();
      timer ??= setInterval(() => void round(), periodMs);
      return () => {
        clients.delete(send);
        if (clients.size === 0 && timer !== null) {
          clearInterval(timer);
          timer = null;
        }
      };
    },
  };
}
