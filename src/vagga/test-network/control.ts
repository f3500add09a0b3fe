import { createServer, type Socket } from 'node:net';
import type { PacketFilter } from '../../native/container.ts';
import { isFailure, type NativeFailure } from '../../native/container.ts';
import { exitCodes } from '../exit-codes.ts';
import { bridgeFilter, decide, filterOf, initialState, type NetworkState, type Node } from './partition.ts';

const sunPathBytes = 108; // unix(7)
/**
 * Abstract, of the bridge's network: only who is in it can connect. native/network/main.cc is the other side. Of full
 * length, for Node 20 fills it up and later ones do not.
 */
const controlSocket = '\0vagga-network'.padEnd(sunPathBytes, '\0');
const mostBytes = 1 << 20;

/** Null: the network of the bridge. */
export type Apply = (node: Node | null, filter: PacketFilter) => true | NativeFailure;

/** What holds for the nodes, and the answers to `vagga _network …`. */
export function networkControl(nodes: readonly Node[], apply: Apply): (words: readonly string[]) => string {
  let state = initialState(nodes);
  return ([builtIn, ...words]) => {
    if (builtIn !== '_network') {
      return answer(exitCodes.launcher, `vagga: inside a !BridgeCommand there is only vagga _network\n`);
    }
    const decision = decide(nodes, state, words);
    switch (decision.kind) {
      case 'text':
        return answer(exitCodes.ok, decision.text);
      case 'refused':
        return answer(exitCodes.arguments, `vagga: ${decision.problem}\n`);
      case 'run':
        return `enter ${decision.node.ip} ${decision.skip}\n`;
      case 'change': {
        const problem = change(nodes, state, decision.state, apply);
        if (problem !== null) return answer(exitCodes.failed, `vagga: ${problem}\n`);
        state = decision.state;
        return answer(exitCodes.ok, '');
      }
      default:
        return decision satisfies never;
    }
  };
}

const answer = (code: number, text: string): string => `exit ${code}\n${text}`;

/** All networks or, as far as the kernel lets it, none. */
function change(nodes: readonly Node[], before: NetworkState, after: NetworkState, apply: Apply): string | null {
  const write = (node: Node | null, state: NetworkState): true | NativeFailure =>
    apply(node, node === null ? bridgeFilter(nodes, state) : filterOf(nodes, state, node.name));
  const changed: (Node | null)[] = [];
  for (const node of [null, ...nodes]) {
    const done = write(node, after);
    if (isFailure(done)) {
      for (const each of changed) write(each, before);
      const absent = ['EOPNOTSUPP', 'EPROTONOSUPPORT', 'EAFNOSUPPORT', 'ENOENT'].includes(done.code);
      const hint = absent ? '; the kernel has no nf_tables (modprobe nf_tables)' : '';
      return `${node === null ? 'bridge' : `node ${node.name}`}: ${done.message}${hint}`;
    }
    changed.push(node);
  }
  return null;
}

/** Words, each closed by a zero byte, to the end of the stream; the answer is all that comes back. */
export function serveControl(
  answerTo: (words: readonly string[]) => string,
  ready: (problem: string | null) => void,
): void {
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    const parts: Buffer[] = [];
    let size = 0;
    socket.on('error', () => socket.destroy());
    socket.on('data', (part) => {
      size += part.length;
      if (size > mostBytes) socket.destroy();
      else parts.push(part);
    });
    socket.on('end', () => {
      const text = Buffer.concat(parts).toString();
      socket.end(answerTo(text.split('\0').slice(0, -1)));
    });
  });
  server.on('error', (error) => ready(error.message));
  server.listen(controlSocket, () => ready(null));
}
