import { formatAge, formatDuration, formatMs } from '../format.ts';
import { Mark, type Tone } from '../mark.tsx';
import { Frame } from './frame.tsx';
import { usePoll } from './poll.ts';

interface Peer {
  readonly id: string;
  readonly addr: string;
  readonly hostname: string;
  readonly name: string;
  readonly version: string;
  readonly knownSince: number;
  readonly lastReportDirect: number | null;
  readonly liveness: 'alive' | 'suspect' | 'dead';
  readonly incarnation: number;
  readonly freshness: string;
  readonly silentMs: number;
  readonly lastProbeAgoMs: number | null;
  readonly roundtripMs: number | null;
  readonly skewMs: number | null;
  readonly suspectedBy: readonly string[];
}

const everyMs = 2_000;
const longSilentMs = 300_000;
const tones: Readonly<Record<Peer['liveness'], Tone>> = { alive: 'good', suspect: 'warn', dead: 'bad' };

export function PeersPage() {
  const { value, problem } = usePoll<{ self: { id: string; addr: string }; peers: readonly Peer[] }>(
    '/v1/peers',
    everyMs,
  );
  const peers = [...(value?.peers ?? [])].sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
  return (
    <Frame title="Peers" problem={problem}>
      <Peers title="Peers" peers={peers.filter(({ silentMs }) => silentMs <= longSilentMs)} />
      <Peers title="Silent for more than 5 minutes" peers={peers.filter(({ silentMs }) => silentMs > longSilentMs)} />
      {peers.length === 0 && value !== null && (
        <section>
          <p class="muted">
            This agent knows no other. It is {value.self.addr}; introduce it with <code>--join</code> (docs/cantal.md).
          </p>
        </section>
      )}
    </Frame>
  );
}

function Peers({ title, peers }: { title: string; peers: readonly Peer[] }) {
  if (peers.length === 0) return null;
  return (
    <section aria-label={title}>
      <div class="bar">
        <h2>{title}</h2>
        <p class="muted">{peers.length}</p>
      </div>
      <table class="nodes">
        <thead>
          <tr>
            <th scope="col">Host</th>
            <th scope="col">State</th>
            <th scope="col">Address</th>
            <th scope="col" class="number">
              Round trip
            </th>
            <th scope="col" class="number">
              Clock ahead by
            </th>
            <th scope="col" class="number">
              Last sign
            </th>
            <th scope="col" class="number">
              Last probe
            </th>
            <th scope="col" class="number">
              Known for
            </th>
            <th scope="col">Version</th>
          </tr>
        </thead>
        <tbody>
          {peers.map((peer) => (
            <tr key={peer.id}>
              <th scope="row" title={peer.id}>
                <a href={`http://${peer.addr}/local/status`}>{peer.hostname}</a>
              </th>
              <td data-label="State">
                <Mark tone={tones[peer.liveness]} />
                {peer.liveness}
                {peer.suspectedBy.length > 0 && ` by ${peer.suspectedBy.length}`}
                {peer.freshness !== 'fresh' && <span class="muted"> {peer.freshness}</span>}
              </td>
              <td data-label="Address" class="mono">
                {peer.addr}
              </td>
              <td data-label="Round trip" class="number">
                {formatMs(peer.roundtripMs)}
              </td>
              <td data-label="Clock ahead by" class="number">
                {peer.skewMs === null ? '–' : `${Math.round(peer.skewMs)} ms`}
              </td>
              <td data-label="Last sign" class="number">
                {formatDuration(peer.silentMs)}
              </td>
              <td data-label="Last probe" class="number">
                {formatDuration(peer.lastProbeAgoMs)}
              </td>
              <td data-label="Known for" class="number">
                {formatAge(peer.knownSince, Date.now())}
              </td>
              <td data-label="Version" class="muted">
                {peer.version}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
