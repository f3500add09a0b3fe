import type { Settled } from './action-desk.ts';

/** A log is for people: what is longer is looked up in the recording of the round. */
const mostText = 500;

const short = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'null';
  return text.length <= mostText ? text : `${text.slice(0, mostText)}…`;
};

/** "action 1000 by alice (10.0.0.7): {"button":…} → 200 {"ok":true}", for the log of changes. */
export const settledText = ({ id, value, sender, status, answer }: Settled): string => {
  const said = answer === null || answer === undefined ? '' : ` ${short(answer)}`;
  return `action ${id} by ${sender.principal} (${sender.address}): ${short(value)} → ${status}${said}`;
};
