import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import type { AgentClient } from './client.ts';

/** What asks a running agent. Exit codes: 0 fine, 1 not, 2 wrong words, 3 no agent answered. */
const exits = { fine: 0, notFine: 1, usage: 2, unreachable: 3 } as const;

interface TokenOptions {
  readonly tokenFile?: string;
  readonly as?: string;
}

interface ClientOptions extends TokenOptions {
  readonly url: string;
}

const byDefault = 'http://127.0.0.1:8379';
const graceMs = 10_000;

export const addClientCommands = (command: Command): void => {
  const withAgent = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .option('--token-file <file>', 'has the token to send, in the form of the agent’s own file')
      .option('--as <name>', 'whose token, where the file has several');
  const url = ['--url <url>', 'of the agent', byDefault] as const;

  withAgent('status', 'what a node says of itself; exit code 1: there are errors, or no schedule is confirmed')
    .option(...url)
    .option('--json', 'as GET /v1/status has it', false)
    .action((options: ClientOptions & { readonly json: boolean }) =>
      attempt(async () => {
        const { errorOf } = await import('./client.ts');
        const { statusText } = await import('./status-text.ts');
        const reply = await (await clientOf(options.url, options)).get('/v1/status');
        if (reply.status !== 200) return complain(errorOf(reply));
        const { text, fine } = statusText(reply.value as never, Date.now());
        process.stdout.write(options.json ? `${JSON.stringify(reply.value, null, 2)}\n` : text);
        return fine ? exits.fine : exits.notFine;
      }),
    );

  withAgent('action', 'send an action to the scheduler: {"button": {"role": …, "action": …}} or whatever it takes')
    .argument('<json>', 'the action, - for stdin')
    .option(...url)
    .option('--wait', 'for the scheduler’s answer, and print it', false)
    .option('--deadline <seconds>', 'an action that no round has taken by then is removed', seconds, 60)
    .option('--key <key>', 'Idempotency-Key: the same key is the same action, however often it is sent')
    .action((json: string, options: ActionOptions) => attempt(() => sendAction(json, options)));

  withAgent('pull', 'fetch schedule, runtime and the leader’s last input, to work on a scheduler at a desk')
    .argument('<host>', 'an agent of the cluster: HOST, HOST:PORT or a URL')
    .argument('<dir>', 'gets schedule.json, input.json and runtime/')
    .option('--force', 'replace these where they are there', false)
    .action((host: string, dir: string, options: TokenOptions & { readonly force: boolean }) =>
      attempt(async () => {
        const { agentUrl } = await import('./client.ts');
        const { pull } = await import('./pull.ts');
        const client = (where: string) => clientOf(agentUrl(where), options);
        const { written, warnings } = await pull(dir, await client(host), client, options.force);
        for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
        process.stdout.write(
          `${written.join('\n')}\n\nnow: stellwerk verwalter schedule --config-dir CONFIG --input ${dir}/input.json\n`,
        );
        return exits.fine;
      }),
    );
};

interface ActionOptions extends ClientOptions {
  readonly wait: boolean;
  readonly deadline: number;
  readonly key?: string;
}

const sendAction = async (json: string, options: ActionOptions): Promise<number> => {
  const { errorOf } = await import('./client.ts');
  let action: unknown;
  try {
    action = JSON.parse(json === '-' ? readFileSync(0, 'utf8') : json);
  } catch (error) {
    return complain(`the action is not JSON: ${(error as Error).message}`, exits.usage);
  }
  const path = options.wait ? '/v1/wait_action' : '/v1/action';
  const client = await clientOf(options.url, options);
  const reply = await client.post(`${path}?deadline=${options.deadline}`, action, {
    timeoutMs: options.deadline * 1000 + graceMs,
    headers: options.key === undefined ? {} : { 'idempotency-key': options.key },
  });
  if (reply.status === 307) return complain(`this node does not lead; ask ${reply.headers.location}`);
  if (reply.status >= 300) return complain(errorOf(reply));
  if (reply.status === 200) process.stdout.write(`${JSON.stringify(reply.value)}\n`);
  else process.stderr.write('done; the scheduler said nothing about it\n');
  return exits.fine;
};

const clientOf = async (url: string, { tokenFile, as: name }: TokenOptions): Promise<AgentClient> => {
  const { agentClient, secretOf } = await import('./client.ts');
  return agentClient(url, tokenFile === undefined ? null : secretOf(tokenFile, name));
};

const seconds = (text: string): number => {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= 600) return value;
  throw new InvalidArgumentError('A deadline is more than 0 and at most 600 seconds.');
};

const complain = (text: string, code: number = exits.notFine): number => {
  process.stderr.write(`verwalter: ${text}\n`);
  return code;
};

const attempt = async (what: () => Promise<number>): Promise<void> => {
  const { AgentUnreachable } = await import('./client.ts');
  try {
    process.exitCode = await what();
  } catch (error) {
    process.exitCode = complain(
      (error as Error).message,
      error instanceof AgentUnreachable ? exits.unreachable : exits.notFine,
    );
  }
};
