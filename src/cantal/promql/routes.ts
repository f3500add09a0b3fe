import { type HttpReply, type HttpRequest, json, type Route } from '../../http/route.ts';
import { helpOf } from '../openmetrics/exposition.ts';
import { type CostLimit, costLimit } from '../query/cost.ts';
import { mostSamplesPerQuery } from '../query/extract.ts';
import type { Cantal } from '../shell.ts';
import { type Data, instant, mostSteps, overRange } from './answer.ts';
import { type Catalog, catalogs, type Entry } from './catalog.ts';
import type { Moment } from './evaluate.ts';
import { labelValue, toObject } from './tags.ts';
import { durationOf, numberOf } from './text.ts';
import { Unanswerable } from './vector.ts';

type Parser = typeof import('./parse.ts');
type Answer = (request: HttpRequest, catalog: Catalog, parser: Parser) => unknown;

interface Failure {
  readonly status: number;
  /** Prometheus, HTTP API, "Format overview". */
  readonly errorType: 'bad_data' | 'execution';
  readonly error: string;
}

/** Thrown within this file; becomes the reply. */
class Refused extends Error {
  readonly failure: Failure;

  constructor(error: string, status = 400, errorType: Failure['errorType'] = 'bad_data') {
    super(error);
    this.failure = { status, errorType, error };
  }
}

/**
 * The part of Prometheus' HTTP API that its data sources read with, so that Grafana and promtool can be pointed at an
 * agent. docs/cantal.md, "PromQL", says which part of the language is answered.
 */
export function promqlRoutes(
  cantal: Pick<Cantal, 'moment'>,
  cost: CostLimit = costLimit(),
  nowMs: () => number = Date.now,
): readonly Route[] {
  const catalogOf = catalogs();

  const asked = async (request: HttpRequest, answer: Answer): Promise<HttpReply> => {
    try {
      // The grammar's tables are of no use until somebody asks.
      const parser = await import('./parse.ts');
      return json({ status: 'success', data: answer(request, catalogOf(cantal.moment()), parser) });
    } catch (error) {
      if (error instanceof Refused) return failed(error.failure);
      if (error instanceof Unanswerable) return failed({ status: 422, errorType: 'execution', error: error.message });
      throw error;
    }
  };

  /** Runs a query and writes down what it cost. */
  const evaluated = ({ query, remoteAddress }: HttpRequest, run: (moment: Moment) => Data): Data => {
    const wait = cost.refusal(remoteAddress);
    if (wait !== null) throw new Refused(`you have asked for too much: try again in ${wait} s`, 429, 'execution');
    if (query.get('query') === null) throw new Refused('the parameter query is missing');
    const source = cantal.moment();
    const budget = { samples: mostSamplesPerQuery };
    try {
      return run({ source, catalog: catalogOf(source), budget });
    } finally {
      cost.charge(remoteAddress, mostSamplesPerQuery - budget.samples);
    }
  };

  const both = (path: string, summary: string, answer: Answer) =>
    (['GET', 'POST'] as const).map(
      (method): Route => ({
        ...{ method, path, access: 'read', summary, form: method === 'POST' },
        handle: (request) => asked(request, answer),
      }),
    );

  return [
    ...both('/api/v1/query', 'PromQL at one time: ?query=EXPR&time=T', (request, _catalog, parser) =>
      evaluated(request, (moment) => {
        const at = request.query.get('time');
        return instant(exprOf(request, parser), moment, at === null ? nowMs() : timeOf('time', at));
      }),
    ),
    ...both(
      '/api/v1/query_range',
      'PromQL over time: ?query=EXPR&start=T&end=T&step=DURATION',
      (request, _catalog, parser) =>
        evaluated(request, (moment) => {
          const expr = exprOf(request, parser);
          const { start, end, step } = rangeOf(request.query);
          return overRange(expr, moment, start, end, step);
        }),
    ),
    ...both('/api/v1/series', 'Series that fulfil ?match[]=SELECTOR', ({ query }, catalog, parser) => {
      if (query.getAll('match[]').length === 0) throw new Refused('the parameter match[] is missing');
      return matching(query, catalog, parser).map(({ tags }) => toObject(tags));
    }),
    ...both('/api/v1/labels', 'Names of labels; ?match[]=SELECTOR narrows', ({ query }, catalog, parser) =>
      sorted(matching(query, catalog, parser).flatMap(({ tags }) => tags.pairs.map(([label]) => label))),
    ),
    {
      ...{ method: 'GET', path: '/api/v1/label/:name/values', access: 'read' },
      summary: 'Values of a label; ?match[]=SELECTOR narrows',
      handle: (request) =>
        asked(request, ({ query, params }, catalog, parser) =>
          sorted(
            matching(query, catalog, parser)
              .map(({ tags }) => labelValue(tags, params.name ?? ''))
              .filter((value) => value !== ''),
          ),
        ),
    },
    {
      ...{ method: 'GET', path: '/api/v1/metadata', access: 'read' },
      summary: 'What metrics are: {NAME: [{type, help, unit}]}; ?metric=NAME narrows',
      handle: (request) =>
        asked(request, ({ query }, catalog) => metadataOf(catalog, query.get('metric'), limitOf(query.get('limit')))),
    },
  ];
}

