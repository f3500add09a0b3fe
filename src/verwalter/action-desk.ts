import type { Effect, Event } from './state.ts';
import type { ActionReply } from './verwalter.ts';

/** Those who wait for what becomes of their actions (spec/verwalter.md 6.4). The queue itself is in the machine. */
export interface ActionDesk {
  /** Queues by `dispatch`; with `wait` the answer comes when a round has seen the action, otherwise with its id. */
  act(value: Extract<Event, { type: 'action' }>['value'], wait: boolean): Promise<ActionReply>;
  perform(effect: Extract<Effect, { type: 'action-queued' | 'action-refused' | 'action-answered' }>): void;
  /** Queued here and neither refused nor lost with the leadership. */
  wasAccepted(id: number): boolean;
  /** Answers all who wait. */
  close(): void;
}

const deadlineMs = 60_000;
/** Somebody who asks what became of an action asks soon. */
const keptActions = 10_000;

export const actionDesk = (dispatch: (event: Event) => void): ActionDesk => {
  const tickets = new Map<number, { wait: boolean; resolve: (reply: ActionReply) => void }>();
  const waiters = new Map<number, (reply: ActionReply) => void>();
  const accepted = new Set<number>();
  let nextTicket = 1;

  const remember = (id: number): void => {
    accepted.add(id);
    const [oldest] = accepted;
    if (accepted.size > keptActions && oldest !== undefined) accepted.delete(oldest);
  };

  const answerLater = (id: number, resolve: (reply: ActionReply) => void): void => {
    const timer = setTimeout(() => {
      waiters.delete(id);
      accepted.delete(id);
      dispatch({ type: 'action-expired', id });
      resolve({ status: 504, value: { error: `no round has taken the action within ${deadlineMs / 1000} s` } });
    }, deadlineMs);
    waiters.set(id, (reply) => {
      clearTimeout(timer);
      resolve(reply);
    });
  };

  return {
    act: (value, wait) =>
      new Promise((resolve) => {
        const ticket = nextTicket++;
        tickets.set(ticket, { wait, resolve });
        dispatch({ type: 'action', ticket, value });
      }),
    perform(effect) {
      switch (effect.type) {
        case 'action-queued': {
          const ticket = tickets.get(effect.ticket);
          tickets.delete(effect.ticket);
          remember(effect.id);
          if (ticket?.wait === true) answerLater(effect.id, ticket.resolve);
          else ticket?.resolve({ status: 200, value: { registered: effect.id } });
          return;
        }
        case 'action-refused':
          tickets.get(effect.ticket)?.resolve({ status: effect.status, value: { error: effect.error } });
          tickets.delete(effect.ticket);
          return;
        case 'action-answered':
          if (effect.status >= 400) accepted.delete(effect.id);
          waiters.get(effect.id)?.({ status: effect.status, value: effect.value });
          waiters.delete(effect.id);
          return;
        default:
          effect satisfies never;
      }
    },
    wasAccepted: (id) => accepted.has(id),
    close() {
      for (const resolve of waiters.values()) resolve({ status: 503, value: { error: 'this node stops' } });
      waiters.clear();
    },
  };
};
