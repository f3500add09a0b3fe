import { isObject, type Json } from './canonical.ts';

/** What `verwalter status` says of GET /v1/status; `fine`: nothing to look after. */
export const statusText = (status: Json, nowMs: number): { readonly text: string; readonly fine: boolean } => {
  const top = objectOf(status);
  const failed = listOf(top.failed_roles);
  const errors = Object.entries(objectOf(top.errors));
  const warnings = listOf(top.warnings).map(text);
  const held = objectOf(top.held);
  const roles = listOf(top.roles).map(objectOf);
  const lines = [
    `${text(top.hostname)} (${text(top.id)}), stellwerk ${text(top.version)}: ${leaderText(top)}`,
    `schedule   ${scheduleText(top, nowMs)}`,
    `peers      ${text(top.peers)} known${erroneousText(top)}`,
    `roles      ${roles.length === 0 ? 'none' : roles.map(({ role, state }) => `${text(role)} ${text(state)}`).join(', ')}`,
    ...(numberOf(top.pending_actions) > 0 ? [`actions    ${text(top.pending_actions)} wait for a round`] : []),
    ...(top.debug_force_leader === true ? ['warning    this node was told to lead, whoever else there is'] : []),
    ...warnings.map((warning) => `warning    ${warning}`),
    ...(held.hash === undefined
      ? []
      : [`held       ${short(held.hash)}: the guard waits for a decision, POST /v1/guard`]),
    ...roles.flatMap(({ role, error }) =>
      typeof error === 'string' ? [`error      role ${text(role)}: ${error}`] : [],
    ),
    ...errors.map(([kind, error]) => `error      ${kind}: ${text(error)}`),
  ];
  return {
    text: `${lines.map((line) => line.replaceAll('\n', '\n           ')).join('\n')}\n`,
    fine: errors.length === 0 && failed.length === 0 && top.schedule_status === 'ok',
  };
};

const objectOf = (value: Json | undefined): Readonly<Record<string, Json>> => (isObject(value) ? value : {});
const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
const short = (hash: Json | undefined): string => text(hash).slice(0, 8);
const text = (value: Json | undefined): string => {
  if (value === undefined || value === null) return '?';
  return typeof value === 'string' ? value : JSON.stringify(value);
};
const numberOf = (value: Json | undefined): number => (typeof value === 'number' ? value : 0);

const leaderText = (top: Readonly<Record<string, Json>>): string => {
  const { role, epoch } = objectOf(top.leadership);
  const leader = objectOf(top.leader);
  if (role === 'leader') return `leads, epoch ${text(epoch)}`;
  if (role === 'follower') return `follows ${text(leader.hostname)} (${text(leader.addr)}), epoch ${text(epoch)}`;
  return 'there is no leader';
};

const scheduleText = (top: Readonly<Record<string, Json>>, nowMs: number): string => {
  const { hash, timestamp } = objectOf(top.schedule);
  const what = `${text(top.schedule_status)}`;
  if (hash === undefined) return `${what}, none yet`;
  const age = `${Math.max(0, Math.round((nowMs - numberOf(timestamp)) / 1000))} s ago`;
  const rendered = top.rendered_id === hash ? 'rendered here' : 'not rendered here yet';
  return `${what}, ${short(hash)} of ${age}, ${rendered}`;
};

const erroneousText = (top: Readonly<Record<string, Json>>): string => {
  const bad = listOf(top.erroneous_peers).map(objectOf);
  if (bad.length === 0) return '';
  return `; with errors: ${bad.map(({ hostname, errors }) => `${text(hostname)} (${text(errors)})`).join(', ')}`;
};
