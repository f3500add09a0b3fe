import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  GraphQLError,
  getOperationAST,
  type OperationTypeNode,
  parse,
  SingleFieldSubscriptionsRule,
  specifiedRules,
  validate,
} from 'graphql';
import { measure, mostTokens } from './limits.ts';
import type { GraphqlService } from './service.ts';

/** {query, operationName?, variables?} as it comes from outside. */
export interface Asked {
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
}

export type Prepared =
  | {
      readonly kind: 'operation';
      readonly type: OperationTypeNode;
      /** Names of the fields at the top. */
      readonly roots: ReadonlySet<string>;
      run(context: object): Promise<ExecutionResult>;
    }
  | { readonly kind: 'bad'; readonly errors: readonly GraphQLError[] };

/** A client may watch several things by one subscription, as it could with the original. */
const rules = specifiedRules.filter((rule) => rule !== SingleFieldSubscriptionsRule);
const mostErrors = 20;

/** The parts of a request; the reason where they are none. */
export function askedOf(body: unknown): Asked | string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return shape;
  const { query, operationName = null, variables = null } = body as Readonly<Record<string, unknown>>;
  if (typeof query !== 'string') return shape;
  if (operationName !== null && typeof operationName !== 'string') return 'operationName is a string';
  if (typeof variables !== 'object' || Array.isArray(variables)) return 'variables is an object';
  return { query, operationName, variables: (variables ?? {}) as Asked['variables'] };
}

const shape = 'the body is {"query": TEXT, "operationName"?: NAME, "variables"?: {NAME: value}}';

/** Parses and checks; the result can be run again and again. */
export function prepare(service: GraphqlService, { query, operationName, variables }: Asked): Prepared {
  let document: DocumentNode;
  try {
    document = parse(query, { maxTokens: mostTokens });
  } catch (error) {
    // The parser goes down with each level: thousands of them are more than the stack has.
    return bad(error instanceof GraphQLError ? error : new GraphQLError('the query is nested too deep'));
  }
  // Before the validation, whose own cost grows with the square of the fields.
  const operation = getOperationAST(document, operationName);
  if (operation === null || operation === undefined) {
    const what =
      operationName === null ? 'say by operationName which of the operations' : `no operation ${operationName}`;
    return bad(new GraphQLError(document.definitions.length === 0 ? 'the query is empty' : what));
  }
  const measured = measure(document, operation, service.weights);
  if (measured.kind === 'tooMuch') return bad(new GraphQLError(measured.reason));
  const errors = validate(service.schema, document, rules, { maxErrors: mostErrors });
  if (errors.length > 0) return { kind: 'bad', errors };

  return {
    kind: 'operation',
    type: operation.operation,
    roots: measured.roots,
    async run(contextValue) {
      const result = await execute({
        ...{ schema: service.schema, document, rootValue: service.root, contextValue },
        ...{ operationName: operationName ?? undefined, variableValues: variables },
      });
      return result.errors === undefined
        ? result
        : { ...result, errors: result.errors.map((each) => masked(service, each)) };
    },
  };
}

const bad = (error: GraphQLError): Prepared => ({ kind: 'bad', errors: [error] });

/** What was thrown by mistake is for the log, not for the client. */
function masked(service: GraphqlService, error: GraphQLError): GraphQLError {
  const { originalError } = error;
  if (originalError === undefined || originalError === null || originalError instanceof GraphQLError) return error;
  service.report(`graphql ${error.path?.join('.') ?? ''}`, originalError);
  const { nodes, path } = error;
  return new GraphQLError('internal error', { nodes: nodes ?? null, path: path ?? null });
}
