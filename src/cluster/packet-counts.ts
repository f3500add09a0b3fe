import type { SealProblem } from './wire/authenticate.ts';

/** Why a packet was dropped. */
export type Refusal =
  | SealProblem
  /** Authentic, and yet none that we can read. */
  | 'damaged'
  /** Another machine has our machine id. */
  | 'own-id'
  | 'replayed'
  | 'earlier-life'
  /** An election packet of a node that gossip does not know yet. */
  | 'unknown-sender';

/** Since the start of the process. */
export interface PacketCounts {
  readonly received: number;
  readonly receivedBytes: number;
  readonly sent: number;
  readonly sentBytes: number;
  readonly refused: Readonly<Record<Refusal, number>>;
  /** By errno's name. */
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly socketErrors: Readonly<Record<string, number>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface PacketCounter {
  received(bytes: number): void;
  sent(bytes: number): void;
  refused(reason: Refusal): void;
  sendFailed(code: string): void;
  socketFailed(code: string): void;
  view(): PacketCounts;
}

export function packetCounter(): PacketCounter {
  const counts: Mutable<Omit<PacketCounts, 'refused' | 'sendErrors' | 'socketErrors'>> = {
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
  };
  const refused: Record<Refusal, number> = {
    'too-short': 0,
    'too-long': 0,
    'not-ours': 0,
    'unknown-format': 0,
    'other-cluster': 0,
    mac: 0,
    damaged: 0,
    'own-id': 0,
    replayed: 0,
    'earlier-life': 0,
    'unknown-sender': 0,
  };
  const sendErrors: Record<string, number> = {};
  const socketErrors: Record<string, number> = {};
  return {
    received(bytes) {
      counts.received += 1;
      counts.receivedBytes += bytes;
    },
    sent(bytes) {
      counts.sent += 1;
      counts.sentBytes += bytes;
    },
    refused(reason) {
      refused[reason] += 1;
    },
    sendFailed(code) {
      sendErrors[code] = (sendErrors[code] ?? 0) + 1;
    },
    socketFailed(code) {
      socketErrors[code] = (socketErrors[code] ?? 0) + 1;
    },
    view: () => ({
      ...counts,
      refused: { ...refused },
      sendErrors: { ...sendErrors },
      socketErrors: { ...socketErrors },
    }),
  };
}
