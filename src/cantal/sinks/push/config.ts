import { optional, required } from '../../../config/record.ts';
import { absolutePath, boolean, checked, integer, matching, nullable, text } from '../../../config/schema.ts';
import { compileRegex } from '../../query/regex.ts';

const httpUrl = matching(/^https?:\/\/[^\s/]+(\/\S*)?$/, 'an address as http://host:port/path');
const regex = checked(text, (pattern) => {
  const compiled = compileRegex(pattern);
  return compiled.kind === 'bad' ? { problem: compiled.reason } : { value: pattern };
});

/** Keys of every receiver that takes batches of samples by HTTP POST. */
export const pushFields = {
  url: required(httpUrl),
  /** Seconds between two pushes; each has all samples since the one before. */
  interval: optional(integer({ min: 1, max: 86_400 }, 'seconds'), 10),
  /** Of our names of metrics; empty: all. */
  pattern: optional(regex, ''),
  /** The kernel's numbers of single processes too: each process is a new name for ever. */
  processes: optional(boolean, false),
  /** What the receiver missed while it was away is sent from the history, as far back as that goes. */
  replay: optional(boolean, false),
  /** Its first line is sent as "Authorization: Bearer"; read anew for each push. */
  'token-file': optional(nullable(absolutePath), null),
} as const;
