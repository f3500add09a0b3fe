import { formatCount, formatDuration, formatMs, unknown } from '../format.ts';
import { Mark, type Tone } from '../mark.tsx';
import { Frame } from './frame.tsx';
import { longSilentMs, type PeerFacts, peerFacts } from './peer-facts.ts';
import { usePoll } from './poll.ts';
import { useStatus } from './status.ts';

const everyMs = 2_000;
const tones: Readonly<Record<string, Tone>> = { alive: 'good', suspect: 'warn', dead: 'bad' };

/** The other agents, as gossip knows them. */
export function PeersPage() {
  const { value: all, problem } = usePoll<unknown>('/all_peers', everyMs);
  const { value: detailed } = usePoll<unknown>('/v1/peers', everyMs);
  const { value: status } = useStatus();
  const peers = peerFacts(all, detailed, Date.now());
  const silent = ({ silentMs }: PeerFacts) => (silentMs ?? 0) > longSilentMs;
  return (
    <Frame title="Peers" problem={problem}>
      {peers.length === 0 && all !== null ? (
        <section>
          <h2>None yet</h2>
          <p class="muted">
            This agent{status?.hostname === undefined ? '' : ` (${status.hostname})`} knows no other. Start another with{' '}
            <code>--join {location.host}</code>, or introduce one:{' '}
            <code>{`curl -H "Authorization: Bearer $TOKEN" -d '{"addr": "IP:PORT"}' ${location.origin}/add_host`}</code>
          </p>
        </section>
      ) : (
        <Peers title="Peers" peers={peers.filter((peer) => !silent(peer))} />
      )}
      {peers.some(silent) && <Peers title="Silent for more than 5 minutes" peers={peers.filter(silent)} />}
    </Frame>
  );
}

interface Cell {
  readonly title: string;
  readonly numeric: boolean;
  readonly text: (peer: PeerFacts) => string | null;
  readonly hint?: string;
}

/** A column of which nothing is known of anybody is left out. */
const cells: readonly Cell[] = [
  { title: 'Round trip', numeric: true, text: (peer) => known(peer.roundtripMs, formatMs) },
  {
    title: 'by hearsay',
    numeric: true,
    text: (peer) => known(peer.hearsayMs, formatMs),
    hint: 'Round trip that another peer measured to it',
  },
  {
    title: 'Clock',
    numeric: true,
    text: (peer) => known(peer.skewMs, (ms) => `${ms > 0 ? '+' : ''}${Math.round(ms)} ms`),
    hint: 'How far its clock is ahead of this host’s',
  },
  { title: 'Last sign', numeric: true, text: (peer) => known(peer.silentMs, (ms) => `${formatDuration(ms)} ago`) },
  { title: 'Probed', numeric: true, text: (peer) => known(peer.lastProbeAgoMs, (ms) => `${formatDuration(ms)} ago`) },
  { title: 'Probes', numeric: true, text: (peer) => known(peer.probesSent, formatCount) },
  { title: 'Pings', numeric: true, text: (peer) => known(peer.pingsReceived, formatCount), hint: 'received from it' },
  { title: 'Pongs', numeric: true, text: (peer) => known(peer.pongsReceived, formatCount), hint: 'received from it' },
  { title: 'Its peers', numeric: true, text: (peer) => known(peer.peers, formatCount) },
  {
    title: 'Remote',
    numeric: false,
    text: (peer) => (peer.hasRemote === null ? null : peer.hasRemote ? 'on' : 'off'),
    hint: 'Whether it asks all hosts (All hosts, Enable)',
  },
  { title: 'Known for', numeric: true, text: (peer) => known(peer.knownForMs, formatDuration) },
  { title: 'Version', numeric: false, text: (peer) => peer.version },
];

const known = (value: number | null, format: (value: number) => string): string | null =>
  value === null ? null : format(value);

function Peers({ title, peers }: { title: string; peers: readonly PeerFacts[] }) {
  const shown = cells.filter(({ text }) => peers.some((peer) => text(peer) !== null));
  return (
    <section aria-label={title}>
      <div class="bar">
        <h2>{title}</h2>
        <p class="muted">{peers.length}</p>
      </div>
      <table class="cards peers">
        <thead>
          <tr>
            <th scope="col">Host</th>
            <th scope="col">State</th>
            <th scope="col">Address</th>
            {shown.map(({ title, numeric, hint }) => (
              <th key={title} scope="col" class={numeric ? 'number' : undefined} title={hint}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {peers.map((peer) => (
            <tr key={peer.id}>
              <th scope="row" title={peer.id}>
                <a href={`http://${peer.addr}/local/status`}>{peer.name}</a>
                {peer.name !== peer.hostname && <span class="muted"> {peer.hostname}</span>}
              </th>
              <td data-label="State">
                <Mark tone={tones[peer.liveness] ?? 'idle'} />
                {peer.liveness}
                {peer.suspectedBy > 0 && ` by ${peer.suspectedBy}`}
                {peer.freshness !== null && peer.freshness !== 'fresh' && <span class="muted"> {peer.freshness}</span>}
              </td>
              <td data-label="Address" class="mono" title={peer.addresses.join('\n')}>
                {peer.addr}
                {others(peer).length > 0 && <span class="muted"> +{others(peer).length}</span>}
              </td>
              {shown.map(({ title, numeric, text }) => (
                <td key={title} data-label={title} class={numeric ? 'number' : undefined}>
                  {text(peer) ?? unknown}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const others = ({ addr, addresses }: PeerFacts): readonly string[] => addresses.filter((each) => each !== addr);
