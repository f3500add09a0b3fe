import type { ActionRequest, DeskReply } from './action-desk.ts';
import type { Json, JsonObject } from './canonical.ts';
import type { Counts } from './counts.ts';
import type { LogKeep } from './log/retention.ts';
import type { Leadership, MetricSource, PeerHttp, Peers, ScheduleStamp } from './ports.ts';
import type { RecordKeep } from './recording/record-keep.ts';
import type { RoleStatus } from './render/renderer.ts';
import type { RoundSummary } from './round.ts';
import type { Schedule } from './schedule.ts';
import type { SchedulerLimits } from './scheduler/engine.ts';
import type { QueuedAction, State } from './state.ts';
import type { TimeTravel } from './time-travel.ts';

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
  /** Renders, and runs nothing. */
  readonly dryRun?: boolean;
  /** Programs that rendering starts are started as root through sudo(8). */
  readonly useSudo?: boolean;
  /** How many recorded rounds stay; default: 24 hours and 1 GiB. */
  readonly recordKeep?: RecordKeep;
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
  | 'guard'
  | 'query'
  | 'recordings';

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

export interface VerwalterCounts extends Counts {
  /** Errors that came up: a scheduler that fails, a file that cannot be read, …; the same one again is none. */
  readonly errorsOccurred: number;
  /** Renders of roles that failed, tries of the same one included. */
  readonly rolesFailed: number;
}

/** `leader`: "ip:port" of the agent that takes actions. */
export type ActionReply = DeskReply | { readonly leader: string };

export interface Verwalter {
  /** Recorded rounds, and what can be done with them. */
  readonly timeTravel: TimeTravel;
  status(): VerwalterStatus;
  counts(): VerwalterCounts;
  schedule(): Schedule | null;
  scheduleByHash(hash: string): Schedule | null;
  /** Input and log of the last round of this node; null where it has not led. */
  lastInput(): JsonObject | null;
  lastLog(): string | null;
  pendingActions(): readonly QueuedAction[];
  /** unknown: never queued on this node, or lost with its leadership, or refused by the scheduler. */
  actionState(id: number): 'pending' | 'done' | 'unknown';
  /** Queues an action; with `wait` the answer comes when a round has seen it, otherwise at once with its id. */
  act(request: ActionRequest): Promise<ActionReply>;
  /** Applies or discards the schedule with this hash that the guard holds; null = done, else why not. */
  decideHeld(decision: 'apply' | 'discard', hash: string): string | null;
  /** Rejects where query.lua fails. */
  rolesData(): Promise<{ readonly to_render: JsonObject; readonly all_roles: readonly string[] }>;
  /** Asks scheduler/v1/query.lua; null: there is none that answers. Rejects with what was wrong. */
  query(path: string, body: Json): Promise<{ readonly value: Json } | null>;
  renderLog(role: string): readonly string[];
  renderLogNames(): readonly string[];
  forceRender(): void;
  /** After every change of schedule, leadership, render or errors. Returns the way to unsubscribe. */
  onChange(listener: () => void): () => void;
  stop(): Promise<void>;
}
