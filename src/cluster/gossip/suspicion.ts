import type { GossipConfig } from './config.ts';

/**
 * A suspicion's timer (Lifeguard, section IV-B): long while we alone suspect, shorter with each independent accuser,
 * down to the least when enough agree.
 */
export interface Suspicion {
  readonly startedMs: number;
  readonly leastMs: number;
  readonly mostMs: number;
  /** Independent accusers beside the first that bring it down to the least. */
  readonly needed: number;
  /** The first is who told us. */
  readonly accusers: readonly string[];
}

export function suspect(config: GossipConfig, nowMs: number, accuser: string, clusterSize: number): Suspicion {
  const leastMs = config.suspicionMult * Math.max(1, Math.log10(clusterSize)) * config.probeIntervalMs;
  // Two of the cluster cannot accuse: the suspect and the first accuser.
  const wanted = config.suspicionMult - 2;
  const needed = clusterSize - 2 < wanted ? 0 : wanted;
  return {
    startedMs: nowMs,
    leastMs,
    mostMs: needed === 0 ? leastMs : leastMs * config.suspicionMaxMult,
    needed,
    accusers: [accuser],
  };
}

/** Null: this accuser says nothing new. */
export function confirm(suspicion: Suspicion, accuser: string): Suspicion | null {
  if (suspicion.accusers.length > suspicion.needed || suspicion.accusers.includes(accuser)) return null;
  return { ...suspicion, accusers: [...suspicion.accusers, accuser] };
}

export function deadlineMs(suspicion: Suspicion): number {
  const { startedMs, leastMs, mostMs, needed, accusers } = suspicion;
  if (needed === 0) return startedMs + leastMs;
  const share = Math.log(accusers.length) / Math.log(needed + 1);
  return startedMs + Math.max(leastMs, mostMs - share * (mostMs - leastMs));
}
