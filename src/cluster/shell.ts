import { version } from '../version.ts';
import { splitAddr } from './addr.ts';
import { type ElectionConfig, election } from './election/config.ts';
import type { Env } from './env.ts';
import { addressesOf } from './gossip/addresses.ts';
import { type GossipConfig, lan } from './gossip/config.ts';
import { type Leadership, leadershipOf } from './leadership.ts';
import type { ScheduleStamp } from './member.ts';
import { openMemory } from './memory.ts';
import { type NodeEvent, nodeWakeMs, startNode, stepNode } from './node.ts';
import { type InterfaceAddress, isWildcardAddr, ownAddresses, systemAddresses } from './own-addresses.ts';
import type { Packet } from './packet.ts';
import { type PacketCounts, packetCounter, type Refusal } from './packet-counts.ts';
import { createReplayGuard } from './replay.ts';
import { createTimeline, type RoleChange } from './timeline.ts';
import { createTwins, type Twin } from './twins.ts';
import { openUdp } from './udp.ts';
import {
  type ElectionView,
  electionView,
  type GossipView,
  gossipView,
  type Member,
  memberOf,
  type PeerView,
  peerView,
} from './views.ts';
import { createSeal } from './wire/authenticate.ts';
import { isNodeId, roomForAddrs, type Text, textProblem } from './wire/bounds.ts';
import { decode } from './wire/decode.ts';
import { encode } from './wire/encode.ts';
import { split } from './wire/split.ts';

/** What a machine cannot have of its own; a test brings others. */
export interface Clock {
  /** Milliseconds on a clock that never jumps. */
  nowMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
  /** Uniform in [0, 1). */
  random(): number;
}

export interface ClusterOptions {
  /** Address by which the others reach this node; 0.0.0.0 and `::`: by all of the host's. */
  readonly host: string;
  /** All addresses of this host, looked at now and then; default: node:os. */
  readonly interfaces?: () => readonly InterfaceAddress[];
  /** How long a new address of this host may stay unsaid; default 10 s. */
  readonly interfacesEveryMs?: number;
  /** Of UDP, and of HTTP for the others. 0: any free one, for tests. */
  readonly port: number;
  /** 32 hex digits, this machine's alone. */
  readonly machineId: string;
  /** Short name: key in schedules. */
  readonly hostname: string;
  readonly name: string;
  /** Packets of other clusters are dropped. */
  readonly clusterName: string;
  /** The first signs, all are accepted. None: damage is noticed, but anybody may take part. */
  readonly keys: readonly Uint8Array[];
  /** "ip:port" of nodes to join by. */
  readonly join: readonly string[];
  readonly allowMinority: boolean;
  /** Where a restart finds what it must remember: memory.ts. Made where it is not there. Null: nowhere. */
  readonly storageDir: string | null;
  /** For people; nothing that a stranger can send fills it: each kind of line once a minute. */
  readonly log: (line: string) => void;
  readonly clock?: Clock;
  /** Other timing than that of the specification; for tests. */
  readonly election?: Partial<ElectionConfig>;
  readonly gossip?: Partial<GossipConfig>;
}

/** A node of a cluster: serves `Peers` of src/verwalter/ports.ts and `ClusterView` of src/cantal/remote/by-host.ts. */
export interface Cluster {
  /** As it is now: `addr` may change with the host's addresses. */
  readonly self: { readonly id: string; readonly addr: string; readonly hostname: string; readonly name: string };
  /** Others only, the dead among them until gossip forgets them. */
  members(): readonly Member[];
  leadership(): Leadership;
  /** Called once after each turn of changes to membership, leadership or anybody's stamp. Returns how to end that. */
  onChange(listener: () => void): () => void;
  /** What this node tells of itself from now on. Throws RangeError where nobody could be told. */
  announce(own: { readonly schedule: ScheduleStamp | null; readonly errors: number }): void;
  /** A scan was made and took so long: others are told of it. */
  scanned(tookMs: number): void;
  /** Whether this node holds connections to the others for queries about the whole cluster. */
  announceRemote(on: boolean): void;
  /** False: this node would not know what to do as a leader, steps down where it is one, and is none until true. */
  mayLead(allowed: boolean): void;
  /** Knocks at "ip:port" a few times. Returns what is wrong with the address; null: nothing, which is not "reached". */
  addHost(addr: string): string | null;
  peerViews(): readonly PeerView[];
  gossipView(): GossipView & { readonly packets: PacketCounts };
  /** The same counts as in gossipView(), without the view. */
  packets(): PacketCounts;
  electionView(): ElectionView & {
    readonly last_stable_timestamp: number | null;
    readonly timeline: readonly RoleChange[];
    /** Machines with one id: an error of whoever set them up. */
    readonly twins: readonly Twin[];
  };
  /** At once and without a word to the others, who find out as of a crash. Resolves when the socket is closed. */
  stop(): Promise<void>;
}

