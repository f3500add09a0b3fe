import { showBanner } from './banner.ts';
import { runInCapsule } from './capsule/run.ts';
import { readCommandLine } from './command-line/command-line.ts';
import type { Command } from './config/command.ts';
import { exitCodes } from './exit-codes.ts';
import { expectInotifyLimit } from './inotify-limit.ts';
import type { Perform, Performance } from './perform.ts';
import { performBefore } from './prerequisites.ts';
import { Refusal } from './refusal.ts';
import { commandWords } from './run/words.ts';

type CapsuleCommand = Extract<Command, { tag: 'CapsuleCommand' }>['value'];

export const capsuleShell = ['/bin/sh', '-c', '$cmdline', '--'];

/** Runs a !CapsuleCommand after what it says must run before; the exit code. Throws a Refusal. */
export async function performCapsule(
  performance: Performance,
  perform: Perform,
  name: string,
  command: CapsuleCommand,
  args: readonly string[],
): Promise<number> {
  const { place, options, cwd, print } = performance;
  const line = readCommandLine(name, command, args, print);
  if (typeof line === 'number') return line;
  const before = await performBefore(performance, perform, command.prerequisites);
  if (before !== exitCodes.ok || options.containersOnly) return before;
  const words = commandWords({ ...command, defaultShell: capsuleShell }, line.args);
  if ('problem' in words) throw new Refusal('arguments', words.problem);
  expectInotifyLimit(command.expectInotifyLimit, place);
  const withdrawBanner = showBanner(command, place.tell);
  try {
    const code = await runInCapsule(place, options, {
      words: words.words,
      workDir: command.workDir,
      cwd,
      environ: new Map([...command.environ, ...line.variables]),
      uids: command.uids,
      gids: command.gids,
      isolateNetwork: command.isolateNetwork,
      tcpSocket: command.passTcpSocket,
    });
    if (code === exitCodes.ok && command.epilog !== null) print(command.epilog);
    return code;
  } finally {
    withdrawBanner();
  }
}
