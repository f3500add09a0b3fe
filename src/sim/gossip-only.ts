import type { Env } from '../cluster/env.ts';
import type { GossipEffect } from '../cluster/gossip/edit.ts';
import type { GossipState } from '../cluster/gossip/state.ts';
import { type GossipEvent, stepGossip } from '../cluster/gossip/step.ts';
import { type NodeEffect, type NodeEvent, type NodeState, type NodeStep, startNode } from '../cluster/node.ts';
import type { Machine } from './world.ts';

/** Nodes that find and watch each other and elect nobody: for what is about membership, and for a thousand of them. */
export const gossipOnly: Machine = {
  start: startNode,
  wakeMs: ({ gossip }) => gossip.wakeMs,
  step(state: NodeState, event: NodeEvent, env: Env): NodeStep {
    const effects: NodeEffect[] = [];
    let { gossip } = state;
    const run = (each: GossipEvent): void => {
      const result = stepGossip(gossip, each, env);
      gossip = result.state;
      for (const effect of result.effects) effects.push(addressed(effect, gossip));
    };
    if (gossip.wakeMs <= env.nowMs) run({ kind: 'tick' });
    if (event.kind !== 'packet') {
      if (event.kind !== 'tick' && event.kind !== 'willing') run(event);
    } else if (event.packet.channel === 'gossip') {
      run({ kind: 'packet', addr: event.addr, packet: event.packet });
    }
    return { state: { ...state, gossip }, effects };
  },
};

function addressed(effect: GossipEffect, { self, live, scanMs }: GossipState): NodeEffect {
  if (effect.kind !== 'send') return effect;
  const { addr, message } = effect;
  const packet = { channel: 'gossip', me: self, report: { peers: live, scanMs }, message } as const;
  return { kind: 'send', addr, packet };
}
