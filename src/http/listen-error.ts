import { createServer } from 'node:net';

/** The server could not be bound. `code` is the errno's name, "UNKNOWN" where the cause had gone when we looked. */
export class ListenError extends Error {
  readonly code: string;
  readonly host: string;
  readonly port: number;

  constructor(code: string, host: string, port: number) {
    super(listenProblem(code, host, port));
    this.name = 'ListenError';
    this.code = code;
    this.host = host;
    this.port = port;
  }
}

/** What is wrong and what to do, for errors of bind(2) and listen(2). */
export function listenProblem(code: string, host: string, port: number): string {
  const where = `${host}:${port}`;
  switch (code) {
    case 'EADDRINUSE':
      return `cannot listen on ${where}: another program has it (who: ss -ltnp 'sport = :${port}'); stop that or choose another --port`;
    case 'EADDRNOTAVAIL':
      return `cannot listen on ${where}: no interface of this host has the address ${host} (see: ip address); choose another --host`;
    case 'EACCES':
      return `cannot listen on ${where}: ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another --port`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `cannot listen on ${where}: the name ${host} does not resolve; give an IP address as --host`;
    default:
      return `cannot listen on ${where}: ${code}`;
  }
}

/** The HTTP library says only that it failed; asking the kernel the same question by other means tells why. */
export function diagnoseListen(host: string, port: number): Promise<ListenError> {
  return new Promise((resolve) => {
    const probe = createServer();
    const answer = (code: string) => resolve(new ListenError(code, host, port));
    probe.once('error', (error: NodeJS.ErrnoException) => answer(error.code ?? 'UNKNOWN'));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => answer('UNKNOWN')));
  });
}
