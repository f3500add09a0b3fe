import type { Node } from './partition.ts';
import type { Relay } from './relay.ts';

export const jobFd = 3;
export const readyFd = 4;
/** From it on: the descriptors that the job names. */
export const firstFd = 5;

/** What the keeper of a test network is told. */
export interface KeeperJob {
  /** `net`: the descriptor of the node's network namespace. */
  readonly nodes: readonly (Node & { readonly net: number })[];
  readonly relays: readonly Relay[];
  /** There is an interface to the outside, for the nodes too. */
  readonly outside: boolean;
}
