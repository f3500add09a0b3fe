import { type Answers, type Dataset, readDataset } from './answer.ts';
import { sortByDomain } from './domain.ts';
import { peerFacts } from './peer-facts.ts';
import { type Polled, usePoll } from './poll.ts';
import { type Provenance, provenanceOf, type Source } from './provenance.ts';
import { useStatus } from './status.ts';
import type { Rules } from './stream.ts';

export interface RemoteHost {
  readonly id: string;
  readonly hostname: string;
  /** Of its UI; empty: this page's. */
  readonly origin: string;
  readonly provenance: Provenance;
  /** Null: nothing is known of it. */
  readonly answers: Answers | null;
}

interface ByHost {
  readonly by_host: Readonly<Record<string, Readonly<Record<string, Dataset>>>>;
  readonly missing: readonly string[];
  readonly sources: Readonly<Record<string, Source>>;
}

export interface RemoteAnswer {
  /** Sorted by their domain, the last part first. */
  readonly hosts: readonly RemoteHost[];
  readonly problem: string | null;
  /** Nothing came yet. */
  readonly waiting: boolean;
}

export const remoteEveryMs = 6_000;

/** Asks every host the same through the own agent. */
export function useRemote(rules: Rules, everyMs = remoteEveryMs): RemoteAnswer {
  const { value, problem }: Polled<ByHost> = usePoll('/v1/query_by_host', everyMs, { rules });
  const { value: peers } = usePoll<unknown>('/all_peers', remoteEveryMs);
  const { value: status } = useStatus();
  const known = new Map(peerFacts(peers, null, 0).map((peer) => [peer.id, peer]));
  // Dead ones are not asked; somebody may look for them.
  const ids = [...new Set(value === null ? [] : [...Object.keys(value.by_host), ...value.missing, ...known.keys()])];
  const hosts = ids.map((id): RemoteHost => {
    const datasets = value?.by_host[id];
    const peer = known.get(id);
    const own = status?.id === id;
    return {
      id,
      hostname: (own ? status.hostname : peer?.hostname) ?? id.slice(0, 8),
      origin: own || peer === undefined ? '' : `http://${peer.addr}`,
      provenance: provenanceOf(value?.sources[id], peer?.liveness === 'dead'),
      answers: datasets === undefined ? null : answersOf(datasets),
    };
  });
  return { hosts: sortByDomain(hosts), problem, waiting: value === null };
}

// A poll's answer is read once, not at each render.
const read = new WeakMap<object, Answers>();

function answersOf(datasets: Readonly<Record<string, Dataset>>): Answers {
  const held = read.get(datasets);
  if (held !== undefined) return held;
  const answers = Object.fromEntries(Object.entries(datasets).map(([rule, dataset]) => [rule, readDataset(dataset)]));
  read.set(datasets, answers);
  return answers;
}

/** "old figures of a; no answer from b, c": null where all answered. */
export function lackWords(hosts: readonly RemoteHost[]): string | null {
  const of = (kind: Provenance['kind']) =>
    hosts.filter(({ provenance }) => provenance.kind === kind).map(({ hostname }) => hostname);
  const said: readonly (readonly [readonly string[], string])[] = [
    [of('mirror'), 'old figures of'],
    [of('missing'), 'no answer from'],
    [of('dead'), 'dead:'],
  ];
  const words = said.filter(([names]) => names.length > 0).map(([names, text]) => `${text} ${someOf(names)}`);
  return words.length === 0 ? null : words.join('; ');
}

const mostNames = 4;
const someOf = (names: readonly string[]): string =>
  names.length <= mostNames
    ? names.join(', ')
    : `${names.slice(0, mostNames).join(', ')} and ${names.length - mostNames} more`;
