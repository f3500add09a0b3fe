import type { GossipConfig } from './config.ts';

/**
 * Lifeguard's local health: 0 is well. Probes that fail without a word from the relays, and suspicions of ourselves
 * that we had to refute, speak against us rather than against others, and slow down our judging.
 */
export function adjusted(config: GossipConfig, health: number, delta: number): number {
  return Math.min(config.mostHealth, Math.max(0, health + delta));
}

export const stretched = (health: number, ms: number): number => ms * (health + 1);
