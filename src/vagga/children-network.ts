import type { ContainerSpec } from '../native/container.ts';
import type { Child } from './config/command.ts';
import { Refusal } from './refusal.ts';
import type { RunRequest } from './run/command.ts';
import { closeNetwork, inNetwork, makeIsolatedNetwork } from './run/shared-network.ts';
import { type Guest, planGuests, wantsTestNetwork } from './test-network/guests.ts';
import { openTestNetwork } from './test-network/network.ts';
import { placeBridgeCommand, placeChild, programFolder } from './test-network/place.ts';

/** What the children of a !Supervise are in together. */
export type NetworkPlan =
  | { readonly kind: 'host' }
  /** All in one isolated network, so that they reach each other. */
  | { readonly kind: 'isolated' }
  | { readonly kind: 'test'; readonly guests: readonly Guest[] };

/** That network, once it is there. */
export interface ChildrenNetwork {
  /** What a child asks for, as it is asked there. */
  request(child: Child, request: RunRequest): RunRequest;
  place(name: string, child: Child, spec: ContainerSpec): ContainerSpec | { readonly problem: string };
  close(): Promise<void>;
}

/** Throws a Refusal. */
export function planNetwork(name: string, children: ReadonlyMap<string, Child>, isolated: boolean): NetworkPlan {
  if (!wantsTestNetwork(children.values())) return { kind: isolated ? 'isolated' : 'host' };
  if (isolated) {
    throw new Refusal('config', `${name}: its children have a network: an isolated one does not go together with it`);
  }
  const planned = planGuests(children);
  if ('problem' in planned) throw new Refusal('config', `${name}: ${planned.problem}`);
  return { kind: 'test', guests: planned.guests };
}

/** Throws a Refusal. */
export async function openNetwork(
  plan: NetworkPlan,
  storage: string,
  tell: (message: string) => void,
): Promise<ChildrenNetwork> {
  switch (plan.kind) {
    case 'host':
      return { request: (_, request) => request, place: (_, __, spec) => spec, async close() {} };
    case 'isolated': {
      const network = makeIsolatedNetwork();
      if ('problem' in network) throw new Refusal('container', network.problem);
      return {
        request: (_, request) => request,
        place: (_, __, spec) => inNetwork(spec, network),
        async close() {
          closeNetwork(network);
        },
      };
    }
    case 'test': {
      const { guests } = plan;
      const { spaces, hostsFile, resolverFile, close } = await openTestNetwork({ storage, guests, tell });
      return {
        request(child, request) {
          const found = { ...request, hostsSource: hostsFile, resolverSource: resolverFile };
          if (child.tag !== 'BridgeCommand') return found;
          const env = { ...request.env, PATH: `${request.env.PATH ?? ''}:${programFolder}` };
          // It is to manipulate its peers: only root may.
          return { ...found, env, userId: 0, externalUserId: null };
        },
        place: (name, child, spec) =>
          child.tag === 'BridgeCommand' ? placeBridgeCommand(spec, spaces, guests) : placeChild(spec, spaces, name),
        close,
      };
    }
    default:
      return plan satisfies never;
  }
}

/** In the order in which they are started: bridge commands last, when the nodes are there. */
export function startOrder<T extends { readonly child: Child }>(children: readonly T[]): readonly T[] {
  const isBridge = ({ child }: T): boolean => child.tag === 'BridgeCommand';
  return [...children.filter((each) => !isBridge(each)), ...children.filter(isBridge)];
}
