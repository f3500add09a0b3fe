import { setParams } from '../place.ts';
import { hourMs } from './answer.ts';
import { type Range, rangeOf, type Span, shortestMs, windowOf, windows } from './range.ts';

export function zoomTo({ from, to }: Range): void {
  if (to - from < shortestMs) return;
  setParams({ from: String(Math.round(from)), to: String(Math.round(to)), window: null });
}

/** Buttons do what the pointer does by drawing over a plot: nearer, further, to either side, and back to now. */
export function Zoom({ params, span }: { params: URLSearchParams; span: Span }) {
  const range = rangeOf(params, span);
  const width = range.to - range.from;
  const fixed = params.has('from');
  const move = (by: number) => {
    const from = Math.min(Math.max(range.from + by, span.newest - hourMs), span.newest - width);
    zoomTo({ from, to: from + width });
  };
  return (
    <fieldset class="choice" aria-label="Time shown">
      <button type="button" title="Earlier" onClick={() => move(-width / 2)}>
        ←
      </button>
      <button
        type="button"
        title="Nearer"
        onClick={() => zoomTo({ from: range.from + width / 4, to: range.to - width / 4 })}
      >
        +
      </button>
      <button type="button" title="Later" onClick={() => move(width / 2)}>
        →
      </button>
      {windows.map(({ ms, title }) => (
        <button
          key={ms}
          type="button"
          aria-pressed={!fixed && windowOf(params, span) === ms}
          onClick={() => setParams({ window: String(ms / 60_000), from: null, to: null })}
        >
          {title}
        </button>
      ))}
    </fieldset>
  );
}
