import type { ContainerCommand } from './config/command.ts';
import { containersOfVolumes } from './config/references.ts';
import { type Filling, fillVolumes } from './fill-volumes.ts';
import { fileVariables, type LaunchPlace, readyContainer, runRequest } from './launch.ts';
import type { Perform, Performance } from './perform.ts';
import { Refusal } from './refusal.ts';
import type { RunRequest } from './run/command.ts';
import { commandWords, workFolder } from './run/words.ts';

/** What a !Command and a child of a !Supervise have in common. */
export type RunsInContainer = Omit<ContainerCommand, 'network'>;

type BuiltContainer = Awaited<ReturnType<typeof readyContainer>>;

/** Its container and those of its volumes, built where need be. Throws a Refusal. */
export async function builtFor(where: LaunchPlace, command: RunsInContainer): Promise<BuiltContainer> {
  const ready = await readyContainer(where, command.container);
  await where.containers.allReady(containersOfVolumes(command.volumes.values()));
  return ready;
}

export interface ReadyCommand {
  readonly request: RunRequest;
  readonly filling: Filling;
}

/**
 * All that comes before it can be started: `name` is what vagga.yaml calls the whole command, `variables` come over those
 * of its own. A number: exit code of an init-command that failed. Throws a Refusal.
 */
export async function readyCommand(
  performance: Performance,
  perform: Perform,
  name: string,
  command: RunsInContainer,
  { built, container }: BuiltContainer,
  variables: ReadonlyMap<string, string>,
  args: readonly string[],
  filledBefore: ReadonlySet<string> = new Set(),
): Promise<ReadyCommand | number> {
  const words = commandWords({ ...command, defaultShell: container.defaultShell }, args);
  if ('problem' in words) throw new Refusal('arguments', words.problem);
  const fromFile = fileVariables(built, container);
  const volumes = new Map([...container.volumes, ...command.volumes]);
  const filling = await fillVolumes(performance, perform, name, command.container, volumes, filledBefore);
  if (typeof filling === 'number') return filling;
  const request = runRequest(
    performance,
    { built, container, fromFile },
    {
      container: command.container,
      words: words.words,
      cwd: workFolder(command.workDir, performance.place.project.root, performance.cwd),
      volumes,
      environ: new Map([...command.environ, ...variables]),
      initialising: new Set([...filledBefore, ...filling.names]),
      userId: command.userId,
      groupId: command.groupId,
      supplementaryGids: command.supplementaryGids,
      externalUserId: command.externalUserId,
      isolateNetwork: command.isolateNetwork,
      writeMode: command.writeMode,
      tcpSocket: command.passTcpSocket,
    },
  );
  return { request, filling };
}
