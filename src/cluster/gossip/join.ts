import { uniform } from '../env.ts';
import { addressesOf } from './addresses.ts';
import { type Edit, isLive, send } from './edit.ts';
import { takeNews } from './rumours.ts';

/** Asked by a person or a script: a few tries, unless nobody else is there. */
export function addHost(draft: Edit, addr: string): void {
  const { state, env } = draft;
  if (addr === state.self.addr || state.self.otherAddrs.includes(addr) || state.joins.has(addr)) return;
  const [least, most] = state.config.joinFirstMs;
  state.joins.set(addr, {
    addr,
    seed: false,
    attempts: 0,
    delayMs: most,
    nextMs: env.nowMs + uniform(env, least, most),
  });
}

export function joinTimers(draft: Edit): void {
  const { state, env } = draft;
  for (const join of [...state.joins.values()]) {
    if (join.nextMs > env.nowMs) continue;
    if ([...state.peers.values()].some((peer) => isLive(peer) && addressesOf(peer).includes(join.addr))) {
      settle(draft, join.addr);
      continue;
    }
    if (!join.seed && join.attempts >= state.config.joinAttempts && state.live > 0) {
      state.joins.delete(join.addr);
      continue;
    }
    state.seq += 1;
    send(draft, join.addr, { kind: 'ping', seq: state.seq, target: null, news: takeNews(draft) });
    const { seedRetryMs, aloneRetryMs, joinMostMs } = state.config;
    const most = join.seed ? seedRetryMs : state.live === 0 ? aloneRetryMs : joinMostMs;
    const delayMs = Math.min(most, join.delayMs * 2 * uniform(env, 0.5, 1.5));
    state.joins.set(join.addr, { ...join, attempts: join.attempts + 1, delayMs, nextMs: env.nowMs + delayMs });
  }
}

/** Somebody answered from there. */
export function settle(draft: Edit, addr: string): void {
  const { state, env } = draft;
  const join = state.joins.get(addr);
  if (join === undefined) return;
  if (!join.seed) {
    state.joins.delete(addr);
    return;
  }
  const [, delayMs] = state.config.joinFirstMs;
  state.joins.set(addr, { ...join, attempts: 0, delayMs, nextMs: env.nowMs + state.config.seedRetryMs });
}
