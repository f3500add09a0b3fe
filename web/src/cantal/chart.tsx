import { Plot } from '../plot.tsx';
import type { Column } from '../plot-data.ts';
import { type Range, zoomTo } from './zoom.tsx';

export interface ChartLine {
  readonly label: string;
  readonly column: Column;
}

export interface Unit {
  readonly format: (value: number | null) => string;
  /** The axis is at least so high: an idle host is not drawn as a busy one. */
  readonly floor: number;
}

interface Props {
  readonly title: string;
  readonly times: readonly number[];
  readonly lines: readonly ChartLine[];
  readonly range: Range;
  readonly unit: Unit;
  /** The only one of its page. */
  readonly tall?: boolean;
}

/** Colours are custom properties of style.css; the dash tells lines apart without colour. */
const looks = ['--line-1', '--line-2', '--line-3', '--line-4'].map((colour) => ({ colour }));
const dashes = [[], [6, 3], [2, 3], [9, 3, 2, 3]] as const;

export function Chart({ title, times, lines, range, unit, tall }: Props) {
  return (
    <Plot
      title={title}
      timestamps={times}
      range={range}
      threshold={null}
      lines={lines.map((line, index) => ({
        ...line,
        colour: looks[index % looks.length]?.colour ?? '--line-1',
        // After each round of colours the next dash, so that no two of sixteen look alike.
        dash: dashes[(index + Math.floor(index / looks.length)) % dashes.length] ?? [],
        stepped: false,
      }))}
      format={unit.format}
      axis={unit}
      onZoom={zoomTo}
      {...(tall && { tall })}
    />
  );
}
