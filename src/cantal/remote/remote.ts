import { type Dataset, isDataset } from '../query/dataset.ts';
import type { Cantal } from '../shell.ts';

/** What a cluster-wide query needs to know of the cluster; the agent brings it. */
export interface ClusterView {
  readonly self: { readonly id: string };
  /** Others only. */
  members(): readonly ClusterMember[];
}

export interface ClusterMember {
  /** 32 hex digits. */
  readonly id: string;
  /** "ip:port" of its agent. */
  readonly addr: string;
  readonly hostname: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly knownSince: number;
  readonly lastReportDirect: number | null;
  readonly liveness: 'alive' | 'suspect' | 'dead';
}

export interface PeerPost {
  postJson(addr: string, path: string, body: unknown, timeoutMs: number, maxBytes: number): Promise<unknown>;
}

export interface ByHost {
  /** Host id → rule id → dataset; this host is among them. */
  readonly byHost: Readonly<Record<string, Readonly<Record<string, Dataset>>>>;
  /** Ids of hosts that are not dead and did not answer in time. */
  readonly missing: readonly string[];
}

export interface RemoteOptions {
  readonly cantal: Pick<Cantal, 'query'>;
  readonly cluster: ClusterView;
  readonly http: PeerPost;
}

export interface Remote {
  /** Rejects with RefusedQuery where the rules cannot be answered at all; a host that fails is only missing. */
  queryByHost(rules: Readonly<Record<string, unknown>>, deadlineMs: number): Promise<ByHost>;
  members(): readonly ClusterMember[];
}

/** The rules are wrong, or ask for too much. */
export class RefusedQuery extends Error {
  readonly path: string;

  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = 'RefusedQuery';
    this.path = path;
  }
}

/** Where peers ask each other. */
export const peerQueryPath = '/v1/peer/query';
/** Spec cantal 6.5. */
const mostBytesPerPeer = 1024 * 1024;
const mostInFlight = 64;

/** Asks all hosts at once and takes what came by the deadline. */
export function remoteQueries({ cantal, cluster, http }: RemoteOptions): Remote {
  return {
    members: () => cluster.members(),
    async queryByHost(rules, deadlineMs) {
      const own = cantal.query(rules);
      if (own.kind === 'refused') throw new RefusedQuery(own.path, own.reason);
      const asked = cluster.members().filter(({ liveness }) => liveness !== 'dead');
      const deadline = performance.now() + deadlineMs;
      const answers = new Map<string, Readonly<Record<string, Dataset>>>([[cluster.self.id, own.values]]);

      const waiting = [...asked];
      const askOn = async (): Promise<void> => {
        for (let member = waiting.shift(); member !== undefined; member = waiting.shift()) {
          const left = deadline - performance.now();
          if (left <= 0) return;
          try {
            const reply = await http.postJson(member.addr, peerQueryPath, { rules }, left, mostBytesPerPeer);
            const values = valuesOf(reply, rules);
            if (values !== null && performance.now() <= deadline) answers.set(member.id, values);
          } catch {
            // It is missing then, and named so.
          }
        }
      };
      let timer: NodeJS.Timeout | undefined;
      const timeUp = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, deadlineMs);
      });
      const workers = Array.from({ length: Math.min(mostInFlight, asked.length) }, askOn);
      await Promise.race([Promise.all(workers), timeUp]);
      clearTimeout(timer);

      return {
        byHost: Object.fromEntries(answers),
        missing: asked.map(({ id }) => id).filter((id) => !answers.has(id)),
      };
    },
  };
}

/** A peer's answer, as far as it answers what was asked; null where it is none. */
function valuesOf(reply: unknown, rules: Readonly<Record<string, unknown>>): Readonly<Record<string, Dataset>> | null {
  if (typeof reply !== 'object' || reply === null || !('values' in reply)) return null;
  const { values } = reply;
  if (typeof values !== 'object' || values === null) return null;
  const entries = Object.entries(values);
  const fits = entries.every(([id, dataset]) => Object.hasOwn(rules, id) && isDataset(dataset));
  return fits && entries.length === Object.keys(rules).length
    ? (Object.fromEntries(entries) as Record<string, Dataset>)
    : null;
}
