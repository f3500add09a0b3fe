// Which signal goes where while a command runs in a process group of its own: vagga 6, "Signals and tty".

export type JobSignal = 'SIGINT' | 'SIGQUIT' | 'SIGTERM' | 'SIGHUP' | 'SIGCONT' | 'SIGTSTP' | 'SIGTTIN' | 'SIGTTOU';

export const jobSignals = [
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGHUP',
  'SIGCONT',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
] as const satisfies readonly JobSignal[];

export type JobEvent =
  /** The launcher got a signal. */
  | { readonly kind: 'signal'; readonly signal: JobSignal }
  /** The command stopped. */
  | { readonly kind: 'stopped'; readonly by: 'terminal-access' | 'stop' };

export type JobEffect =
  | { readonly kind: 'signal-group'; readonly signal: JobSignal }
  | { readonly kind: 'signal-command'; readonly signal: JobSignal }
  /** The command's group becomes the terminal's foreground group. */
  | { readonly kind: 'hand-over-terminal' }
  /** SIGSTOP for the launcher, so that the caller's shell sees a stopped job. */
  | { readonly kind: 'stop-self' };

/** `foreground`: whether the launcher's own group is in the terminal's foreground at this moment. */
export function jobStep(event: JobEvent, foreground: boolean): readonly JobEffect[] {
  if (event.kind === 'stopped') {
    const mayHaveIt = event.by === 'terminal-access' && foreground;
    return mayHaveIt ? [{ kind: 'hand-over-terminal' }, toGroup('SIGCONT')] : [{ kind: 'stop-self' }];
  }
  switch (event.signal) {
    case 'SIGINT':
    case 'SIGQUIT':
      return [toGroup(event.signal)];
    case 'SIGTERM':
    case 'SIGHUP':
      return [{ kind: 'signal-command', signal: event.signal }];
    case 'SIGCONT':
      return foreground ? [{ kind: 'hand-over-terminal' }, toGroup('SIGCONT')] : [toGroup('SIGCONT')];
    case 'SIGTSTP':
    case 'SIGTTIN':
    case 'SIGTTOU':
      return [toGroup('SIGTSTP')]; // its stop comes back as an event and stops the launcher
    default:
      return event.signal satisfies never;
  }
}

const toGroup = (signal: JobSignal): JobEffect => ({ kind: 'signal-group', signal });
