import type { Overview } from '../api.ts';
import { type Answers, type Dataset, readDataset } from './answer.ts';
import { type Polled, usePoll } from './poll.ts';
import type { Rules } from './stream.ts';

export interface RemoteHost {
  readonly id: string;
  readonly hostname: string;
  readonly addr: string | null;
  /** Null: it did not answer in time. */
  readonly answers: Answers | null;
}

interface ByHost {
  readonly by_host: Readonly<Record<string, Readonly<Record<string, Dataset>>>>;
  readonly missing: readonly string[];
}

const everyMs = 6_000;

/** Asks every host the same through the own agent. Hosts are sorted by their domain, the last part first. */
export function useRemote(rules: Rules): { hosts: readonly RemoteHost[]; problem: string | null } {
  const { value, problem }: Polled<ByHost> = usePoll('/v1/query_by_host', everyMs, { rules });
  const { value: overview } = usePoll<Overview>('/v1/overview', everyMs);
  const nodes = new Map(overview?.nodes.map((node) => [node.id, node]));
  const ids = [...new Set([...Object.keys(value?.by_host ?? {}), ...(value?.missing ?? [])])];
  const hosts = ids.map((id): RemoteHost => {
    const datasets = value?.by_host[id];
    const node = nodes.get(id);
    return {
      id,
      hostname: node?.hostname ?? id.slice(0, 8),
      addr: node?.addr ?? null,
      answers:
        datasets === undefined
          ? null
          : Object.fromEntries(Object.entries(datasets).map(([rule, dataset]) => [rule, readDataset(dataset)])),
    };
  });
  return { hosts: hosts.sort((a, b) => (domain(a.hostname) < domain(b.hostname) ? -1 : 1)), problem };
}

const domain = (hostname: string): string => hostname.split('.').reverse().join('.');
