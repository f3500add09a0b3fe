import type { Packet } from '../packet.ts';

/** A packet and what protects it from being told twice. */
export interface Envelope {
  /** Node id of who sends it. */
  readonly sender: string;
  /** The sender's start: higher at each. */
  readonly life: number;
  /** Higher in each datagram of one life. */
  readonly counter: number;
  readonly packet: Packet;
}
