import { type GlobalOptions, noOptions } from '../command-line/global-options.ts';
import type { ContainerCommand } from '../config/command.ts';
import { workFolder } from '../run/words.ts';
import type { StartedCommand } from './write.ts';

/** What of a command decides whether its next start may do without Node. */
export interface Circumstances {
  readonly command: ContainerCommand;
  readonly options: GlobalOptions;
  /** Commands that have run, this one among them. */
  readonly ran: number;
  /** Volumes that it fills. */
  readonly fills: number;
}

/** Whether the fast path may do all that the command says: what it does not know makes a command run through Node. */
export function isPlannable({ command, options, ran, fills }: Circumstances): boolean {
  // -e and -E come last in the environment, and the fast path reads them itself.
  const { environ: _, useEnv: __, ...others } = options;
  const { environ: ___, useEnv: ____, ...usual } = noOptions;
  return (
    JSON.stringify(others) === JSON.stringify(usual) &&
    ran === 1 &&
    fills === 0 &&
    command.prerequisites.length === 0 &&
    command.options === null &&
    command.banner === null &&
    command.bannerDelay === 0 &&
    command.expectInotifyLimit === null &&
    command.passTcpSocket === null &&
    command.network === null &&
    command.pid1mode === 'wait' &&
    command.writeMode === 'read-only' &&
    [...command.volumes.values()].every(({ tag }) => tag !== 'VaggaBin')
  );
}

/** What a plan says of the command itself. */
export function partsOfPlan(
  { run, acceptsArguments, workDir, epilog }: ContainerCommand,
  project: string,
): Pick<StartedCommand, 'acceptsArguments' | 'workFolder' | 'epilog'> {
  return {
    acceptsArguments: acceptsArguments ?? run.kind === 'words',
    workFolder: workDir === null ? null : workFolder(workDir, project, project),
    epilog,
  };
}
