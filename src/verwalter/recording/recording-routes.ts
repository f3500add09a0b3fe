import { type HttpReply, json, problem, type Route } from '../../http/route.ts';
import { emptyRecord, isObject, type Json, type JsonObject } from '../canonical.ts';
import { diffSchedules } from '../diff.ts';
import type { Verwalter } from '../verwalter.ts';
import type { RecordedRound, RoundHead } from './recorded-round.ts';

/** A scheduler's tree with its quotes escaped. */
const mostBodyBytes = 1024 * 1024;
/** A page shows no more at once; with `from` and `to` all can be had. */
const mostListed = 20_000;

/** Recorded rounds over HTTP, and trials of a scheduler on them (spec/verwalter.md 6.2). */
export const recordingRoutes = (verwalter: Pick<Verwalter, 'timeTravel' | 'scheduleByHash' | 'schedule'>): Route[] => {
  const { timeTravel } = verwalter;
  const { recorder } = timeTravel;

  const dataOf = async (hash: string): Promise<JsonObject | null> => {
    const last = verwalter.schedule();
    const held = last?.hash === hash ? last : verwalter.scheduleByHash(hash);
    if (held !== null) return held.data;
    const head = (await recorder.heads()).findLast((each) => each.hash === hash);
    return head === undefined ? null : ((await recorder.read(head.id))?.output ?? null);
  };

  return [
    {
      method: 'GET',
      path: '/v1/recordings',
      access: 'read',
      summary: 'rounds that this node has led, the oldest first; ?from=MS&to=MS, ?changed=1: of another schedule only',
      async handle({ query }) {
        const span = spanOf(query.get('from'), query.get('to'));
        if ('error' in span) return problem(400, span.error);
        const changed = query.get('changed') === '1';
        const heads = (await recorder.heads()).filter(
          (head) => head.timestamp >= span.fromMs && head.timestamp <= span.toMs && (!changed || head.changed),
        );
        return json({ rounds: heads.slice(-mostListed).map(headJson) });
      },
    },
    {
      method: 'GET',
      path: '/v1/recordings/:id',
      access: 'read',
      summary: 'a recorded round: input, output, debug log; ?scheduler=1: with the files of its scheduler',
      handle: ({ params, query }) =>
        readable(async () => {
          const round = await recorder.read(Number(params.id));
          if (round === null) return problem(404, 'no such round is recorded on this node');
          return json({
            ...roundJson(round),
            ...(query.get('scheduler') === '1' ? { scheduler: round.scheduler } : {}),
          });
        }),
    },
    {
      method: 'GET',
      path: '/v1/diff',
      access: 'read',
      summary: 'what moves from one schedule to another: ?from=HASH&to=HASH, of those held or recorded',
      handle: ({ query }) =>
        readable(async () => {
          const [from, to] = [query.get('from'), query.get('to')];
          if (from === null || to === null) return problem(400, 'from and to are hashes of schedules');
          const [before, after] = [await dataOf(from), await dataOf(to)];
          if (before === null || after === null)
            return problem(
              404,
              `${before === null ? from : to}: this node neither holds nor has recorded that schedule`,
            );
          return json({ from, to, moves: diffSchedules(before, after) });
        }),
    },
    {
      method: 'POST',
      path: '/v1/dry_run',
      access: 'admin',
      mostBodyBytes,
      summary:
        'run a scheduler over recorded rounds, and apply nothing: {"scheduler": {"main.lua": text, …}, "from", "to"}; ' +
        'or over one: {"id", "patch": changes of its input (RFC 7396), "scheduler"}',
      handle: ({ body }) =>
        readable(async () => {
          if (body === undefined) return problem(415, 'a dry run is JSON, sent as application/json');
          if (!isObject(body)) return problem(400, 'a dry run is an object: {"scheduler": {"main.lua": text, …}}');
          const files = body.scheduler === undefined ? null : filesOf(body.scheduler);
          if (files === 'wrong')
            return problem(400, 'scheduler: expected an object of path to text, with "main.lua" among them');
          if (body.id !== undefined) {
            const { id, patch = {} } = body;
            if (typeof id !== 'number') return problem(400, 'id: expected the number of a recorded round');
            if (!isObject(patch)) return problem(400, 'patch: expected an object');
            return whatIf(id, patch, files);
          }
          const span = spanOf(textOf(body.from), textOf(body.to));
          if ('error' in span) return problem(400, span.error);
          const { rounds, failed, changedRounds, moves } = await timeTravel.dryRun(files, span.fromMs, span.toMs);
          return json({ rounds, failed, changed_rounds: changedRounds, moves });
        }),
    },
    {
      method: 'GET',
      path: '/v1/shadow',
      access: 'read',
      summary: 'what the scheduler in scheduler/v1-shadow would have decided since it was changed (leader only)',
      handle() {
        const shadow = timeTravel.shadow();
        return shadow === null ? problem(404, 'there is no folder scheduler/v1-shadow') : json(shadow);
      },
    },
  ];

  async function whatIf(id: number, patch: JsonObject, files: Record<string, string> | null): Promise<HttpReply> {
    const answer = await timeTravel.whatIf(id, files, (input) => mergePatch(input, patch) as JsonObject);
    if (answer === null) return problem(404, 'no such round is recorded on this node');
    const { round, result } = answer;
    const { outcome, log, durationMs } = result;
    const failed = outcome.ok ? [] : [{ id, timestamp: round.timestamp, error: outcome.error }];
    return json({
      rounds: 1,
      failed,
      changed_rounds: outcome.ok && outcome.hash !== round.hash ? 1 : 0,
      moves: outcome.ok ? diffSchedules(round.output ?? {}, outcome.data) : [],
      output: outcome.ok ? outcome.data : null,
      hash: outcome.ok ? outcome.hash : null,
      warnings: outcome.ok ? outcome.warnings : [],
      log,
      duration_ms: durationMs,
    });
  }
};

