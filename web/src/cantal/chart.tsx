import { Plot } from '../plot.tsx';
import type { Column } from '../plot-data.ts';
import type { Range } from './range.ts';
import type { Unit } from './units.ts';
import { zoomTo } from './zoom.tsx';

export interface ChartLine {
  readonly label: string;
  readonly column: Column;
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

/** Custom properties of style.css. Long lines of many samples are solid: dashes of them only flicker. */
const colours = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'] as const;
/** For each round of the colours. */
const dashes = [[], [6, 3], [2, 3]] as const;

export function Chart({ title, times, lines, range, unit, tall }: Props) {
  return (
    <Plot
      title={title}
      timestamps={times}
      range={range}
      threshold={null}
      lines={lines.map((line, index) => ({
        ...line,
        colour: colours[index % colours.length] ?? '--line-1',
        dash: dashes[Math.floor(index / colours.length) % dashes.length] ?? [],
        stepped: false,
      }))}
      format={unit.format}
      axis={unit}
      onZoom={zoomTo}
      {...(tall && { tall })}
    />
  );
}
