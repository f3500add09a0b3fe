import type { Random } from './random.ts';

/** Weather of the whole network. Shares are probabilities of each packet. */
export interface Weather {
  readonly loss: number;
  readonly duplication: number;
  /** One way; uniform in [from, to): packets overtake each other. */
  readonly delayMs: readonly [number, number];
}

export const calm: Weather = { loss: 0, duplication: 0, delayMs: [0.2, 2] };
export const rough: Weather = { loss: 0.05, duplication: 0.01, delayMs: [0.5, 40] };

/** Which packets get through, and when. Nodes are numbers. */
export interface Network {
  weather: Weather;
  /** Group of each node; packets pass within one group only. Null: all in one. */
  groups: readonly number[] | null;
  /** Receive nothing, send everything. */
  readonly deaf: Set<number>;
  /** Send nothing that arrives, receive everything. */
  readonly mute: Set<number>;
  /** "from>to" pairs that do not work. */
  readonly cut: Set<string>;
  /** Addresses from and to which nothing goes: an interface that died while its host lives on. */
  readonly silent: Set<string>;
  /** Delays of the copies that arrive: none, one, or two. */
  pass(from: number, to: number): number[];
}

export function network(weather: Weather, random: Random): Network {
  const net: Network = {
    weather,
    groups: null,
    deaf: new Set(),
    mute: new Set(),
    cut: new Set(),
    silent: new Set(),
    pass(from, to) {
      const { loss, duplication, delayMs } = net.weather;
      if (net.groups !== null && net.groups[from] !== net.groups[to]) return [];
      if (net.deaf.has(to) || net.mute.has(from)) return [];
      if (net.cut.size > 0 && net.cut.has(`${from}>${to}`)) return [];
      const delay = (): number => delayMs[0] + random() * (delayMs[1] - delayMs[0]);
      const copies: number[] = [];
      if (random() >= loss) copies.push(delay());
      if (duplication > 0 && random() < duplication) copies.push(delay());
      return copies;
    },
  };
  return net;
}
