import { useState } from 'preact/hooks';
import { Link } from '../link.tsx';
import { type Column, lastKnown } from '../plot-data.ts';
import { indexAt } from './bands.ts';
import type { ChartLine } from './chart.tsx';
import type { Range } from './range.ts';
import { Strip } from './strip.tsx';
import type { Unit } from './units.ts';
import { zoomTo } from './zoom.tsx';

export interface StripGroup {
  readonly title: string;
  readonly unit: Unit;
  /** Upper ends of the colour bands. */
  readonly edges: readonly number[];
  /** What the edges are called; default: as values. */
  readonly edgeWords?: readonly string[];
  readonly times: readonly number[];
  readonly lines: readonly ChartLine[];
  /** Where the same is drawn large. */
  readonly href?: string;
}

/** Rows under each other with one time axis: what happened at one moment stands in one column. */
export function Strips({ groups, range }: { groups: readonly StripGroup[]; range: Range }) {
  const [at, setAt] = useState<number | null>(null);
  return (
    <div class="strips">
      <div class="strip-row strip-head" aria-hidden="true">
        <span />
        <span />
        <span class="number">{at === null ? 'now' : clockOf(at)}</span>
        <span class="number">highest</span>
      </div>
      {groups.map((group) => (
        <section key={group.title} aria-label={group.title}>
          <h3>
            {group.href === undefined ? group.title : <Link href={group.href}>{group.title}</Link>}
            <Bands words={group.edgeWords ?? group.edges.map(group.unit.format)} />
          </h3>
          {group.lines.length === 0 && <p class="muted">nothing of this kind is measured here</p>}
          {group.lines.map(({ label, column }) => {
            const value = at === null ? lastKnown(column) : (column[indexAt(group.times, at)] ?? null);
            const highest = highestIn(group.times, column, range);
            return (
              <div class="strip-row" key={label}>
                <span class="strip-name">{label}</span>
                <Strip
                  label={`${group.title}, ${label}: now ${group.unit.format(lastKnown(column))}, highest ${group.unit.format(highest)}`}
                  times={group.times}
                  values={column}
                  range={range}
                  edges={group.edges}
                  onPoint={setAt}
                  onZoom={zoomTo}
                  at={at}
                />
                <output class="number">{group.unit.format(value)}</output>
                <span class="number muted">{group.unit.format(highest)}</span>
              </div>
            );
          })}
        </section>
      ))}
      <div class="strip-row" aria-hidden="true">
        <span />
        <TimeAxis range={range} />
      </div>
    </div>
  );
}

function Bands({ words }: { words: readonly string[] }) {
  return (
    <span class="bands" aria-hidden="true">
      {words.map((word, index) => (
        <span key={word}>
          <i class={`band-${index + 1}`} />
          {index === 0 && 'up to '}
          {word}
        </span>
      ))}
      <span>
        <i class={`band-${words.length + 1}`} />
        more
      </span>
    </span>
  );
}

const marks = [0, 0.25, 0.5, 0.75, 1];

export function TimeAxis({ range }: { range: Range }) {
  return (
    <div class="time-axis">
      {marks.map((share) => (
        <span key={share}>
          {clockOf(range.from + share * (range.to - range.from), range.to - range.from < 600_000)}
        </span>
      ))}
    </div>
  );
}

const clockOf = (time: number, seconds = true): string =>
  new Date(time).toLocaleTimeString('en-GB', seconds ? {} : { hour: '2-digit', minute: '2-digit' });

function highestIn(times: readonly number[], column: Column, { from, to }: Range): number | null {
  let highest: number | null = null;
  for (const [index, value] of column.entries()) {
    const time = times[index] ?? 0;
    if (value !== null && time >= from && time <= to) highest = Math.max(highest ?? value, value);
  }
  return highest;
}
