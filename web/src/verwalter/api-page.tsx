import './logs/logs.css';
import { useState } from 'preact/hooks';
import { Frame } from '../cantal/frame.tsx';
import { usePoll } from '../cantal/poll.ts';
import { asList, asText, member } from '../json.ts';

const everyMs = 300_000;
const formats = ['json', 'pretty', 'gron'] as const;
/** These answer text of their own, in no other format. */
const textPaths = new Set([
  ...['/metrics', '/v1/scheduler_debug_info', '/v1/render_log'],
  ...['', '/v1'].flatMap((under) => ['', '/explorer-js', '/explorer-css'].map((part) => `${under}/graphiql${part}`)),
]);

interface Endpoint {
  readonly method: string;
  readonly path: string;
  readonly access: string;
  readonly summary: string;
}

/** Every address of this agent (GET /v1), in each format. */
export function ApiPage() {
  const { value, problem } = usePoll<unknown>('/v1', everyMs);
  const [words, setWords] = useState('');
  const all = [
    ...asList(member(value, 'routes')).map(endpointOf),
    ...asList(member(value, 'streams')).map((each) => ({ ...endpointOf(each), method: 'WebSocket', access: 'read' })),
  ];
  const wanted = words.toLowerCase().split(/\s+/);
  const shown = all.filter(({ method, path, summary }) => {
    const text = `${method} ${path} ${summary}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  return (
    <Frame title="API" problem={problem}>
      <section aria-labelledby="api-title">
        <div class="bar">
          <h2 id="api-title">Addresses</h2>
          <p class="muted">
            {shown.length === all.length ? all.length : `${shown.length} of ${all.length}`}; JSON is had as CBOR too, by{' '}
            <code>.cbor</code>. Reading is free on this host, and needs the token from elsewhere.
          </p>
          <input
            type="search"
            placeholder="Filter"
            aria-label="Filter addresses"
            value={words}
            onInput={(event) => setWords(event.currentTarget.value)}
          />
        </div>
        <table class="cards api">
          <thead>
            <tr>
              <th scope="col">Address</th>
              <th scope="col">Formats</th>
              <th scope="col">Needs</th>
              <th scope="col">What</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((endpoint) => (
              <Row key={`${endpoint.method} ${endpoint.path}`} endpoint={endpoint} />
            ))}
          </tbody>
        </table>
      </section>
    </Frame>
  );
}

const endpointOf = (value: unknown): Endpoint => ({
  method: asText(member(value, 'method')) ?? '',
  path: asText(member(value, 'path')) ?? '',
  access: asText(member(value, 'access')) ?? '',
  summary: asText(member(value, 'summary')) ?? '',
});

const needs: Readonly<Record<string, string>> = {
  act: 'the token',
  cluster: 'the cluster key',
};

function Row({ endpoint: { method, path, access, summary } }: { endpoint: Endpoint }) {
  return (
    <tr>
      <th scope="row" class="mono">
        {method !== 'GET' && <b>{method} </b>}
        {path}
      </th>
      <td data-label="Formats">
        <span class="formats">
          <Formats method={method} path={path} access={access} />
        </span>
      </td>
      <td data-label="Needs">{access === 'read' ? null : (needs[access] ?? access)}</td>
      <td data-label="What" class="wrap">
        {summary}
      </td>
    </tr>
  );
}

function Formats({ method, path, access }: Omit<Endpoint, 'summary'>) {
  if (method !== 'GET' || access !== 'read') return <span class="muted">no page</span>;
  if (/\/[:*]/.test(path)) return <span class="muted">needs a name</span>;
  if (textPaths.has(path)) return <a href={path}>text</a>;
  return formats.map((format) => (
    <a key={format} href={`${path}.${format}`}>
      .{format}
    </a>
  ));
}
