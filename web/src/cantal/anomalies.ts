import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Anomalies } from './anomaly.ts';
import { nothingPolled, type Polled, usePoll } from './poll.ts';

const everyMs = 10_000;

export const AnomaliesContext = createContext<Polled<Anomalies>>(nothingPolled);

/** For the whole page, once. */
export const useAnomaliesPoll = (): Polled<Anomalies> => usePoll<Anomalies>('/v1/anomalies', everyMs);
export const useAnomalies = (): Polled<Anomalies> => useContext(AnomaliesContext);
