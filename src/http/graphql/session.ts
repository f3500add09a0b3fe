import { type ExecutionResult, GraphQLError } from 'graphql';
import type { StreamClient, StreamSocket } from '../route.ts';
import { type Asked, type Prepared, prepare } from './operation.ts';
import { hear, type Said, type Words } from './protocol.ts';
import type { GraphqlService } from './service.ts';

export interface Timers {
  nowMs(): number;
  /** Returns the way to call it off. */
  after(ms: number, act: () => void): () => void;
}

export const realTimers: Timers = {
  nowMs: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
};

/** Spec cantal 7.3: what happens so soon after the first event is part of the same push. */
export const mergeMs = 10;
/** Spec cantal 7.3. */
export const pauseMs = 110;
/** Half of what proxies commonly bear (60 s), with room. */
const keepAliveMs = 20_000;
/** graphql-ws, PROTOCOL.md: 4408. */
const greetingMs = 10_000;
/** A page has one. */
const mostOperations = 32;

type Operation = Extract<Prepared, { readonly kind: 'operation' }>;

interface Subscription {
  readonly operation: Operation;
  state: 'idle' | 'waiting' | 'running';
  /** Something happened that has not been told. */
  stale: boolean;
  lastPushMs: number;
  callOff: () => void;
}

/** One client. What it does not take in time is not kept: once it reads again it gets the newest. */
export function session(service: GraphqlService, words: Words, socket: StreamSocket, timers: Timers): StreamClient {
  const subscriptions = new Map<string, Subscription>();
  let greeted = false;
  let gone = false;

  const callOffGreeting = words.greetingNeeded
    ? timers.after(greetingMs, () => socket.close(4408, 'Connection initialisation timeout'))
    : () => {};
  let callOffKeepAlive = () => {};
  const keepAlive = (): void => {
    const word = words.keepAlive();
    if (word === null) return;
    callOffKeepAlive = timers.after(keepAliveMs, () => {
      if (socket.backlog() === 0) socket.post(word);
      keepAlive();
    });
  };

  /** Runs it if its client may ask for more. */
  const run = async (operation: Operation): Promise<ExecutionResult> => {
    const turn = service.begin(socket.remoteAddress);
    if ('reply' in turn) {
      const error = new GraphQLError(`you have asked for too much: try again in ${turn.waitSeconds} s`);
      return { data: null, errors: [error] };
    }
    try {
      return await operation.run(turn.context);
    } catch (error) {
      service.report('graphql', error);
      return { data: null, errors: [new GraphQLError('internal error')] };
    } finally {
      turn.end();
    }
  };

  const push = async (id: string, subscription: Subscription): Promise<void> => {
    if (socket.backlog() > 0) {
      // drained() comes back to it.
      subscription.state = 'idle';
      return;
    }
    subscription.state = 'running';
    subscription.stale = false;
    const result = await run(subscription.operation);
    subscription.state = 'idle';
    if (gone || subscriptions.get(id) !== subscription) return;
    if (socket.backlog() > 0) subscription.stale = true;
    else {
      subscription.lastPushMs = timers.nowMs();
      socket.post(words.data(id, result));
    }
    if (subscription.stale) soon(id, subscription);
  };

  const soon = (id: string, subscription: Subscription): void => {
    subscription.stale = true;
    if (subscription.state !== 'idle' || socket.backlog() > 0) return;
    subscription.state = 'waiting';
    const pause = subscription.lastPushMs + pauseMs - timers.nowMs();
    subscription.callOff = timers.after(Math.max(mergeMs, pause), () => void push(id, subscription));
  };

  const leaveEvents = service.onEvent((touches) => {
    for (const [id, each] of subscriptions) if (touches(each.operation.roots)) soon(id, each);
  });

  const start = async (id: string, asked: Asked): Promise<void> => {
    if (words.greetingNeeded && !greeted) return socket.close(4401, 'Unauthorized');
    if (subscriptions.has(id)) {
      if (words.greetingNeeded) return socket.close(4409, `Subscriber for ${id} already exists`);
      end(id);
    }
    if (subscriptions.size >= mostOperations) {
      return socket.post(words.failed(id, [new GraphQLError(`more than ${mostOperations} operations at once`)]));
    }
    const prepared = prepare(service, asked);
    if (prepared.kind === 'bad') return socket.post(words.failed(id, prepared.errors));
    const subscription: Subscription = {
      ...{ operation: prepared, state: 'idle', stale: false },
      ...{ lastPushMs: Number.NEGATIVE_INFINITY, callOff: () => {} },
    };
    // A query is here too while it runs, so that it can be stopped and counts.
    subscriptions.set(id, subscription);
    if (prepared.type === 'subscription') return push(id, subscription).then(() => waitIfSlow(id, subscription));
    subscription.state = 'running';
    const result = await run(prepared);
    if (gone || subscriptions.get(id) !== subscription) return;
    subscriptions.delete(id);
    socket.post(words.data(id, result));
    socket.post(words.complete(id));
  };

  /** A first answer that the client could not take yet is owed to it. */
  const waitIfSlow = (id: string, subscription: Subscription): void => {
    if (subscriptions.get(id) === subscription && subscription.lastPushMs < 0) soon(id, subscription);
  };

  const end = (id: string): boolean => {
    subscriptions.get(id)?.callOff();
    return subscriptions.delete(id);
  };

  const answer = (said: Said) => {
    switch (said.kind) {
      case 'init':
        if (greeted && words.greetingNeeded) return socket.close(4429, 'Too many initialisation requests');
        callOffGreeting();
        for (const word of words.ack()) socket.post(word);
        if (!greeted) keepAlive();
        greeted = true;
        return;
      case 'start':
        void start(said.id, said.asked);
        return;
      case 'unreadable':
        return socket.post(words.failed(said.id, [new GraphQLError(said.reason)]));
      case 'stop':
        // The older protocol says that it has heard; in the newer one both sides may end, and the client just did.
        if (end(said.id) && !words.greetingNeeded) socket.post(words.complete(said.id));
        return;
      case 'ping':
        return socket.post(words.pong(said.payload));
      case 'pong':
        return;
      case 'terminate':
        return socket.close(1000, 'as you wish');
      case 'bad': {
        const reply = words.misunderstood(said.reason);
        if ('text' in reply) return socket.post(reply.text);
        return socket.close(reply.code, said.reason.slice(0, 100));
      }
      default:
        return said satisfies never;
    }
  };

  return {
    receive: (text) => answer(hear(text, words)),
    drained() {
      for (const [id, each] of subscriptions) if (each.stale) soon(id, each);
    },
    leave() {
      gone = true;
      leaveEvents();
      callOffGreeting();
      callOffKeepAlive();
      for (const id of [...subscriptions.keys()]) end(id);
    },
  };
}