/** A file that a disk has changed is no bug of ours. */
const readable = async (handle: () => Promise<HttpReply>): Promise<HttpReply> => {
  try {
    return await handle();
  } catch (error) {
    return problem(500, (error as Error).message);
  }
};

const textOf = (value: Json | undefined): string | null =>
  value === undefined || value === null ? null : String(value);

const spanOf = (
  from: string | null,
  to: string | null,
): { readonly fromMs: number; readonly toMs: number } | { readonly error: string } => {
  const fromMs = from === null ? Number.NEGATIVE_INFINITY : Number(from);
  const toMs = to === null ? Number.POSITIVE_INFINITY : Number(to);
  if (Number.isNaN(fromMs) || Number.isNaN(toMs)) return { error: 'from and to are milliseconds since 1970' };
  return { fromMs, toMs };
};

const filesOf = (value: Json): Record<string, string> | 'wrong' => {
  if (!isObject(value) || typeof value['main.lua'] !== 'string') return 'wrong';
  const files = emptyRecord<string>();
  for (const [path, text] of Object.entries(value)) {
    if (typeof text !== 'string') return 'wrong';
    files[path] = text;
  }
  return files;
};

/** RFC 7396. */
export const mergePatch = (target: Json | undefined, patch: Json): Json => {
  if (!isObject(patch)) return patch;
  const result = emptyRecord<Json>();
  if (isObject(target)) Object.assign(result, target);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
};

const headJson = (head: RoundHead) => ({
  id: head.id,
  timestamp: head.timestamp,
  epoch: head.epoch,
  reason: head.reason,
  ok: head.ok,
  hash: head.hash,
  changed: head.changed,
  duration_ms: head.durationMs,
  scheduler_hash: head.schedulerHash,
  ...(head.error === null ? {} : { error: head.error }),
});

const roundJson = (round: RecordedRound) => ({
  ...headJson(round),
  input: round.input,
  output: round.output,
  answers: round.answers,
  warnings: round.warnings,
  log: round.log,
});