/** A name or an id that cannot travel in a packet. */
export class ClusterOptionError extends Error {
  readonly option: string;

  constructor(option: string, reason: string) {
    super(`${option}: ${reason}`);
    this.name = 'ClusterOptionError';
    this.option = option;
  }
}

const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
};

/** A cluster in motion changes several times a second; the disk is told when it rests. */
const rememberAfterMs = 2_000;
const sayAgainAfterMs = 60_000;
const interfacesEveryMs = 10_000;
/** Beyond it, merging schedules by their makers' clocks misleads (spec/verwalter.md 8). */
const mostSkewMs = 1_000;
/** A wall clock slewed by NTP moves less between two looks; more is a jump, after which times are told by the new one. */
const wallJumpMs = 500;

/** Rejects with UdpBindError (udp.ts) and ClusterOptionError. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { machineId: id, hostname, name, log } = options;
  checkOptions(options);
  const clock = options.clock ?? systemClock;
  const memory = await openMemory(options.storageDir, clock.wallMs(), log);
  const seal = createSeal(options.clusterName, options.keys);
  const replays = createReplayGuard();
  const counter = packetCounter();
  const say = sayRarely(clock, log);
  const timeline = createTimeline();
  const twins = createTwins();
  const listeners = new Set<() => void>();
  let stopped = false;
  let sequence = 0;
  let timer: NodeJS.Timeout | undefined;
  let rememberTimer: NodeJS.Timeout | undefined;
  let notifying = false;
  const startedMs = clock.nowMs();
  let epochMs = clock.wallMs() - clock.nowMs();

  const udp = await openUdp({
    host: options.host,
    port: options.port,
    receive: (bytes, addr) => receive(bytes, addr),
    failed: (code) => {
      counter.socketFailed(code);
      say(`socket ${code}`, `UDP ${options.host}:${options.port}: ${code}`);
    },
  });
  const interfaces = options.interfaces ?? systemAddresses;
  const whereWeAre = () => ownAddresses(udp.addr, interfaces(), roomForAddrs(hostname, name));
  const env = (): Env => ({ nowMs: clock.nowMs(), wallMs: clock.wallMs(), random: clock.random });
  let state = startNode(
    {
      self: { id, hostname, name, version, ...whereWeAre() },
      life: memory.life,
      seeds: options.join,
      gossip: { ...lan, ...options.gossip },
      election: {
        ...{ ...election, ...options.election },
        ...{ allowMinority: options.allowMinority, remembered: memory.others },
      },
    },
    env(),
  );

  function step(event: NodeEvent): void {
    if (stopped) return;
    const result = stepNode(state, event, env());
    state = result.state;
    timeline.note(id, leadershipOf(state.election), clock.wallMs());
    for (const effect of result.effects) {
      switch (effect.kind) {
        case 'send':
          send(effect.addr, effect.packet);
          break;
        case 'changed':
          changed();
          break;
        case 'unknown-sender':
          counter.refused('unknown-sender');
          break;
        case 'renamed':
          say(`name ${effect.id}`, `${effect.id}, known as ${effect.from}, now calls itself ${effect.to}`);
          break;
        default:
          effect satisfies never;
      }
    }
    clearTimeout(timer);
    timer = setTimeout(step, Math.max(0, nodeWakeMs(state) - clock.nowMs()), { kind: 'tick' });
  }

  function send(addr: string, packet: Packet): void {
    sequence += 1;
    const encoded = encode({ sender: id, life: memory.life, counter: sequence, packet });
    if (encoded.kind === 'too-long') {
      const parts = split(packet);
      if (parts === null) throw new RangeError(`a ${packet.message.kind} of ${encoded.bytes} bytes cannot be split`);
      for (const part of parts) send(addr, part);
      return;
    }
    const datagram = seal.seal(encoded.body);
    counter.sent(datagram.length);
    udp.send(addr, datagram, (code) => {
      counter.sendFailed(code);
      say(`send ${code}`, `cannot send to ${addr}: ${code}`);
    });
  }

  function receive(bytes: Uint8Array, addr: string): void {
    counter.received(bytes.length);
    const opened = seal.open(bytes);
    if (opened.kind === 'refused') {
      refuse(opened.reason, addr, null);
      return;
    }
    const decoded = decode(opened.body);
    if (decoded.kind === 'refused') {
      refuse('damaged', addr, `${decoded.field}: ${decoded.reason}`);
      return;
    }
    const { sender, life, counter: number, packet } = decoded.envelope;
    if (sender === id) {
      // What we sent ourselves, as one who is told to join by his own address does, is no other machine's.
      if (life !== memory.life) twins.seen(id, addr, clock.wallMs());
      refuse('own-id', addr, null);
      return;
    }
    const verdict = replays.check(sender, life, number, clock.nowMs());
    if (verdict !== 'new') {
      // Two starts of one id that go on sending from two addresses; a restarted machine has one.
      const known = state.gossip.peers.get(sender);
      if (verdict === 'earlier-life' && known !== undefined && !addressesOf(known).includes(addr)) {
        twins.seen(sender, addr, clock.wallMs());
      }
      refuse(verdict, addr, sender);
      return;
    }
    step({ kind: 'packet', from: sender, addr, packet });
    const skewMs = state.gossip.peers.get(sender)?.skewMs ?? 0;
    if (Math.abs(skewMs) > mostSkewMs) {
      const seconds = (Math.abs(skewMs) / 1_000).toFixed(1);
      say(`skew ${sender}`, `the clock of ${addr} is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} ours`);
    }
  }

  function refuse(reason: Refusal, addr: string, detail: string | null): void {
    counter.refused(reason);
    const why = refusalLine(reason);
    if (why !== null) say(reason, `packet from ${addr} dropped: ${why}${detail === null ? '' : ` (${detail})`}`);
  }

  function changed(): void {
    rememberTimer ??= setTimeout(remember, rememberAfterMs);
    if (notifying) return;
    notifying = true;
    // Afterwards: a listener may announce something, which is a step of its own.
    queueMicrotask(() => {
      notifying = false;
      if (stopped) return;
      for (const listener of [...listeners]) listener();
    });
  }

  function remember(): Promise<void> {
    clearTimeout(rememberTimer);
    rememberTimer = undefined;
    const peers = [...state.gossip.peers.values()];
    // First addresses first: where the list is cut, each node is still in it.
    const others = peers.flatMap((peer) => addressesOf(peer).slice(1));
    // While it has not met those of its former life, this node knows no better than it did then.
    const known = state.gossip.peers.size;
    if (known < memory.others && clock.nowMs() - startedMs < state.election.config.rememberedMs)
      return Promise.resolve();
    return memory.remember([...new Set([...peers.map(({ addr }) => addr), ...others])], known);
  }

  function epoch(): number {
    const current = clock.wallMs() - clock.nowMs();
    if (Math.abs(current - epochMs) > wallJumpMs) epochMs = current;
    return epochMs;
  }

  step({ kind: 'tick' });
  for (const addr of memory.peers) step({ kind: 'add-host', addr });
  const readdress = isWildcardAddr(udp.addr)
    ? setInterval(
        () => step({ kind: 'addresses', ...whereWeAre() }),
        options.interfacesEveryMs ?? interfacesEveryMs,
      ).unref()
    : undefined;

  return {
    get self() {
      return { id, addr: state.gossip.self.addr, hostname, name };
    },
    members: () => [...state.gossip.peers.values()].map((peer) => memberOf(peer, epoch())),
    leadership: () => leadershipOf(state.election),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    announce({ schedule, errors }) {
      checkStamp(schedule);
      step({ kind: 'announce', schedule, errors: Math.min(0xffff_ffff, Math.max(0, Math.trunc(errors) || 0)) });
    },
    scanned(tookMs) {
      step({ kind: 'scanned', tookMs });
    },
    announceRemote: (on) => step({ kind: 'remote', on }),
    mayLead: (allowed) => step({ kind: 'willing', willing: allowed }),
    addHost(addr) {
      if (splitAddr(addr) === null) return 'no IP:PORT';
      step({ kind: 'add-host', addr });
      return null;
    },
    peerViews() {
      const nowMs = clock.nowMs();
      return [...state.gossip.peers.values()].map((peer) => peerView(peer, state.gossip.config, nowMs, epoch()));
    },
    gossipView: () => ({ ...gossipView(state, clock.nowMs()), packets: counter.view() }),
    packets: () => counter.view(),
    electionView() {
      const wallMs = clock.wallMs();
      return {
        ...electionView(state, clock.nowMs(), wallMs),
        last_stable_timestamp: timeline.lastStableMs(wallMs),
        timeline: timeline.changes(),
        twins: twins.now(wallMs),
      };
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      clearTimeout(timer);
      clearInterval(readdress);
      await Promise.all([udp.close(), rememberTimer === undefined ? null : remember()]);
    },
  };
}

function checkOptions(options: ClusterOptions): void {
  if (!isNodeId(options.machineId)) throw new ClusterOptionError('machineId', 'not 32 hex digits');
  for (const option of ['hostname', 'name'] satisfies Text[]) {
    const problem = textProblem(option, options[option]);
    if (problem !== null) throw new ClusterOptionError(option, problem);
  }
  for (const addr of options.join) {
    if (splitAddr(addr) === null) throw new ClusterOptionError('join', `${addr} is no IP:PORT`);
  }
}

function checkStamp(schedule: ScheduleStamp | null): void {
  if (schedule === null) return;
  const problem = textProblem('hash', schedule.hash);
  if (problem !== null) throw new RangeError(`schedule.hash: ${problem}`);
  if (!isNodeId(schedule.origin)) throw new RangeError('schedule.origin: not 32 hex digits');
  if (!Number.isFinite(schedule.timestamp)) throw new RangeError('schedule.timestamp: no time');
}

/** Null: rubbish, counted and nothing more. */
function refusalLine(reason: Refusal): string | null {
  switch (reason) {
    case 'mac':
      return 'signed with a key that is not ours, or damaged on the way';
    case 'other-cluster':
      return 'of a cluster with another name';
    case 'unknown-format':
      return 'of another version of the packet format';
    case 'damaged':
      return 'signed with our key, but not to be read';
    case 'own-id':
      return 'it carries our own machine id: two machines must not share one (/etc/machine-id)';
    case 'earlier-life':
      return 'of an earlier start of its sender: repeated by somebody, two machines with one id, or a clock set back';
    case 'too-short':
    case 'too-long':
    case 'not-ours':
    case 'replayed':
    case 'unknown-sender':
      return null;
    default:
      return reason satisfies never;
  }
}

function sayRarely(clock: Clock, log: (line: string) => void): (key: string, line: string) => void {
  const saidMs = new Map<string, number>();
  return (key, line) => {
    const nowMs = clock.nowMs();
    if (nowMs - (saidMs.get(key) ?? Number.NEGATIVE_INFINITY) < sayAgainAfterMs) return;
    saidMs.set(key, nowMs);
    log(line);
  };
}
