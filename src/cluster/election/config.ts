/** Every duration in milliseconds; the values of spec/verwalter.md 4.2 unless a reason says otherwise. */
export interface ElectionConfig {
  readonly startMs: number;
  /** Uniform in [from, below), drawn anew at every ping and vote. */
  readonly intervalMs: readonly [number, number];
  readonly heartbeatMs: number;
  readonly candidateMs: readonly [number, number];
  readonly resendMs: number;
  readonly leaseMs: number;
  readonly settleMs: number;
  readonly peersFreshMs: number;
  readonly reportedMs: number;
  /** Quorum of the nodes directly reported within `reportedMs` instead of all known ones. */
  readonly allowMinority: boolean;
  /**
   * Other nodes that were known before a restart. The quorum counts at least so many until `rememberedMs` after the start,
   * as it would have without the restart.
   */
  readonly remembered: number;
  readonly rememberedMs: number;
  /** Never lead while fewer nodes than this are visible, self included. 0: no limit. */
  readonly minCluster: number;
  /** Size of the whole cluster, self included: quorum from it instead of the known list. Null: from the list. */
  readonly expectedPeers: number | null;
  /** Votes and follows, never leads. */
  readonly neverLead: boolean;
  /** Leads at once and whatever others say. For looking at one node alone; breaks every promise of this protocol. */
  readonly forceLeader: boolean;
}

export const election: ElectionConfig = {
  startMs: 5_000,
  intervalMs: [1_600, 4_000],
  heartbeatMs: 500,
  // Uniform, so that two candidates that tied do not tie for ever.
  candidateMs: [500, 1_000],
  // Asks and votes are sent again to who has not answered: with 5 % loss a candidate of three would otherwise wait for
  // its deadline in every tenth election. Three tries fit into the shortest candidature.
  resendMs: 150,
  // A leader that hears no quorum for so long steps down at its next heartbeat: before a voter that restarted since may
  // vote again (4 s), with half a second to spare for packets on their way.
  leaseMs: 3_000,
  // Who has just voted grants no pre-vote to the next: the shortest candidature gets its time.
  settleMs: 500,
  peersFreshMs: 1_500,
  reportedMs: 75_000,
  allowMinority: false,
  remembered: 0,
  // As long as gossip remembers a node that nobody hears (gossip/config.ts, forgetMs).
  rememberedMs: 172_800_000,
  minCluster: 0,
  expectedPeers: null,
  neverLead: false,
  forceLeader: false,
};
