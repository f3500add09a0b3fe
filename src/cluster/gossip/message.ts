import type { Liveness, NodeRecord, Rumour } from '../member.ts';

/** What one node's version of a member amounts to, for comparing two views without sending them. */
export interface DigestEntry {
  readonly id: string;
  readonly incarnation: number;
  readonly liveness: Liveness;
}

/** A node's figures: they change with each scan, so they are no content that an incarnation orders. */
export interface Report {
  /** Other nodes that it holds for alive. */
  readonly peers: number;
  /** Of its newest scan; null: none yet. */
  readonly scanMs: number | null;
}

/** What the teller knows at first hand of a living third: a sign of life, its figures, the round trip to it. */
export interface Sighting {
  readonly id: string;
  /** Since its last packet to the teller. */
  readonly ageMs: number;
  readonly report: Report;
  readonly roundtrip: { readonly ageMs: number; readonly tookMs: number } | null;
}

export type GossipMessage =
  /** `target` null: whoever is there (a join). */
  | { readonly kind: 'ping'; readonly seq: number; readonly target: string | null; readonly news: readonly Rumour[] }
  /** `wallMs`: the answerer's clock. */
  | {
      readonly kind: 'ack';
      readonly seq: number;
      readonly wallMs: number;
      readonly news: readonly Rumour[];
      readonly sightings: readonly Sighting[];
    }
  | {
      readonly kind: 'ping-request';
      readonly seq: number;
      readonly target: string;
      readonly targetAddr: string;
      readonly news: readonly Rumour[];
    }
  /** A relay lives but has not heard from the target: tells a dead target from a deaf asker (Lifeguard). */
  | { readonly kind: 'nack'; readonly seq: number }
  | { readonly kind: 'news'; readonly news: readonly Rumour[] }
  /** All that the sender knows of ids from `from` (inclusive) up to `to` (exclusive; null: no end). */
  | {
      readonly kind: 'digest';
      readonly from: string;
      readonly to: string | null;
      readonly entries: readonly DigestEntry[];
    }
  | { readonly kind: 'want'; readonly ids: readonly string[] };

/** Every gossip packet carries its sender's own record and figures: each one is a sign of life and an introduction. */
export interface GossipPacket {
  readonly channel: 'gossip';
  readonly me: NodeRecord;
  readonly report: Report;
  readonly message: GossipMessage;
}
