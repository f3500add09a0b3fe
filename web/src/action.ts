/** One press of a button, from the request to the scheduler's acknowledgement. The requests are in action-shell.ts. */

export type LoadAction = 'double' | 'normal';

export type ActionState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'sending'; readonly action: LoadAction; readonly sinceMs: number }
  | { readonly kind: 'pending'; readonly action: LoadAction; readonly sinceMs: number; readonly id: string }
  | { readonly kind: 'acknowledged'; readonly action: LoadAction; readonly tookMs: number }
  | { readonly kind: 'failed'; readonly action: LoadAction; readonly reason: string };

export const isUnderWay = (state: ActionState) => state.kind === 'sending' || state.kind === 'pending';

export const actionTitle: Readonly<Record<LoadAction, string>> = {
  double: 'Double the load',
  normal: 'Back to normal',
};

/** What the page says about it; null says nothing. */
export function actionWords(state: ActionState): string | null {
  switch (state.kind) {
    case 'idle':
      return null;
    case 'sending':
      return 'Sending…';
    case 'pending':
      return 'Registered; waiting for the scheduler’s next round…';
    case 'acknowledged':
      return `“${actionTitle[state.action]}” acknowledged after ${(state.tookMs / 1000).toFixed(1)} s`;
    case 'failed':
      return `“${actionTitle[state.action]}” failed: ${state.reason}`;
    default:
      return state satisfies never;
  }
}

/** Why the agent refused, from the status and the body's `error`. */
export function refusal(status: number, error: string | null): string {
  const said = error === null ? '' : ` (${error})`;
  if (status === 401 || status === 403) return `the token was refused${said}; open the URL that npm start printed`;
  if (status === 503) return `no leader at the moment${said}; try again in a few seconds`;
  return `the agent answered ${status}${said}`;
}
