import 'uplot/dist/uPlot.min.css';
import uPlot from 'uplot';
import { formatCount } from './format.ts';
import type { PlotProps } from './plot.tsx';
import { aligned } from './plot-data.ts';

/** Plots with one key share the cursor. */
const cursorKey = 'hour';
/** Whole pixels: uPlot scales only those for a dense screen. */
const font = '12px system-ui, sans-serif';

/** Makes the canvas. `props` is asked at each drawing; `onCursor` gets the index under the cursor, null outside. */
export function drawPlot(place: HTMLElement, props: () => PlotProps, onCursor: (index: number | null) => void): uPlot {
  const style = getComputedStyle(place);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--muted'),
    font,
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { show: false },
  };
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const own = props().axis?.format;
  const alone = props().lines.length === 1;
  const steps = own === undefined ? wholeSteps : props().axis?.binary ? binarySteps : null;
  const options: uPlot.Options = {
    width: Math.max(place.clientWidth, 100),
    height: Math.max(place.clientHeight, 100),
    ms: 1,
    padding: [10, 20, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: cursorKey },
      y: false,
      drag: { x: props().onZoom !== undefined, y: false, setScale: false },
      points: { size: 7 },
    },
    scales: {
      x: { range: () => [props().range.from, props().range.to] },
      y: {
        range: (_plot, _low, high) => [
          0,
          headroom(Math.max(high ?? 0, props().threshold ?? 0), props().axis?.floor ?? 4),
        ],
      },
    },
    axes: [
      { ...axis, size: 28, space: 64, values: (_plot, stamps) => stamps.map((stamp) => clock(stamp, isFine(stamps))) },
      {
        ...axis,
        size: own === undefined ? 52 : 68,
        space: 28,
        ...(steps === null ? {} : { incrs: steps }),
        values: (_plot, values) => values.map(own ?? formatCount),
      },
    ],
    series: [
      {},
      ...props().lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 1.75,
        dash: [...line.dash],
        points: { show: false },
        ...(line.stepped ? (stepped ? { paths: stepped } : {}) : alone ? { fill: colour('--fill-1') } : {}),
      })),
    ],
    hooks: {
      draw: [(plot) => drawThreshold(plot, props().threshold, colour('--limit'))],
      setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)],
      setSelect: [(plot) => zoom(plot, props().onZoom)],
    },
  };
  return new uPlot(options, aligned(props()), place);
}

const wholeSteps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];
/** So that bytes read 512 KiB and 1 MiB. */
const binarySteps = Array.from({ length: 60 }, (_, power) => 2 ** power);
const headroom = (high: number, floor: number) => Math.max(high * 1.12, floor);

/** A click is a stretch of no width. */
const narrowestPx = 6;

function zoom(plot: uPlot, told: PlotProps['onZoom']): void {
  const { left, width } = plot.select;
  if (told === undefined || width < narrowestPx) return;
  told({ from: plot.posToVal(left, 'x'), to: plot.posToVal(left + width, 'x') });
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
}

/** Less than a minute from mark to mark. */
const isFine = (stamps: readonly number[]): boolean => (stamps[1] ?? Infinity) - (stamps[0] ?? 0) < 60_000;

function clock(stamp: number, seconds: boolean): string {
  const minutes = { hour: '2-digit', minute: '2-digit' } as const;
  return new Date(stamp).toLocaleTimeString('en-GB', seconds ? { ...minutes, second: '2-digit' } : minutes);
}

function drawThreshold(plot: uPlot, threshold: number | null, colour: string): void {
  if (threshold === null) return;
  const { ctx, bbox } = plot;
  const y = Math.round(plot.valToPos(threshold, 'y', true));
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'bottom';
  ctx.fillText(`threshold ${formatCount(threshold)}`, bbox.left + 6 * devicePixelRatio, y - 3 * devicePixelRatio);
  ctx.restore();
}
