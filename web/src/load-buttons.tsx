import { type ActionState, actionTitle, isUnderWay, type LoadAction } from './action.ts';

interface Props {
  readonly canAct: boolean;
  readonly loadFactor: number | null;
  readonly action: ActionState;
  readonly onPress: (action: LoadAction) => void;
}

const actions: readonly LoadAction[] = ['double', 'normal'];

export function LoadButtons({ canAct, loadFactor, action, onPress }: Props) {
  const busy = isUnderWay(action);
  return (
    <fieldset class="buttons">
      <legend class="hidden">Load{loadFactor === null ? '' : `, now ${loadFactor} times normal`}</legend>
      {loadFactor !== null && <span class="muted factor">load × {loadFactor}</span>}
      {actions.map((name) => (
        <button
          key={name}
          type="button"
          class={name === 'double' ? 'primary' : undefined}
          disabled={!canAct}
          // Not disabled while under way: the focus would be lost.
          aria-disabled={busy}
          aria-busy={busy && 'action' in action && action.action === name}
          aria-describedby="action-words"
          onClick={() => onPress(name)}
        >
          {actionTitle[name]}
        </button>
      ))}
    </fieldset>
  );
}
