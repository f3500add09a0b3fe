import { useState } from 'preact/hooks';
import { formatCount } from './format.ts';
import { Plot } from './plot.tsx';
import { type PlotData, plotWindowMs } from './plot-data.ts';

interface Props {
  readonly plots: PlotData;
  readonly thresholdPerMinute: number | null;
  readonly now: number;
}

const windows = [
  { ms: 600_000, title: '10 min' },
  { ms: plotWindowMs, title: '1 hour' },
] as const;

/** Colours are custom properties of style.css; the dash tells the lines apart without colour. */
const lineStyles = [
  { colour: '--line-1', dash: [] },
  { colour: '--line-2', dash: [6, 3] },
  { colour: '--line-3', dash: [2, 3] },
  { colour: '--line-4', dash: [9, 3, 2, 3] },
] as const;

/** The load generator's single instance would only flatten the plot. */
const plotted = (process: string) => process !== 'load';

export function Plots({ plots, thresholdPerMinute, now }: Props) {
  const [windowMs, setWindowMs] = useState<number>(plotWindowMs);
  const range = { from: now - windowMs, to: now };
  const processes = Object.keys(plots.instances).filter(plotted);
  return (
    <section aria-labelledby="plots-title">
      <div class="bar">
        <h2 id="plots-title">The last hour</h2>
        <div class="choice">
          {windows.map(({ ms, title }) => (
            <button key={ms} type="button" aria-pressed={ms === windowMs} onClick={() => setWindowMs(ms)}>
              {title}
            </button>
          ))}
        </div>
      </div>
      <div class="plots">
        <Plot
          title="Requests per minute, all nodes"
          timestamps={plots.timestamps}
          range={range}
          threshold={thresholdPerMinute}
          lines={[{ label: 'requests', column: plots.requestsPerMinute, colour: '--line-1', dash: [], stepped: false }]}
          format={formatCount}
        />
        <Plot
          title="Instances running"
          timestamps={plots.timestamps}
          range={range}
          threshold={null}
          lines={processes.map((process, index) => ({
            label: process,
            column: plots.instances[process] ?? [],
            ...(lineStyles[index % lineStyles.length] ?? lineStyles[0]),
            stepped: true,
          }))}
          format={formatCount}
        />
      </div>
    </section>
  );
}
