import { useState } from 'preact/hooks';
import { formatAge, formatCount } from '../format.ts';
import { asText, member } from '../json.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Link } from '../link.tsx';
import { Frame } from './frame.tsx';
import { peerFacts } from './peer-facts.ts';
import { isJson, usePoll } from './poll.ts';
import { useStatus } from './status.ts';

type Start =
  | { readonly kind: 'idle' }
  | { readonly kind: 'sending' }
  | { readonly kind: 'started' }
  | { readonly kind: 'refused'; readonly reason: string };

const everyMs = 6_000;
const requestTimeoutMs = 10_000;

/** What it costs to ask all hosts, who does so already, and the button for this agent. */
export function RemoteEnablePage({ token }: PageProps) {
  const { value: status } = useStatus();
  const { value, problem, missing } = usePoll<unknown>('/peers_with_remote', everyMs);
  const [start, setStart] = useState<Start>({ kind: 'idle' });
  const enabled = peerFacts(value, null, Date.now());
  const peers = status?.num_peers ?? 0;
  const press = async () => {
    setStart({ kind: 'sending' });
    setStart(await startRemote(token ?? ''));
  };
  return (
    <Frame title="Enable" problem={missing ? null : problem}>
      <section aria-labelledby="cost-title">
        <h2 id="cost-title">What it costs</h2>
        <div class="prose">
          <p>
            An agent that is asked for all hosts holds a connection to each of them, here {formatCount(peers)}, and each
            of them sends what was asked for after each of its scans. That is cheap as long as few agents do so. Where
            all of {formatCount(peers + 1)} do, there are {formatCount(peers * (peers + 1))} connections: a full mesh.
          </p>
          <p>
            So look at all hosts through one agent, the one that does so already. The connections end three minutes
            after the last question; <Link href="/remote/list">Connections</Link> shows them.
          </p>
        </div>
      </section>
      <section aria-labelledby="enabled-title">
        <div class="bar">
          <h2 id="enabled-title">Agents that do so already</h2>
          <p class="muted">{missing ? '' : enabled.length}</p>
        </div>
        {missing && <p class="muted">This agent cannot tell: it does not serve /peers_with_remote.</p>}
        {!missing && value !== null && enabled.length === 0 && <p class="muted">No other agent.</p>}
        <ul class="commands">
          {enabled.map((peer) => (
            <li key={peer.id}>
              <a href={`http://${peer.addr}/remote/grid`}>{peer.hostname}</a> <code>{peer.addr}</code>{' '}
              <span class="muted">
                last heard of {peer.lastReportAgoMs === null ? 'never' : `${formatAge(-peer.lastReportAgoMs, 0)} ago`}
              </span>
            </li>
          ))}
        </ul>
      </section>
      <section aria-labelledby="start-title">
        <h2 id="start-title">This agent</h2>
        <p>
          <button
            type="button"
            class="action"
            disabled={token === null}
            aria-disabled={start.kind === 'sending'}
            aria-describedby="start-words"
            onClick={() => start.kind !== 'sending' && void press()}
          >
            Connect to all {formatCount(peers)} hosts
          </button>
        </p>
        <p class={start.kind === 'refused' ? 'trouble' : 'muted'} id="start-words" role="status">
          {token === null
            ? 'Only showing: to act, open the URL with #token=… (the agent’s --token-file).'
            : words(start)}
        </p>
      </section>
    </Frame>
  );
}

function words(start: Start): string {
  switch (start.kind) {
    case 'idle':
      return '';
    case 'sending':
      return 'asking the agent…';
    case 'started':
      return 'It connects. The connections stay while somebody asks for all hosts.';
    case 'refused':
      return start.reason;
    default:
      return start satisfies never;
  }
}

async function startRemote(token: string): Promise<Start> {
  try {
    const reply = await fetch('/start_remote', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: '{}',
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    if (reply.status === 404 || !isJson(reply))
      return { kind: 'refused', reason: 'This agent cannot do it: it does not serve /start_remote.' };
    if (reply.ok) return { kind: 'started' };
    const error = asText(member(await reply.json(), 'error'));
    if (reply.status === 401) return { kind: 'refused', reason: `The token was refused (${error ?? 'unauthorised'}).` };
    return { kind: 'refused', reason: `The agent refused: ${reply.status} ${error ?? ''}` };
  } catch {
    return { kind: 'refused', reason: 'The agent is not reachable.' };
  }
}
