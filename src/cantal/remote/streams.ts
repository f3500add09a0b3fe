import type { Env } from '../../cluster/env.ts';
import { openPeerSocket, type PeerSocket } from '../../http/peer-socket.ts';
import { decodeReply } from './decode.ts';
import { encodeRequest } from './encode.ts';
import type { WantedFilter } from './filter.ts';
import { limits, peerStreamPath } from './limits.ts';
import { createMirror, type Mirror } from './mirror.ts';
import { initialState, type MemberAddr, type PeerLink, type RemoteState } from './state.ts';
import { type RemoteEffect, type RemoteEvent, remoteWakeMs, step } from './step.ts';

export interface StreamsOptions {
  /** The first signs. Empty: unsigned, for a cluster on one machine. */
  readonly keys: readonly Uint8Array[];
  readonly members: () => readonly { readonly id: string; readonly addr: string; readonly liveness: string }[];
  readonly onMembers: (listener: () => void) => () => void;
  /** What gossip is to say of this node. */
  readonly announce: (on: boolean) => void;
  /** Told of peers that send what cannot be read. */
  readonly log: (line: string) => void;
  readonly clock?: { nowMs(): number; wallMs(): number; random(): number };
  readonly connect?: typeof openPeerSocket;
}

/** The effects of step.ts: sockets to the peers, and the mirrors that what they say is kept in. */
export interface Streams {
  ask(filters: readonly WantedFilter[]): void;
  start(): void;
  state(): RemoteState;
  /** What a peer told of a filter over the connection that stands; null: nothing (yet). */
  live(peer: PeerLink, filter: string): Mirror | null;
  /** The same, whatever became of the connection. */
  kept(peer: string, filter: string): Mirror | null;
  /** What came from a peer since the connections are on. */
  received(peer: string): Traffic;
  mirrorSizes(): ReadonlyMap<string, { readonly filters: number; readonly series: number; readonly samples: number }>;
  stop(): void;
}

export interface Traffic {
  readonly messages: number;
  readonly bytes: number;
}

const noTraffic: Traffic = { messages: 0, bytes: 0 };

interface Kept {
  readonly mirror: Mirror;
  /** The connection that it was last told over. */
  socket: number;
}

const systemClock = { nowMs: () => performance.now(), wallMs: () => Date.now(), random: () => Math.random() };
/** setTimeout has 31 bits. */
const longestTimerMs = 2 ** 30;

