/** Spec cantal 6.5, where not said otherwise. */
export const limits = {
  /** Agents that one agent connects to. */
  mostPeers: 4096,
  mostConnecting: 64,
  handshakeMs: 30_000,
  /** Without any message: the connection is taken for broken. */
  silenceMs: 15_000,
  firstDelayMs: [5, 150],
  /** Before the next attempt, by how the one before ended. */
  retryMs: { timeout: [750, 2_250], refused: [1_000, 2_000], reset: [5, 150] },
  /** After the last query that needed it. */
  keepSubscriptionMs: 180_000,
  cleanMs: 60_000,
  /** Per series of a mirror: 5 minutes at the default period. */
  mostSamples: 150,
  mostMessageBytes: 1024 * 1024,
  /** Ours: names of filters are 8 bytes and their text has to fit a request of 16 KiB with some room. */
  mostFilterBytes: 15 * 1024,
  /** Ours: filters of one connection, as many as a query has rules. */
  mostFilters: 100,
  /** Ours: series of one filter; what selects more is asked for once and again, so that the peer can fold it. */
  mostSlots: 2_000,
  /** Ours: samples in all mirrors of an agent, 8 to 16 bytes each. */
  mostMirrored: 8_000_000,
  /** Ours: a peer whose scans are rare is still heard of in time. */
  beaconMs: 5_000,
} as const;

/** Where peers open their streams. */
export const peerStreamPath = '/v1/peer/stream';
