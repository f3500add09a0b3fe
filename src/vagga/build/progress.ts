/** Where the builder writes its events. */
export const eventsFd = 3;

/** What the builder tells of itself while it works: a line of JSON each. */
export type BuildEvent =
  | { readonly kind: 'step'; readonly number: number; readonly of: number; readonly title: string }
  /** `total`: null where the server does not say. */
  | { readonly kind: 'download'; readonly url: string; readonly bytes: number; readonly total: number | null };

/** A build that is going on, as it is shown. Times are milliseconds of any one clock. */
export interface RunningBuild {
  readonly name: string;
  readonly step: Extract<BuildEvent, { kind: 'step' }> | null;
  readonly download: Extract<BuildEvent, { kind: 'download' }> | null;
  readonly sinceMs: number;
  /** When the download was last told of where there is no terminal. */
  readonly toldMs: number;
}

/** Between two lines about one download: a log is read later, by somebody who wants to see that it moved. */
const tellEveryMs = 5_000;

export const begun = (name: string, nowMs: number): RunningBuild => ({
  name,
  step: null,
  download: null,
  sinceMs: nowMs,
  toldMs: nowMs,
});

/** The build after the event, and the line of it for what is no terminal; null: none is due. */
export function afterEvent(
  build: RunningBuild,
  event: BuildEvent,
  nowMs: number,
): { readonly build: RunningBuild; readonly line: string | null } {
  switch (event.kind) {
    case 'step':
      return {
        build: { ...build, step: event, download: null, sinceMs: nowMs, toldMs: nowMs },
        line: `[${build.name} ${event.number}/${event.of}] ${event.title}`,
      };
    case 'download': {
      const due = nowMs - build.toldMs >= tellEveryMs;
      return {
        build: { ...build, download: event, toldMs: due ? nowMs : build.toldMs },
        line: due ? `[${build.name}] ${event.url}: ${amount(event)}` : null,
      };
    }
    default:
      return event satisfies never;
  }
}

/** The one line of a terminal that is always there while it runs. */
export function statusLine({ name, step, download, sinceMs }: RunningBuild, nowMs: number, columns: number): string {
  const place = step === null ? 'begins' : `${step.number}/${step.of} ${step.title}`;
  const seconds = `${Math.round((nowMs - sinceMs) / 1000)} s`;
  const end = download === null ? seconds : `${amount(download)}, ${seconds}`;
  const room = Math.max(columns - end.length - 2, 10);
  const start = `${name} ${place}`;
  return `${start.length > room ? `${start.slice(0, room - 1)}…` : start}  ${end}`;
}

function amount({ bytes, total }: Extract<BuildEvent, { kind: 'download' }>): string {
  if (total === null || total === 0) return megabytes(bytes);
  return `${Math.floor((100 * bytes) / total)} % of ${megabytes(total)}`;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
