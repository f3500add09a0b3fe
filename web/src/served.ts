import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { nothingPolled, type Polled, usePoll } from './cantal/poll.ts';
import { useStatus } from './cantal/status.ts';
import { asList, asRecord } from './json.ts';

/** An agent that is started anew may be another one. */
const everyMs = 300_000;

export const ServedContext = createContext<Polled<unknown>>(nothingPolled);

/** GET /v1, for the whole page, once: asking for a path that is not served would be an error in the console. */
export const useServedPoll = (): Polled<unknown> => usePoll<unknown>('/v1', everyMs);

/** Null: not known yet. Where the agent cannot be asked, all of its parts are thought to be there. */
export function serves(path: string, { value, problem }: Polled<unknown>): boolean | null {
  if (value === null) return problem === null ? null : true;
  return asList(asRecord(value).routes).some((route) => asRecord(route).path === path);
}

/** The cluster page is verwalter's: an agent of monitoring alone has none. Null: not known yet. */
export const useScheduler = (): boolean | null => serves('/v1/overview', useContext(ServedContext));

/** Whether this agent knows of others. Null: not known yet. */
export function useInCluster(): boolean | null {
  const { value: status, problem } = useStatus();
  if (status === null) return problem === null ? null : true;
  // As an agent that does not say so is in one.
  return status.cluster_name !== null;
}
