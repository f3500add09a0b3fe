/** A request that changed something, or would have if it had not been refused. */
export interface AuditEntry {
  /** Null: not known, because it was refused before. */
  readonly principal: string | null;
  readonly address: string;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly status: number;
  /** Why it was refused or failed. */
  readonly error: string | null;
  /** Id of the action that it was about. */
  readonly action: string | null;
  readonly tookMs: number;
}

export type Audit = (entry: AuditEntry) => void;
