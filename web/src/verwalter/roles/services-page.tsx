import { useState } from 'preact/hooks';
import type { Overview } from '../../api.ts';
import { formatCount } from '../../format.ts';
import type { PageProps } from '../../lazy-page.tsx';
import { Link } from '../../link.tsx';
import { useLive } from '../../live.ts';
import { setParams } from '../../place.ts';
import { Frame } from './frame.tsx';
import { roleHref } from './links.ts';
import { readProcesses } from './processes.ts';
import { fillOf, type ServiceChoice, type ServiceLine, type ShortInfo, serviceLines } from './services.ts';

/** Of a thousand hosts nobody reads all; the filter finds the others. */
const shownAtFirst = 200;

/** What shall run where, on one page. */
export function ServicesPage({ place, token }: PageProps) {
  const live = useLive();
  const by = place.params.get('by') === 'role' ? 'role' : 'host';
  const hideEmpty = place.params.get('empty') === 'hide';
  const filter = place.params.get('q') ?? '';
  const [all, setAll] = useState(false);
  const odd: string[] = [];
  const lines = live.overview === null ? [] : linesOf(live.overview, { by, hideEmpty, filter }, odd);
  return (
    <Frame title="Services" live={live} token={token} odd={odd}>
      {(overview) => (
        <section aria-label="Services">
          <div class="bar">
            <h2>By {by}</h2>
            <p class="muted">
              {formatCount(lines.length)} {by === 'host' ? 'hosts' : 'roles'},{' '}
              {formatCount(lines.reduce((sum, { instances }) => sum + instances, 0))} instances
            </p>
            <div class="choice">
              {(['host', 'role'] as const).map((each) => (
                <button
                  key={each}
                  type="button"
                  aria-pressed={each === by}
                  onClick={() => setParams({ by: each === 'host' ? null : each })}
                >
                  By {each}
                </button>
              ))}
              <button
                type="button"
                aria-pressed={hideEmpty}
                onClick={() => setParams({ empty: hideEmpty ? null : 'hide' })}
              >
                Hide empty
              </button>
            </div>
            <input
              type="search"
              placeholder="Part of a name, or: a, b"
              aria-label="Filter by host, role, process"
              value={filter}
              onInput={(event) => setParams({ q: event.currentTarget.value })}
            />
          </div>
          {lines.length === 0 ? (
            <p class="muted">
              {overview.schedule === null
                ? 'There is no schedule yet.'
                : 'Nothing that has such a name, or is not empty.'}
            </p>
          ) : (
            <ul class="service-lines">
              {lines.slice(0, all ? lines.length : shownAtFirst).map((line) => (
                <Line key={line.name} line={line} by={by} overview={overview} />
              ))}
            </ul>
          )}
          {lines.length > shownAtFirst && (
            <button type="button" class="plain more" aria-expanded={all} onClick={() => setAll(!all)}>
              {all ? `Only the first ${shownAtFirst}` : `Show all ${formatCount(lines.length)}`}
            </button>
          )}
        </section>
      )}
    </Frame>
  );
}

function linesOf(overview: Overview, choice: ServiceChoice, odd: string[]): readonly ServiceLine[] {
  const data = overview.schedule?.data;
  const hosts = overview.nodes.map(({ hostname }) => hostname);
  return serviceLines(data, readProcesses(data, overview.nodes), hosts, choice, odd);
}

function Line({ line, by, overview }: { line: ServiceLine; by: ServiceChoice['by']; overview: Overview }) {
  const node = by === 'host' ? overview.nodes.find(({ hostname }) => hostname === line.name) : undefined;
  return (
    <li>
      <h3>
        {by === 'role' ? (
          <Link href={roleHref(line.name)}>{line.name}</Link>
        ) : node === undefined ? (
          line.name
        ) : (
          <a href={`http://${node.addr}/local/status`}>{line.name}</a>
        )}
        <span class="muted"> {formatCount(line.instances)}</span>
        {by === 'host' && node === undefined && <span class="badge warn">not in the cluster</span>}
      </h3>
      {line.shortinfo.length > 0 && (
        <div class="shortinfo">
          {line.shortinfo.map((info, index) => (
            // Two may have one title.
            <Short key={index} info={info} />
          ))}
        </div>
      )}
      <p class="placed">
        {line.placed.length === 0 && <span class="muted">nothing</span>}
        {line.placed.map(({ name, daemons }) => (
          <span key={name} class="one">
            {by === 'host' ? <Link href={roleHref(name)}>{name}</Link> : <b>{name}</b>}
            <span class="muted">{'{'}</span>
            {daemons.map((daemon, index) => (
              <span key={daemon.name} class={daemon.count === 0 ? 'muted' : undefined}>
                {index > 0 && ', '}
                {daemon.name}
                {daemon.count !== 1 && `×${formatCount(daemon.count)}`}
              </span>
            ))}
            <span class="muted">{'}'}</span>
          </span>
        ))}
      </p>
    </li>
  );
}

function Short({ info }: { info: ShortInfo }) {
  if (info.kind === 'num') {
    return (
      <span class="short-num">
        <span class="muted">{info.title}</span> <b>{info.text}</b>
      </span>
    );
  }
  const { share, full, over } = fillOf(info);
  return (
    <span class={`short-gauge ${full ? 'full' : ''}`}>
      <span class="muted">{info.title}</span>
      <meter min={0} max={1} value={share} aria-label={info.title}>
        {Math.round(share * 100)} %
      </meter>
      <b>
        {info.used} / {info.total}
      </b>
      {over !== null && <b class="over">{over}</b>}
    </span>
  );
}
