import { InvalidArgumentError, Option } from 'commander';
import { mostLabels, parseLabel } from '../cantal/remote/select.ts';
import { type JoinTarget, parseJoin } from '../cluster/discovery.ts';
import { parseHumanDuration } from '../config/duration.ts';
import { parseInteger } from '../config/number-text.ts';
import { defaultLogKeep, type LogKeep } from '../verwalter/log/retention.ts';
import { parseRecordKeep, type RecordKeep } from '../verwalter/recording/record-keep.ts';

/** Readers of the options that both agents have; each throws commander's error, which names the option. */

export function number(name: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`${name} is a whole number from ${least} to ${most}.`);
  };
}

/** At least as long as a query looks back by default; at most the scanner's week. */
export function keepHistory(text: string): number {
  const duration = parseHumanDuration(text);
  if ('problem' in duration) throw new InvalidArgumentError(duration.problem);
  const { ms } = duration;
  if (ms >= 60_000 && ms <= 7 * 24 * 3_600_000) return ms;
  throw new InvalidArgumentError('keep-history is from "1 minute" to "7 days".');
}

export function roundInterval(text: string): number {
  const duration = parseHumanDuration(text);
  if ('problem' in duration) throw new InvalidArgumentError(duration.problem);
  if (duration.ms >= 1000 && duration.ms <= 3_600_000) return duration.ms;
  throw new InvalidArgumentError('round-interval is from "1 s" to "1 hour".');
}

/** `30 days`, `1 GiB`, or both with a comma between; what is not given stays at its default. */
export function logKeep(text: string): LogKeep {
  let keep = defaultLogKeep;
  for (const part of text.split(',').map((each) => each.trim())) {
    const bytes = parseInteger(part.replaceAll(' ', '').replace(/(?<=[kKMGT]i?)B$/, ''));
    const duration = parseHumanDuration(part);
    if (bytes !== null && /[kKMGT]/.test(part)) keep = { ...keep, bytes: Number(bytes) };
    else if (!('problem' in duration)) keep = { ...keep, ms: duration.ms };
    else
      throw new InvalidArgumentError(`${JSON.stringify(part)}: expected a duration as "30 days" or a size as "1 GiB".`);
  }
  // Less would remove what a render has just said.
  if (keep.ms >= 3_600_000 && keep.bytes >= 2 ** 20) return keep;
  throw new InvalidArgumentError('log-keep is at least "1 hour, 1 MiB".');
}

export function recordKeep(text: string): RecordKeep {
  const keep = parseRecordKeep(text);
  if ('problem' in keep) throw new InvalidArgumentError(keep.problem);
  return keep;
}

export function machineId(text: string): string {
  const id = text.toLowerCase();
  if (/^[0-9a-f]{32}$/.test(id)) return id;
  throw new InvalidArgumentError('A machine id is 32 hex digits.');
}

export type ProcessMetrics = boolean | 'by-name';

export const processMetricsOption = (): Option =>
  new Option('--process-metrics <how>', 'series of single processes, or of all of one name and cgroup together')
    .choices(['by-pid', 'by-name'])
    .argParser((how: string): ProcessMetrics => {
      if (how === 'by-pid') return true;
      if (how === 'by-name') return how;
      throw new InvalidArgumentError('Allowed choices are by-pid, by-name.');
    })
    .default(true, 'by-pid');

export type HostLabels = readonly (readonly [name: string, value: string])[];

export function collectLabels(text: string, all: HostLabels): HostLabels {
  const label = parseLabel(text);
  if (typeof label === 'string') throw new InvalidArgumentError(label);
  const others = all.filter(([name]) => name !== label[0]);
  if (others.length >= mostLabels) throw new InvalidArgumentError(`A host has at most ${mostLabels} labels.`);
  return [...others, label];
}

export function collectTargets(value: string, all: readonly JoinTarget[]): readonly JoinTarget[] {
  const target = parseJoin(value);
  if (target !== null) return [...all, target];
  throw new InvalidArgumentError('A node is IP:PORT, NAME:PORT, or @FILE with one of these on each line.');
}