export function startStreams(options: StreamsOptions): Streams {
  const { keys, log, clock = systemClock, connect = openPeerSocket } = options;
  const sockets = new Map<number, PeerSocket>();
  /** Peer → filter → mirror. */
  const mirrors = new Map<string, Map<string, Kept>>();
  const traffic = new Map<string, Traffic>();
  let mirrored = 0;
  let state = initialState;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const env = (): Env => ({ nowMs: clock.nowMs(), wallMs: clock.wallMs(), random: clock.random });
  const members = (): MemberAddr[] =>
    options.members().map(({ id, addr, liveness }) => ({ id, addr, alive: liveness !== 'dead' }));

  function take(event: RemoteEvent): void {
    if (stopped) return;
    const result = step(state, event, env());
    state = result.state;
    for (const effect of result.effects) perform(effect);
    clearTimeout(timer);
    const wake = remoteWakeMs(state);
    if (wake === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(longestTimerMs, Math.max(0, wake - clock.nowMs()));
    timer = setTimeout(take, delay, { kind: 'tick' });
    timer.unref();
  }

  function perform(effect: RemoteEffect): void {
    switch (effect.kind) {
      case 'connect':
        open(effect.id, effect.addr, effect.socket);
        return;
      case 'close':
        sockets.get(effect.socket)?.close();
        sockets.delete(effect.socket);
        return;
      case 'send':
        sockets.get(effect.socket)?.send(encodeRequest(effect.request));
        return;
      case 'merge':
        merge(effect);
        return;
      case 'forget':
        forget(effect.id, effect.filter);
        return;
      case 'remote':
        if (!effect.on) traffic.clear();
        options.announce(effect.on);
        return;
      default:
        effect satisfies never;
    }
  }

  function open(id: string, addr: string, socket: number): void {
    const damaged = (reason: string): void => {
      log(`${addr}: what it streams is not understood: ${reason}`);
      take({ kind: 'damaged', id, socket, reason });
    };
    const opened = connect(
      { addr, path: peerStreamPath, keys, maxMessageBytes: limits.mostMessageBytes + 1024 },
      {
        opened: () => take({ kind: 'opened', id, socket }),
        message(body) {
          const { messages, bytes } = traffic.get(id) ?? noTraffic;
          traffic.set(id, { messages: messages + 1, bytes: bytes + body.length });
          const decoded = decodeReply(body);
          if (decoded.kind === 'refused') damaged(decoded.reason);
          else take({ kind: 'message', id, socket, message: decoded.message });
        },
        lost(why, reason) {
          sockets.delete(socket);
          take({ kind: 'lost', id, socket, why, reason });
        },
      },
    );
    sockets.set(socket, opened);
  }

  function merge({ id, socket, stats, intervalMs }: Extract<RemoteEffect, { kind: 'merge' }>): void {
    const ofPeer = mirrors.get(id) ?? new Map<string, Kept>();
    mirrors.set(id, ofPeer);
    const kept = ofPeer.get(stats.filter) ?? { mirror: createMirror(), socket };
    if (kept.socket !== socket && !stats.anew) return;
    const before = kept.mirror.samples();
    const problem = kept.mirror.merge(stats, intervalMs);
    if (problem !== null) {
      // An effect may not step the machine that it belongs to.
      queueMicrotask(() => take({ kind: 'damaged', id, socket, reason: problem }));
      return;
    }
    ofPeer.set(stats.filter, kept);
    kept.socket = socket;
    mirrored += kept.mirror.samples() - before;
    const { filter } = stats;
    if (mirrored > limits.mostMirrored) queueMicrotask(() => take({ kind: 'too-much', id, filter }));
  }

  function forget(id: string | null, filter: string | null): void {
    for (const [peer, ofPeer] of mirrors) {
      if (id !== null && peer !== id) continue;
      for (const [name, { mirror }] of ofPeer) {
        if (filter !== null && name !== filter) continue;
        mirrored -= mirror.samples();
        ofPeer.delete(name);
      }
      if (ofPeer.size === 0) mirrors.delete(peer);
    }
  }

  const leave = options.onMembers(() => take({ kind: 'members', members: members() }));
  take({ kind: 'members', members: members() });

  return {
    ask: (filters) => take({ kind: 'ask', filters }),
    start: () => take({ kind: 'start' }),
    state: () => state,
    live({ id, link }, filter) {
      const kept = mirrors.get(id)?.get(filter);
      return kept !== undefined && link.kind === 'open' && kept.socket === link.socket ? kept.mirror : null;
    },
    kept: (peer, filter) => mirrors.get(peer)?.get(filter)?.mirror ?? null,
    received: (peer) => traffic.get(peer) ?? noTraffic,
    mirrorSizes() {
      return new Map(
        [...mirrors].map(([peer, ofPeer]) => {
          const all = [...ofPeer.values()].map(({ mirror }) => mirror);
          const sum = (of: (mirror: Mirror) => number) => all.reduce((total, mirror) => total + of(mirror), 0);
          return [
            peer,
            { filters: all.length, series: sum((each) => each.series()), samples: sum((each) => each.samples()) },
          ];
        }),
      );
    },
    stop() {
      if (stopped) return;
      stopped = true;
      leave();
      clearTimeout(timer);
      for (const socket of sockets.values()) socket.close();
      sockets.clear();
      mirrors.clear();
    },
  };
}
