import type { ComponentChildren } from 'preact';
import type { Overview } from './api.ts';
import type { Decision } from './decision.ts';
import { formatCount } from './format.ts';
import { Mark, type Tone } from './mark.tsx';
import { fitOf, type MatrixRow } from './matrix.ts';
import { lastKnown, type PlotData } from './plot-data.ts';

interface Props {
  readonly overview: Overview;
  readonly matrix: readonly MatrixRow[];
  readonly decision: Decision;
  readonly plots: PlotData;
}

export function Summary({ overview, matrix, decision, plots }: Props) {
  const rate = lastKnown(plots.requestsPerMinute) ?? decision.requestsPerMinute;
  const threshold = decision.thresholdPerMinute;
  const alive = overview.nodes.filter((node) => node.liveness === 'alive').length;
  const leader = overview.nodes.find((node) => node.id === overview.leaderId);
  return (
    <dl class="summary">
      <Tile term="Requests per minute" value={formatCount(rate)}>
        {threshold === null || rate === null ? (
          'no threshold known'
        ) : (
          <>
            {rate >= threshold ? 'above' : 'below'} the threshold of {formatCount(threshold)}
          </>
        )}
      </Tile>
      {matrix.map(({ process, total }) => (
        <Tile
          key={process}
          term={process}
          value={`${total.running}`}
          tone={fitOf(total) === 'missing' ? 'warn' : undefined}
        >
          {total.wanted === null ? 'running, no schedule yet' : `running of ${total.wanted} wanted`}
        </Tile>
      ))}
      <Tile term="Nodes" value={`${alive}`} tone={worstLiveness(overview)}>
        alive of {overview.nodes.length}
      </Tile>
      <Tile term="Leader" value={leader?.hostname ?? 'none'} tone={leader ? undefined : 'bad'}>
        {leader ? `epoch ${overview.epoch}` : 'an election is under way'}
      </Tile>
    </dl>
  );
}

function worstLiveness({ nodes }: Overview): Tone | undefined {
  if (nodes.some((node) => node.liveness === 'dead')) return 'bad';
  return nodes.some((node) => node.liveness === 'suspect') ? 'warn' : undefined;
}

interface TileProps {
  readonly term: string;
  readonly value: string;
  readonly tone?: Tone | undefined;
  readonly children: ComponentChildren;
}

function Tile({ term, value, tone, children }: TileProps) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>
        <strong>
          {tone && <Mark tone={tone} />}
          {value}
        </strong>
        <span class="muted">{children}</span>
      </dd>
    </div>
  );
}
