import { StringDecoder } from 'node:string_decoder';
import { createLogUpdate } from 'log-update';
import { afterEvent, type BuildEvent, begun, type RunningBuild, statusLine } from './progress.ts';

/** Where builds are watched: several at once, each with a line of its own at the bottom of a terminal. */
export interface BuildScreen {
  begin(name: string): BuildView;
  /** A line above what is shown of the builds. */
  tell(message: string): void;
}

export interface BuildView {
  /** What its programs print. */
  output(bytes: Buffer): void;
  event(event: BuildEvent): void;
  end(): void;
}

export interface ScreenOptions {
  readonly stream: NodeJS.WriteStream;
  readonly now: () => number;
}

const redrawEveryMs = 200;

/** On a terminal the state of each build stands below the output; elsewhere all is plain lines. */
export function buildScreen({ stream, now }: ScreenOptions): BuildScreen {
  const running = new Map<BuildView, RunningBuild>();
  // A terminal without a size cannot be drawn on.
  const live = stream.isTTY === true && stream.columns > 0 ? createLogUpdate(stream, { showCursor: true }) : null;
  let clock: NodeJS.Timeout | null = null;
  // Until a second build begins, a line needs no name.
  let named = false;

  const draw = (): void => {
    live?.([...running.values()].map((build) => statusLine(build, now(), stream.columns)).join('\n'));
  };
  const print = (line: string): void => {
    if (live === null) {
      stream.write(`${line}\n`);
      return;
    }
    live.clear();
    stream.write(`${line}\n`);
    draw();
  };

  return {
    tell: print,
    begin(name) {
      const decoder = new StringDecoder('utf8');
      let rest = '';
      const printLine = (line: string): void => print(named ? `${name} | ${line}` : line);
      const view: BuildView = {
        output(bytes) {
          const lines = (rest + decoder.write(bytes)).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) printLine(line);
        },
        event(event) {
          const build = running.get(view);
          if (build === undefined) return;
          const after = afterEvent(build, event, now());
          running.set(view, after.build);
          if (live === null && after.line !== null) print(after.line);
          if (event.kind === 'step') draw();
        },
        end() {
          rest += decoder.end();
          if (rest !== '') printLine(rest);
          rest = '';
          running.delete(view);
          named = running.size > 0;
          live?.clear();
          if (running.size > 0) draw();
          else if (clock !== null) clearInterval(clock);
          if (running.size === 0) clock = null;
        },
      };
      running.set(view, begun(name, now()));
      named ||= running.size > 1;
      if (live !== null) clock ??= setInterval(draw, redrawEveryMs);
      draw();
      return view;
    },
  };
}
