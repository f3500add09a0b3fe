import type { ConfigProblem } from '../../config/problem.ts';
import type { TreeSocket } from '../plan.ts';
import { inRanges } from './common.ts';
import type { LoadedContainer, TcpPort } from './container.ts';
import type { SandboxConfig } from './sandbox.ts';
import { substitute, type Variables } from './variables.ts';

/** Listening sockets of one container, and what systemd's protocol says about them (sd_listen_fds(3)). */
export interface PortPlan {
  readonly treeSockets: readonly TreeSocket[];
  readonly ownSockets: readonly TreeSocket[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly problems: readonly ConfigProblem[];
}

const firstActivated = 3;
const usualActivation: Omit<TcpPort, 'fd'> = {
  host: '0.0.0.0',
  listenBacklog: 128,
  reuseAddr: true,
  reusePort: false,
  setNonBlock: false,
  external: false,
};

interface Wish {
  readonly key: string;
  readonly portText: string;
  readonly how: TcpPort;
}

/** lithos 2.4 tcp-ports, 2.5 activation, 4.7. `programPid` is the program's pid as it sees it itself. */
export function planPorts(
  container: LoadedContainer,
  sandbox: SandboxConfig,
  values: Variables,
  programPid: string,
): PortPlan {
  const problems: ConfigProblem[] = [];
  const bridged = sandbox.bridgedNetwork !== null;
  const activated = [...container.value.variables]
    .flatMap(([name, type]) => (type.tag === 'TcpPort' && type.value.activation === 'systemd' ? [name] : []))
    .sort();
  const wishes: readonly Wish[] = [
    ...[...container.value.tcpPorts].map(([text, how]) => ({
      key: `tcp-ports.${text}`,
      portText: substitute(text, values).text,
      how,
    })),
    ...activated.map((name, index) => ({
      key: `variables.${name}`,
      portText: values.get(name) ?? '',
      how: { ...usualActivation, fd: firstActivated + index },
    })),
  ];
  const sockets = { tree: [] as TreeSocket[], own: [] as TreeSocket[] };
  const byFd = new Map<number, string>();
  const byAddress = new Map<string, string>();
  for (const { key, portText, how } of wishes) {
    const refuse = (message: string): void => void problems.push(container.problemAt(key, message));
    const port = /^[1-9]\d{0,4}$/.test(portText) ? Number(portText) : 0;
    if (port < 1 || port > 65_535) {
      refuse(`${JSON.stringify(portText)}; expected a TCP port from 1 to 65535`);
      continue;
    }
    const onHost = !bridged || how.external;
    if (onHost && !inRanges(sandbox.allowTcpPorts, port)) {
      refuse(`Port ${port} is not allowed; see allow-tcp-ports of the sandbox`);
    }
    if (how.fd === 1 || how.fd === 2) refuse(`fd ${how.fd} is the program's own output`);
    if (how.fd >= container.value.filenoLimit) refuse(`fd ${how.fd} is above fileno-limit`);
    const address = `${how.host} ${port}`;
    for (const [known, what, name] of [
      [byFd.get(how.fd), `fd ${how.fd}`, 'descriptor'],
      [byAddress.get(address), address, 'address'],
    ] as const) {
      if (known !== undefined) refuse(`${what}: ${known} has the same ${name}`);
    }
    byFd.set(how.fd, key);
    byAddress.set(address, key);
    const socket: TreeSocket = {
      host: how.host,
      port,
      fd: how.fd,
      backlog: how.listenBacklog,
      reuseAddr: how.reuseAddr,
      reusePort: how.reusePort,
      nonBlock: how.setNonBlock,
    };
    // One of its own per start is what reuse-port is for; the tree keeps only what several starts share.
    if (onHost && (!how.reusePort || bridged)) sockets.tree.push(socket);
    else sockets.own.push(socket);
  }
  const env = activated.length === 0 ? [] : activationOf(activated, programPid);
  for (const [name] of env) {
    if (container.value.environ.has(name)) {
      problems.push(container.problemAt(`environ.${name}`, 'set by the activation of a !TcpPort variable'));
    }
  }
  if (activated.length > 0 && container.value.restartProcessOnly) {
    const message = 'LISTEN_PID changes with each start: activation and restart-process-only exclude each other';
    problems.push(container.problemAt('restart-process-only', message));
  }
  return { treeSockets: sockets.tree, ownSockets: sockets.own, env, problems };
}

const activationOf = (names: readonly string[], programPid: string): PortPlan['env'] => [
  ['LISTEN_FDS', `${names.length}`],
  ['LISTEN_FDNAMES', names.join(':')],
  ['LISTEN_PID', programPid],
];
