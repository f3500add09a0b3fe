import { useEffect, useRef } from 'preact/hooks';
import type { Column } from '../plot-data.ts';
import { bandOf, columnsOf } from './bands.ts';
import type { Range } from './range.ts';

interface Props {
  /** What a screen reader says instead. */
  readonly label: string;
  readonly times: readonly number[];
  readonly values: Column;
  readonly range: Range;
  readonly edges: readonly number[];
  /** Told where the pointer is; null: outside. */
  readonly onPoint?: (time: number | null) => void;
  /** Told of the stretch that was drawn over. */
  readonly onZoom?: (range: Range) => void;
  /** Marked by a line. */
  readonly at?: number | null;
}

/** A click is a stretch of no width. */
const narrowestPx = 6;
const bandCount = 6;

/**
 * A flat plot whose colour tells the magnitude and whose height tells where in it the value is: idle and busy hosts can
 * be told apart from afar, and small changes are still seen on both.
 */
export function Strip({ label, times, values, range, edges, onPoint, onZoom, at = null }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const start = useRef<number | null>(null);
  const newest = useRef({ times, values, range, edges });
  newest.current = { times, values, range, edges };

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = () => drawStrip(element, newest.current);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    scheme.addEventListener('change', draw);
    return () => {
      observer.disconnect();
      scheme.removeEventListener('change', draw);
    };
  }, []);

  useEffect(() => {
    if (canvas.current) drawStrip(canvas.current, newest.current);
  }, [times, values, range.from, range.to, edges]);

  const timeAt = (event: PointerEvent): number => {
    const { left, width } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return range.from + ((event.clientX - left) / Math.max(1, width)) * (range.to - range.from);
  };
  const inside = at !== null && at >= range.from && at <= range.to;
  return (
    <div
      class="strip"
      onPointerMove={onPoint && ((event) => onPoint(timeAt(event)))}
      onPointerLeave={onPoint && (() => onPoint(null))}
      onPointerDown={
        onZoom &&
        ((event) => {
          start.current = timeAt(event);
        })
      }
      onPointerUp={
        onZoom &&
        ((event) => {
          const [from, to] = [start.current ?? 0, timeAt(event)].sort((a, b) => a - b) as [number, number];
          const wide = ((to - from) / (range.to - range.from)) * event.currentTarget.clientWidth > narrowestPx;
          if (start.current !== null && wide) onZoom({ from, to });
          start.current = null;
        })
      }
    >
      <canvas ref={canvas} role="img" aria-label={label} />
      {inside && (
        <span
          class="at"
          style={{ left: `${(100 * (at - range.from)) / (range.to - range.from)}%` }}
          aria-hidden="true"
        />
      )}
    </div>
  );
}

type Drawn = Pick<Props, 'times' | 'values' | 'range' | 'edges'>;

function drawStrip(canvas: HTMLCanvasElement, { times, values, range, edges }: Drawn): void {
  const { clientWidth, clientHeight } = canvas;
  const context = canvas.getContext('2d');
  if (context === null || clientWidth === 0) return;
  const dense = devicePixelRatio;
  const [width, height] = [Math.round(clientWidth * dense), Math.round(clientHeight * dense)];
  // Setting the size clears the canvas, so that it is done each time.
  canvas.width = width;
  canvas.height = height;
  const style = getComputedStyle(canvas);
  const colours = Array.from({ length: bandCount }, (_, band) => style.getPropertyValue(`--band-${band + 1}`).trim());
  const colourOf = (band: number) => colours[Math.min(band, bandCount - 1)] ?? '';
  for (const [x, value] of columnsOf(times, values, range, width).entries()) {
    if (value === null) continue;
    const { band, share } = bandOf(value, edges);
    if (band > 0) {
      context.fillStyle = colourOf(band - 1);
      context.fillRect(x, 0, 1, height);
    }
    const high = Math.max(value > 0 ? 1 : 0, Math.round(share * height));
    context.fillStyle = colourOf(band);
    context.fillRect(x, height - high, 1, high);
  }
}
