import { hashJson, type Json } from './canonical.ts';
import { type Attempt, idempotency } from './idempotency.ts';
import type { Effect, Event } from './state.ts';

/** Who sent an action, for logs; the scheduler is not told. */
export interface Sender {
  /** Name of a token, "token" where it has none. */
  readonly principal: string;
  readonly address: string;
}

export interface ActionRequest {
  readonly value: Json;
  /** Answer when a round has seen the action; otherwise as soon as it is queued. */
  readonly wait: boolean;
  /** An action that no round has taken by then is removed. */
  readonly deadlineMs: number;
  readonly sender: Sender;
  /** Of the same sender the same key is the same action. */
  readonly idempotencyKey: string | null;
}

/** `id`: of the action that the reply is about. */
export type DeskReply = {
  readonly status: 200 | 204 | 422 | 429 | 503 | 504;
  readonly value: unknown;
  readonly id?: number;
};

/** An action that the scheduler has answered, or that made it fail. */
export interface Settled {
  readonly id: number;
  readonly value: Json;
  readonly sender: Sender;
  readonly status: number;
  readonly answer: unknown;
}

/** Those who wait for what becomes of their actions (spec/verwalter.md 6.4). The queue itself is in the machine. */
export interface ActionDesk {
  act(request: ActionRequest): Promise<DeskReply>;
  perform(effect: Extract<Effect, { type: 'action-queued' | 'action-refused' | 'action-answered' }>): void;
  /** Queued here and neither refused nor lost with the leadership. */
  wasAccepted(id: number): boolean;
  /** Answers all who wait. */
  close(): void;
}

export interface ActionDeskOptions {
  readonly dispatch: (event: Event) => void;
  /** A round has begun with it. */
  readonly isUnderWay: (id: number) => boolean;
  readonly onSettled: (settled: Settled) => void;
  readonly nowMs: () => number;
}

/** Of spec/verwalter.md 6.4; and as long as somebody may want to wait for a scheduler that fails. */
export const defaultDeadlineMs = 60_000;
export const longestDeadlineMs = 600_000;
/** Somebody who asks what became of an action asks soon. */
const keptActions = 10_000;

interface Ticket {
  readonly request: ActionRequest;
  readonly registered: (reply: DeskReply) => void;
  readonly final: (reply: DeskReply) => void;
}

export const actionDesk = ({ dispatch, isUnderWay, onSettled, nowMs }: ActionDeskOptions): ActionDesk => {
  const tickets = new Map<number, Ticket>();
  const waiting = new Map<number, Ticket & { readonly timer: NodeJS.Timeout }>();
  const accepted = new Set<number>();
  const keys = idempotency<DeskReply>({
    nowMs,
    // 504 has an id only where a round may still take the action.
    isVain: ({ status, id }) => status === 429 || status === 503 || (status === 504 && id === undefined),
    bytesOf: ({ value }) => JSON.stringify(value)?.length ?? 0,
  });
  let nextTicket = 1;

  const remember = (id: number): void => {
    accepted.add(id);
    const [oldest] = accepted;
    if (accepted.size > keptActions && oldest !== undefined) accepted.delete(oldest);
  };

  const expire = (id: number, { request, final }: Ticket): void => {
    dispatch({ type: 'action-expired', id });
    const seconds = request.deadlineMs / 1000;
    if (isUnderWay(id)) {
      // The round that has it will tell, under its id.
      const error = `no round has ended with the action within ${seconds} s; one that has begun with it goes on`;
      final({ status: 504, value: { error, id }, id });
      return;
    }
    waiting.delete(id);
    accepted.delete(id);
    final({ status: 504, value: { error: `no round has taken the action within ${seconds} s; it was removed` } });
  };

  const begin = (request: ActionRequest): Attempt<DeskReply> => {
    const ticket = nextTicket++;
    const registered = deferred<DeskReply>();
    const final = deferred<DeskReply>();
    tickets.set(ticket, { request, registered: registered.resolve, final: final.resolve });
    dispatch({ type: 'action', ticket, value: request.value });
    return { registered: registered.promise, final: final.promise };
  };

  return {
    async act(request) {
      const { idempotencyKey: key, sender, wait } = request;
      const attempt =
        key === null ? begin(request) : keys.once(keyOf(sender, key), hashJson(request.value), () => begin(request));
      if (attempt === 'other') {
        return { status: 422, value: { error: 'this Idempotency-Key was sent with another action before' } };
      }
      return wait ? attempt.final : attempt.registered;
    },
    perform(effect) {
      switch (effect.type) {
        case 'action-queued': {
          const { id } = effect;
          const ticket = tickets.get(effect.ticket);
          tickets.delete(effect.ticket);
          remember(id);
          if (ticket === undefined) return;
          const timer = setTimeout(() => expire(id, ticket), ticket.request.deadlineMs);
          waiting.set(id, { ...ticket, timer });
          ticket.registered({ status: 200, value: { registered: id }, id });
          return;
        }
        case 'action-refused': {
          const reply = { status: effect.status, value: { error: effect.error } };
          const ticket = tickets.get(effect.ticket);
          tickets.delete(effect.ticket);
          ticket?.registered(reply);
          ticket?.final(reply);
          return;
        }
        case 'action-answered': {
          const { id, status, value } = effect;
          if (status >= 400) accepted.delete(id);
          const waiter = waiting.get(id);
          waiting.delete(id);
          if (waiter === undefined) return;
          clearTimeout(waiter.timer);
          const { request } = waiter;
          // With 503 and 504 nothing was done: such a reply is about no action.
          const reply: DeskReply = status === 503 || status === 504 ? { status, value } : { status, value, id };
          waiter.final(reply);
          if (request.idempotencyKey !== null) keys.amend(keyOf(request.sender, request.idempotencyKey), reply);
          if (status !== 503 && status !== 504)
            onSettled({ id, value: request.value, sender: request.sender, status, answer: value });
          return;
        }
        default:
          effect satisfies never;
      }
    },
    wasAccepted: (id) => accepted.has(id),
    close() {
      for (const { timer, final } of waiting.values()) {
        clearTimeout(timer);
        final({ status: 503, value: { error: 'this node stops' } });
      }
      waiting.clear();
    },
  };
};

const keyOf = ({ principal }: Sender, key: string): string => `${principal}\n${key}`;

const deferred = <T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } => {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
};
