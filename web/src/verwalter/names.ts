import { usePoll } from '../cantal/poll.ts';
import { asList, asText, member } from '../json.ts';

export interface Named {
  readonly id: string;
  readonly hostname: string;
  readonly addr: string;
}

const everyMs = 10_000;

/** All nodes of the cluster that this one knows, itself the first. */
export function useNames(): readonly Named[] {
  const { value } = usePoll<unknown>('/v1/peers', everyMs);
  return [member(value, 'self'), ...asList(member(value, 'peers'))].flatMap((node) => {
    const [id, hostname, addr] = ['id', 'hostname', 'addr'].map((key) => asText(member(node, key)));
    return id && hostname && addr ? [{ id, hostname, addr }] : [];
  });
}

/** Of a node by its id; the beginning of the id where it is not known. */
export const nameOf = (names: readonly Named[], id: string): string =>
  names.find((named) => named.id === id)?.hostname ?? `${id.slice(0, 8)}…`;
