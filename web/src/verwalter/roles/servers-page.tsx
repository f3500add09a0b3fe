import type { Overview } from '../../api.ts';
import { peerFacts } from '../../cantal/peer-facts.ts';
import { usePoll } from '../../cantal/poll.ts';
import { formatDuration, unknown } from '../../format.ts';
import { asText, member } from '../../json.ts';
import type { PageProps } from '../../lazy-page.tsx';
import { Link } from '../../link.tsx';
import { useLive } from '../../live.ts';
import { Mark, type Tone } from '../../mark.tsx';
import { setParams } from '../../place.ts';
import { Frame } from './frame.tsx';
import { sameOn } from './links.ts';
import { type ServerRow, serverRows } from './servers.ts';
import { matcher } from './services.ts';

const everyMs = 5_000;
const tones: Readonly<Record<string, Tone>> = { alive: 'good', suspect: 'warn', dead: 'bad' };

/** Every node of the cluster, this one too. */
export function ServersPage({ place, token }: PageProps) {
  const live = useLive();
  const { value } = usePoll<unknown>('/v1/peers', everyMs);
  const filter = place.params.get('q') ?? '';
  return (
    <Frame title="Servers" live={live} token={token}>
      {(overview, now) => <Servers overview={overview} peers={value} now={now} filter={filter} />}
    </Frame>
  );
}

function Servers({
  overview,
  peers,
  now,
  filter,
}: {
  overview: Overview;
  peers: unknown;
  now: number;
  filter: string;
}) {
  const all = serverRows(overview, peerFacts(peers, null, now), asText(member(member(peers, 'self'), 'name')));
  const fits = matcher(filter);
  const rows = all.filter(({ id, hostname, name, addr }) => [id, hostname, name ?? '', addr].some(fits));
  return (
    <section aria-label="Servers">
      <div class="bar">
        <h2>{rows.length === all.length ? all.length : `${rows.length} of ${all.length}`} servers</h2>
        <input
          type="search"
          placeholder="Part of an id, name, address"
          aria-label="Filter servers"
          value={filter}
          onInput={(event) => setParams({ q: event.currentTarget.value })}
        />
      </div>
      <table class="cards servers">
        <thead>
          <tr>
            <th scope="col">Hostname</th>
            <th scope="col">State</th>
            <th scope="col">Name</th>
            <th scope="col">Address</th>
            <th scope="col">Id</th>
            <th scope="col" class="number">
              Known for
            </th>
            <th scope="col" class="number">
              Last report
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={row.id} row={row} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ row }: { row: ServerRow }) {
  const { id, hostname, name, addr, liveness, leads, own, knownForMs, lastReportAgoMs } = row;
  // The page is seen through an address that works here: names may not resolve.
  const there = (text: string) => (own ? text : <a href={sameOn(addr)}>{text}</a>);
  return (
    <tr>
      <th scope="row">
        {own ? <Link href="/local/status">{hostname}</Link> : <a href={`http://${addr}/local/status`}>{hostname}</a>}
        {leads && <span class="badge leader">leader</span>}
        {own && <span class="badge">this page</span>}
      </th>
      <td data-label="State">
        <Mark tone={tones[liveness] ?? 'idle'} />
        {liveness}
      </td>
      <td data-label="Name">{name === null ? unknown : there(name)}</td>
      <td data-label="Address" class="mono">
        {there(addr)}
      </td>
      <td data-label="Id" class="mono id" title={id}>
        {there(id)}
      </td>
      <td data-label="Known for" class="number">
        {knownForMs === null ? unknown : formatDuration(knownForMs)}
      </td>
      <td data-label="Last report" class="number">
        {own ? 'now' : lastReportAgoMs === null ? 'never' : `${formatDuration(lastReportAgoMs)} ago`}
      </td>
    </tr>
  );
}
