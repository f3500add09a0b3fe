import type { Packet } from '../packet.ts';

/**
 * A packet too long for one datagram as two that say the same together; null where it cannot be divided, which the
 * bounds of its parts rule out (bounds.ts). News goes first: who is accused in it hears so before it answers the ping.
 */
export function split(packet: Packet): readonly [Packet, Packet] | null {
  if (packet.channel === 'election') return null;
  const { message } = packet;
  switch (message.kind) {
    case 'ping':
    case 'ack':
    case 'ping-request':
      if (message.news.length === 0) return null;
      return [
        { ...packet, message: { kind: 'news', news: message.news } },
        { ...packet, message: { ...message, news: [] } },
      ];
    case 'news': {
      const [first, second] = halves(message.news);
      if (first.length === 0) return null;
      return [
        { ...packet, message: { kind: 'news', news: first } },
        { ...packet, message: { kind: 'news', news: second } },
      ];
    }
    case 'digest': {
      const sorted = message.entries.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      const [first, second] = halves(sorted);
      const middle = second[0]?.id;
      if (first.length === 0 || middle === undefined) return null;
      return [
        { ...packet, message: { kind: 'digest', from: message.from, to: middle, entries: first } },
        { ...packet, message: { kind: 'digest', from: middle, to: message.to, entries: second } },
      ];
    }
    case 'want': {
      const [first, second] = halves(message.ids);
      if (first.length === 0) return null;
      return [
        { ...packet, message: { kind: 'want', ids: first } },
        { ...packet, message: { kind: 'want', ids: second } },
      ];
    }
    case 'nack':
      return null;
    default:
      return message satisfies never;
  }
}

function halves<T>(list: readonly T[]): [T[], T[]] {
  const middle = Math.floor(list.length / 2);
  return [list.slice(0, middle), list.slice(middle)];
}
