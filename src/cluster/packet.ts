import type { ElectionPacket } from './election/message.ts';
import type { GossipPacket } from './gossip/message.ts';

/** All that nodes say to one another. */
export type Packet = GossipPacket | ElectionPacket;
