import type { SocketRow } from '../native/scanner.ts';

/** The socket table of spec cantal 4.5 in the shape of GET /all_sockets. */
export interface SocketTable {
  readonly global: Stats;
  readonly by_user: ByKey<Stats>;
  /** uid → local port: those who serve. */
  readonly passive: ByKey<ByKey<PassivePort>>;
  /** uid → remote port: those who ask. */
  readonly active: ByKey<ByKey<ActivePort>>;
}

export interface Stats {
  readonly by_state: Record<string, number>;
  tx_queue: number;
  rx_queue: number;
}

export interface SocketJson {
  readonly protocol: 'tcp' | 'udp';
  readonly local_address: string;
  readonly remote_address: string;
  readonly state: string;
  readonly tx_queue: number;
  readonly rx_queue: number;
  readonly uid: number;
}

interface PassivePort {
  readonly stats: Stats;
  readonly listeners: readonly SocketJson[] | null;
  readonly clients: readonly SocketJson[] | null;
}

interface ActivePort {
  readonly stats: Stats;
  readonly connections: readonly SocketJson[] | null;
}

type ByKey<T> = Readonly<Record<string, T>>;

/** Numbers of include/net/tcp_states.h, as in /proc/net/tcp. */
const stateNames = [
  'UNKNOWN',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
] as const;
const listen = 10;
const closed = 7;

/** A longer list says nothing that its statistics do not. */
const longestList = 1000;

/**
 * Passive is a listener, and whatever uses the local port of one (at its address, or at any address where it listens at
 * all of them); a UDP socket without a remote end serves as well. The rest is active.
 */
export function socketTable(sockets: readonly SocketRow[]): SocketTable {
  const listeners = sockets.filter(isListener);
  const ports = new Set(listeners.map(({ localPort }) => localPort));
  const listening = new Set(
    listeners.flatMap(({ protocol, local, localPort, family }) =>
      isWildcard(local) ? [`${protocol} ${localPort}`] : [`${protocol} ${family} ${local}`],
    ),
  );
  // Most sockets use a port that nobody listens at; texts are made for the others only.
  const serves = (socket: SocketRow): boolean =>
    ports.has(socket.localPort) &&
    (listening.has(`${socket.protocol} ${socket.localPort}`) ||
      listening.has(`${socket.protocol} ${socket.family} ${socket.local}`));

  const global = noStats();
  const byUser = new Map<number, Stats>();
  const passive = new Map<number, Map<number, Bucket>>();
  const active = new Map<number, Map<number, Bucket>>();
  for (const socket of sockets) {
    count(global, socket);
    count(inserted(byUser, socket.uid, noStats), socket);
    const isPassive = isListener(socket) || serves(socket);
    const byPort = inserted(isPassive ? passive : active, socket.uid, () => new Map<number, Bucket>());
    const bucket = inserted(byPort, isPassive ? socket.localPort : socket.remotePort, noBucket);
    count(bucket.stats, socket);
    const list = isListener(socket) ? bucket.listeners : bucket.connections;
    // One more than is shown tells that there are more.
    if (list.length <= longestList) list.push(socket);
  }
  return {
    global,
    by_user: object(byUser, (stats) => stats),
    passive: object(passive, (ports) =>
      object(ports, ({ stats, listeners, connections }) => ({
        stats,
        listeners: shown(listeners),
        clients: shown(connections),
      })),
    ),
    active: object(active, (ports) =>
      object(ports, ({ stats, connections }) => ({ stats, connections: shown(connections) })),
    ),
  };
}

interface Bucket {
  readonly stats: Stats;
  readonly listeners: SocketRow[];
  readonly connections: SocketRow[];
}

const noStats = (): Stats => ({ by_state: {}, tx_queue: 0, rx_queue: 0 });
const noBucket = (): Bucket => ({ stats: noStats(), listeners: [], connections: [] });

const isWildcard = (address: string): boolean => address.startsWith('0.0.0.0:') || address.startsWith('[::]:');

/** The kernel says CLOSE of a UDP socket that is bound and connected to nobody. */
const isListener = ({ protocol, state }: SocketRow): boolean =>
  protocol === 'tcp' ? state === listen : state === closed;

const stateName = (socket: SocketRow): string =>
  socket.protocol === 'udp' && isListener(socket) ? 'LISTEN' : (stateNames[socket.state] ?? 'UNKNOWN');

function count(stats: Stats, socket: SocketRow): void {
  const name = stateName(socket);
  stats.by_state[name] = (stats.by_state[name] ?? 0) + 1;
  // The queue of a TCP listener holds connections, not bytes.
  if (socket.state === listen) return;
  stats.tx_queue += socket.sendQueue;
  stats.rx_queue += socket.receiveQueue;
}

function shown(list: readonly SocketRow[]): readonly SocketJson[] | null {
  if (list.length > longestList) return null;
  return list.map((socket) => ({
    protocol: socket.protocol,
    local_address: socket.local,
    remote_address: socket.remote,
    state: stateName(socket),
    tx_queue: socket.sendQueue,
    rx_queue: socket.receiveQueue,
    uid: socket.uid,
  }));
}

function inserted<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const held = map.get(key);
  if (held !== undefined) return held;
  const made = make();
  map.set(key, made);
  return made;
}

const object = <V, T>(map: ReadonlyMap<number, V>, as: (value: V) => T): ByKey<T> =>
  Object.fromEntries([...map].map(([key, value]) => [key, as(value)]));
