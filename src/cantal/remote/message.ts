import type { Labels } from '../query/dataset.ts';
import type { NumberKind } from '../query/sample.ts';

/** What agents say to one another over a peer stream: schema/remote.fbs. */

export type Request =
  | {
      readonly kind: 'subscribe';
      /** 16 hex digits: filter.ts. */
      readonly filter: string;
      /** JSON: [source, condition]. */
      readonly text: string;
      readonly samples: number;
    }
  | { readonly kind: 'unsubscribe'; readonly filter: string };

/** What an agent says of itself after each scan; names as in spec cantal 6.5, times in ms since the epoch. */
export interface Beacon {
  readonly version: string;
  readonly id: string;
  readonly addresses: readonly string[];
  readonly name: string;
  readonly cluster_name: string;
  readonly hostname: string;
  readonly pid: number;
  readonly current_time: number;
  readonly startup_time: number;
  readonly boot_time: number;
  readonly scan_time: number;
  readonly scan_duration: number;
  /** Its scan period, ms. */
  readonly interval: number;
  readonly processes: number;
  readonly tip_values: number;
  readonly fine_values: number;
  readonly peers: number;
  readonly fine_history_length: number;
  readonly history_age: number;
  readonly remote_total: number | null;
  readonly remote_connected: number | null;
  readonly peers_with_remote: number;
  readonly labels: Labels;
}

export interface SeriesKey {
  readonly kind: NumberKind;
  readonly labels: Labels;
}

export interface StateRow {
  readonly labels: Labels;
  /** Of the scan that saw it last; null: the newest one. */
  readonly timestamp: number | null;
  readonly since: number;
  readonly text: string;
}

export interface Stats {
  readonly filter: string;
  /** Dictionary and values before start anew. */
  readonly anew: boolean;
  /** Oldest first. */
  readonly times: readonly number[];
  readonly keys: readonly SeriesKey[];
  /** rows.ts */
  readonly rows: Uint8Array;
  /** There was nothing before the first of `times`. */
  readonly whole: boolean;
  /** Null: as before. */
  readonly states: readonly StateRow[] | null;
}

export type Reply =
  | { readonly kind: 'beacon'; readonly beacon: Beacon }
  | { readonly kind: 'stats'; readonly stats: Stats }
  | { readonly kind: 'refusal'; readonly filter: string; readonly reason: string };

export const kindsByCode = ['Counter', 'Integer', 'Float'] as const satisfies readonly NumberKind[];
