/** Every duration in milliseconds. `lan` is for hosts in one or some neighbouring rooms. */
export interface GossipConfig {
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  /** A node is probed by somebody who waits no longer than this many rounds for its turn. */
  readonly peersPerProbe: number;
  readonly mostProbesPerRound: number;
  readonly indirectProbes: number;
  readonly nackShare: number;
  readonly mostHealth: number;
  readonly suspicionMult: number;
  readonly suspicionMaxMult: number;
  readonly spreadIntervalMs: number;
  readonly spreadFanout: number;
  readonly retransmitMult: number;
  readonly newsBudgetBytes: number;
  readonly syncIntervalMs: number;
  readonly digestEntries: number;
  readonly mostPushPackets: number;
  readonly deadProbeIntervalMs: number;
  readonly joinFirstMs: readonly [number, number];
  readonly joinAttempts: number;
  readonly joinMostMs: number;
  readonly seedRetryMs: number;
  readonly aloneRetryMs: number;
  readonly sightingsPerAck: number;
  readonly preFailMs: number;
  readonly staleMs: number;
  readonly failMs: number;
  readonly forgetMs: number;
  readonly collectIntervalMs: number;
}

export const lan: GossipConfig = {
  // One probe a second finds a dead node of three within 2 s and costs nothing.
  probeIntervalMs: 1_000,
  // A healthy LAN answers in 1 ms; half of the interval leaves the other half for indirect probes.
  probeTimeoutMs: 500,
  // With 20 peers a probe, each peer is heard directly about every 10 s whatever the size: the election's minority
  // mode counts who was heard within 75 s, and 20 s of silence is shown as pre-fail.
  peersPerProbe: 20,
  // spec/cantal.md 6.3: bounds traffic however large the cluster is.
  mostProbesPerRound: 10,
  // SWIM: three relays reach a living peer with 5 % loss in all but 1 of 1000 tries.
  indirectProbes: 3,
  // A relay says "not yet" at 80 % of the timeout, so that the asker hears it before it judges.
  nackShare: 0.8,
  // Lifeguard: at worst, nine times slower before others are blamed for what may be our own fault.
  mostHealth: 8,
  // Time for a suspect to hear of it and object: 4 rounds × log10(n).
  suspicionMult: 4,
  // Without anyone else's word a suspicion may be our own deafness: six times longer.
  suspicionMaxMult: 6,
  // News that waits for the next probe is up to 1 s old at every hop; while there is any, it is sent five times a second.
  spreadIntervalMs: 200,
  spreadFanout: 3,
  // Each word is sent 4 × log10(n + 1) times by each node: enough for every node to hear it, with room for loss.
  retransmitMult: 4,
  // One Ethernet frame without fragments, authentication and envelope included.
  newsBudgetBytes: 1_000,
  // Repairs what rumours missed; ten seconds is how long a lost word may stay lost.
  syncIntervalMs: 10_000,
  // 28 bytes each: a digest stays below 6 KiB.
  digestEntries: 200,
  // A newcomer gets at most this many packets at once; what is left comes with the next digest.
  mostPushPackets: 16,
  // One dead peer every 5 s: a healed partition is noticed in seconds, as every node on both sides knocks.
  deadProbeIntervalMs: 5_000,
  // spec/cantal.md 6.3, add_host.
  joinFirstMs: [50, 150],
  joinAttempts: 5,
  joinMostMs: 3_600_000,
  // A configured address is a wish for good: knocked at as long as nobody alive has it.
  seedRetryMs: 30_000,
  // A node that is alone goes on knocking at every address that it ever had, once a minute each at the latest.
  aloneRetryMs: 60_000,
  // 40 bytes each, and only in acks that have no news to tell.
  sightingsPerAck: 3,
  // spec/cantal.md 6.3 and 6.4.
  preFailMs: 20_000,
  staleMs: 600_000,
  failMs: 3_600_000,
  forgetMs: 172_800_000,
  collectIntervalMs: 300_000,
};
