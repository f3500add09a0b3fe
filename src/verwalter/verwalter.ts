import type { Json, JsonObject } from './canonical.ts';
import type { LogKeep } from './log/retention.ts';
import type { Leadership, MetricSource, PeerHttp, Peers, ScheduleStamp } from './ports.ts';
import type { RoleStatus } from './render/renderer.ts';
import type { RoundSummary } from './round.ts';
import type { Schedule } from './schedule.ts';
import type { SchedulerLimits } from './scheduler/engine.ts';
import type { QueuedAction, State } from './state.ts';

// What the running verwalter of a node takes and offers.

export interface VerwalterOptions {
  readonly peers: Peers;
  readonly metrics: MetricSource;
  readonly peerHttp: PeerHttp;
  readonly configDir: string;
  readonly storageDir: string;
  readonly logDir: string;
  /** How much of the render logs stays; default: 30 days and 1 GiB. */
  readonly logKeep?: LogKeep;
  readonly version: string;
  /** Started with SANDBOX and FILE added: [node, stellwerk.js, 'lithos', 'switch', '--master', FILE]. */
  readonly lithosSwitch: readonly [string, ...string[]];
  readonly roundIntervalMs?: number;
  readonly schedulerLimits?: SchedulerLimits;
  /** The scheduler may not write to globals. */
  readonly strictScheduler?: boolean;
  /** A schedule with warnings is refused. */
  readonly strictSchedule?: boolean;
  /** Part of all instances that one round may stop unasked, 0 to 1; by default a half. */
  readonly maxShrink?: number;
  /** The bundled scheduler/worker.ts, by default beside the program's own bundle. */
  readonly workerUrl?: URL;
  /** One line for the operator. */
  readonly log?: (line: string) => void;
}

export type ErrorKind =
  | 'scheduler_load'
  | 'scheduler'
  | 'runtime'
  | 'machine'
  | 'fetch'
  | 'storage'
  | 'metrics'
  | 'guard';

export interface VerwalterStatus {
  readonly leadership: Leadership;
  readonly phase: State['phase']['kind'];
  /** ok: the leader's schedule is held; fetching; waiting: the leader has none yet; unstable: no leader. */
  readonly scheduleStatus: 'ok' | 'fetching' | 'waiting' | 'unstable';
  readonly stamp: ScheduleStamp | null;
  /** Of the schedule whose render was last gone through, failed roles or not. */
  readonly renderedHash: string | null;
  readonly failedRoles: readonly string[];
  readonly roles: readonly RoleStatus[];
  readonly errors: Readonly<Partial<Record<ErrorKind, string>>>;
  readonly warnings: readonly string[];
  readonly schedulerHash: string | null;
  readonly lastRound: RoundSummary | null;
  readonly pendingActions: number;
  /** A schedule that the guard holds back. */
  readonly held: { readonly hash: string; readonly before: number; readonly after: number } | null;
}

export type ActionReply =
  | { readonly status: 200 | 204 | 422 | 429 | 503 | 504; readonly value: unknown }
  | { readonly leader: string };

export interface Verwalter {
  status(): VerwalterStatus;
  schedule(): Schedule | null;
  scheduleByHash(hash: string): Schedule | null;
  /** Input and log of the last round of this node; null where it has not led. */
  lastInput(): JsonObject | null;
  lastLog(): string | null;
  pendingActions(): readonly QueuedAction[];
  /** unknown: never queued on this node, or lost with its leadership, or refused by the scheduler. */
  actionState(id: number): 'pending' | 'done' | 'unknown';
  /** Queues an action; with `wait` the answer comes when a round has seen it, otherwise at once with its id. */
  act(value: Json, wait: boolean): Promise<ActionReply>;
  /** Applies or discards the schedule with this hash that the guard holds; null = done, else why not. */
  decideHeld(decision: 'apply' | 'discard', hash: string): string | null;
  rolesData(): { readonly to_render: JsonObject; readonly all_roles: readonly string[] };
  renderLog(role: string): readonly string[];
  renderLogNames(): readonly string[];
  forceRender(): void;
  /** After every change of schedule, leadership, render or errors. Returns the way to unsubscribe. */
  onChange(listener: () => void): () => void;
  stop(): Promise<void>;
}
