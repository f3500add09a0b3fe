import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Button, ButtonKind } from './button.ts';
import { filled } from './button.ts';
import { confirmed } from './confirm.tsx';
import { isWaiting } from './press.ts';
import { press, putAway, type Request, usePresses } from './press-store.ts';

/** Who may press, and whether there is somebody to decide. */
export interface Acting {
  readonly token: string | null;
  readonly leader: string | null;
}

export const ActingContext = createContext<Acting>({ token: null, leader: null });

export const onlyShowing = 'Only showing: to act, open this page with #token=… (the agent’s --token-file)';

/** Null: it can be pressed. */
export function useBlocked(needsLeader = true): string | null {
  const { token, leader } = useContext(ActingContext);
  if (token === null) return onlyShowing;
  return needsLeader && leader === null ? 'No leader is known at the moment: nobody would decide' : null;
}

interface Props {
  readonly title: string;
  readonly request: Request;
  readonly kind?: ButtonKind;
  readonly confirm?: string | null;
  readonly icon?: string | null;
  readonly description?: string | null;
  readonly needsLeader?: boolean;
  /** After it was done; not after a refusal. */
  readonly onDone?: () => void;
}

export function PressButton({
  title,
  request,
  kind = 'default',
  confirm,
  icon,
  description,
  needsLeader,
  onDone,
}: Props) {
  const { token } = useContext(ActingContext);
  const busy = isWaiting(usePresses(), request.key);
  const blocked = useBlocked(needsLeader);
  const click = async () => {
    if (token === null || busy) return;
    if (confirm && !(await confirmed(confirm, title, kind === 'danger'))) return;
    const outcome = await press(request, token);
    if (outcome?.kind === 'done') onDone?.();
  };
  return (
    <button
      type="button"
      class={`press ${kind}`}
      disabled={blocked !== null}
      title={blocked ?? description ?? undefined}
      // Not disabled while it waits: the focus would be lost.
      aria-disabled={busy}
      aria-busy={busy}
      onClick={() => void click()}
    >
      {icon !== null && icon !== undefined && isSymbol(icon) && <span aria-hidden="true">{icon} </span>}
      {title}
    </button>
  );
}

/** An emoji or a sign, not the name of an icon of some font that this page does not have. */
const isSymbol = (icon: string): boolean => icon.length <= 4 && !/^[\w-]+$/.test(icon);

/** The scheduler's own buttons; `names`: what they are pressed on, for their questions; `fields` (those) go with the press. */
export function SchedulerButtons({
  role,
  buttons,
  names = {},
  fields = () => names,
  what = role,
}: {
  role: string;
  buttons: readonly Button[];
  names?: Readonly<Record<string, string>>;
  fields?: (button: Button) => Readonly<Record<string, unknown>>;
  /** What is pressed on, in words. */
  what?: string;
}) {
  if (buttons.length === 0) return null;
  return (
    <div class="presses">
      {buttons.map((button, index) => (
        <PressButton
          // Two may have one id and differ in their data.
          key={`${button.id} ${index}`}
          title={filled(button.title, { role, ...names })}
          kind={button.kind}
          icon={button.icon}
          description={button.description}
          confirm={button.confirm === null ? null : filled(button.confirm, { role, ...names })}
          request={actionOf(
            { role, action: button.id, ...fields(button), ...(button.data === undefined ? {} : { data: button.data }) },
            `${filled(button.title, { role, ...names })}: ${what}`,
            String(index),
          )}
        />
      ))}
    </div>
  );
}

export const actionOf = (button: Readonly<Record<string, unknown>>, title: string, more = ''): Request => ({
  path: '/v1/wait_action',
  body: { button },
  title,
  key: `${JSON.stringify(button)} ${more}`,
});

/** What was pressed lately and what came of it, wherever the button was. */
export function PressedList() {
  const presses = usePresses();
  return (
    <ul class="pressed" role="status" aria-label="Pressed buttons">
      {presses.map((each) => (
        <li key={each.number} class={each.kind}>
          <b>{each.title}</b>{' '}
          {each.kind === 'waiting' ? (
            <span class="waits">waiting for the scheduler’s next round…</span>
          ) : (
            <>
              <span>
                {words[each.kind]}
                {each.words}
                {each.kind === 'done' && <span class="muted"> after {(each.tookMs / 1000).toFixed(1)} s</span>}
              </span>
              <button
                type="button"
                class="plain"
                aria-label={`Put away: ${each.title}`}
                onClick={() => putAway(each.number)}
              >
                ✕
              </button>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

const words = { done: '✓ ', refused: 'refused: ', 'timed-out': 'timed out: ', unknown: 'not known: ' } as const;
