import { useEffect, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import { formatCount } from './format.ts';
import { aligned, type Column, lastKnown } from './plot-data.ts';

export interface PlotLine {
  readonly label: string;
  readonly column: Column;
  /** Name of a custom property. */
  readonly colour: string;
  readonly dash: readonly number[];
  readonly stepped: boolean;
}

export interface PlotProps {
  readonly title: string;
  readonly timestamps: readonly number[];
  readonly range: { readonly from: number; readonly to: number };
  readonly threshold: number | null;
  readonly lines: readonly PlotLine[];
  readonly format: (value: number | null) => string;
  /** Of the value axis; default: counts, and at least 4 high. */
  readonly axis?: {
    readonly format: (value: number) => string;
    readonly floor: number;
    /** Steps of it are powers of two. */
    readonly binary?: boolean;
  };
  readonly tall?: boolean;
  /** Told of the stretch that was drawn with the pointer. */
  readonly onZoom?: (range: { readonly from: number; readonly to: number }) => void;
}

export function Plot(props: PlotProps) {
  const { title, timestamps, lines, threshold, format } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  // uPlot's hooks outlive a render: they read the newest properties here.
  const newest = useRef(props);
  newest.current = props;
  const [cursor, setCursor] = useState<number | null>(null);
  const shape = lines.map((line) => line.label).join(' ');

  useEffect(() => {
    if (!place.current) return;
    const element = place.current;
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    let gone = false;
    const draw = async () => {
      // Its own file: pages without a plot do without it.
      const { drawPlot } = await import('./plot-draw.ts');
      if (gone) return;
      plot.current?.destroy();
      plot.current = drawPlot(element, () => newest.current, setCursor);
    };
    void draw();
    const observer = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = element;
      if (clientWidth > 0) plot.current?.setSize({ width: clientWidth, height: clientHeight });
    });
    observer.observe(element);
    scheme.addEventListener('change', draw);
    return () => {
      gone = true;
      observer.disconnect();
      scheme.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(aligned(props));
  }, [timestamps, props.range.from, props.range.to, threshold]);

  const at = cursor === null ? undefined : timestamps[cursor];
  const figure = (column: Column) => format(at === undefined ? lastKnown(column) : (column[cursor ?? 0] ?? null));
  return (
    <figure class={props.tall ? 'plot tall' : 'plot'}>
      <figcaption>
        <b>{title}</b>
        <span class="legend">
          {lines.map((line) => (
            <span key={line.label} class="entry">
              <svg class={`swatch ${line.colour.slice(2)}`} viewBox="0 0 22 4" aria-hidden="true">
                <line x1="0" y1="2" x2="22" y2="2" stroke-dasharray={line.dash.join(' ')} />
              </svg>
              {line.label} <output>{figure(line.column)}</output>
            </span>
          ))}
          <span class="muted clock">{at === undefined ? 'now' : new Date(at).toLocaleTimeString('en-GB')}</span>
        </span>
      </figcaption>
      <div class="canvas" ref={place} role="img" aria-label={description(props)} />
    </figure>
  );
}

function description({ title, lines, threshold, format }: PlotProps): string {
  const words = lines.map(({ label, column }) => {
    const highest = column.reduce<number | null>(
      (top, value) => (value === null ? top : Math.max(top ?? value, value)),
      null,
    );
    return `${label} now ${format(lastKnown(column))}, highest ${format(highest)}`;
  });
  if (threshold !== null) words.push(`threshold ${formatCount(threshold)}`);
  return `${title}: ${words.join('; ') || 'no figures yet'}`;
}