const failed = ({ status, errorType, error }: Failure): HttpReply =>
  json({ status: 'error', errorType, error }, status);

const sorted = (values: readonly string[]): readonly string[] => [...new Set(values)].sort();

function exprOf({ query }: HttpRequest, { parsePromql }: Parser) {
  const parsed = parsePromql(query.get('query') ?? '');
  if (parsed.kind === 'bad') throw new Refused(`query: ${parsed.reason}`);
  return parsed.expr;
}

/** All, or those of any of the selectors. */
function matching(query: URLSearchParams, catalog: Catalog, { parseSelector }: Parser): readonly Entry[] {
  const written = query.getAll('match[]');
  if (written.length === 0) return catalog.all;
  const found = new Set<Entry>();
  for (const each of written) {
    const parsed = parseSelector(each);
    if (parsed.kind === 'bad') throw new Refused(`match[]: ${parsed.reason}`);
    if ('selector' in parsed) for (const entry of catalog.find(parsed.selector.matchers)) found.add(entry);
  }
  return [...found];
}

function metadataOf(catalog: Catalog, metric: string | null, limit: number) {
  const made = new Map<string, readonly object[]>();
  for (const { tags, type, original } of catalog.all) {
    const name = labelValue(tags, '__name__');
    if (made.has(name) || (metric !== null && name !== metric)) continue;
    if (made.size >= limit) break;
    made.set(name, [{ type, help: helpOf(original, type), unit: '' }]);
  }
  return Object.fromEntries(made);
}

const limitOf = (text: string | null): number => {
  const limit = text === null ? Number.NaN : Number(text);
  return limit > 0 ? limit : Number.POSITIVE_INFINITY;
};

/** Seconds since 1970, or RFC 3339. In ms. */
function timeOf(name: string, text: string): number {
  const seconds = numberOf(text);
  const ms = seconds === null ? (/^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN) : seconds * 1000;
  if (!Number.isFinite(ms))
    throw new Refused(`${name}: ${JSON.stringify(text)} is no time: seconds since 1970, or RFC 3339`);
  return Math.round(ms);
}

function rangeOf(query: URLSearchParams): { readonly start: number; readonly end: number; readonly step: number } {
  const needed = (name: string): string => {
    const text = query.get(name);
    if (text === null) throw new Refused(`the parameter ${name} is missing`);
    return text;
  };
  const start = timeOf('start', needed('start'));
  const end = timeOf('end', needed('end'));
  const step = durationOf(needed('step'));
  if (step === null || !(step >= 1)) throw new Refused('step: a duration as 15s, or seconds, of at least 1 ms');
  if (end < start) throw new Refused('end is before start');
  if ((end - start) / step > mostSteps) throw new Refused(`more than ${mostSteps} steps: take a longer step`);
  return { start, end, step };
}
