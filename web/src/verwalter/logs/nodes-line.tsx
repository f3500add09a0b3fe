import { usePoll } from '../../cantal/poll.ts';
import { asList, asText, member } from '../../json.ts';

const everyMs = 10_000;

/** Logs are each node's own: the same page of the others. */
export function OtherNodes({ path }: { path: string }) {
  const { value } = usePoll<unknown>('/v1/peers', everyMs);
  const peers = asList(member(value, 'peers')).flatMap((peer) => {
    const [hostname, addr] = [asText(member(peer, 'hostname')), asText(member(peer, 'addr'))];
    return hostname === null || addr === null ? [] : [{ hostname, addr }];
  });
  if (peers.length === 0) return null;
  return (
    <p class="muted note other-nodes">
      The same on{' '}
      {peers.map(({ hostname, addr }) => (
        <a key={addr} href={`http://${addr}${path}`}>
          {hostname}
        </a>
      ))}
    </p>
  );
}
