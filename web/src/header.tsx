import type { LoadAction } from './action.ts';
import { type ActionState, actionWords } from './action.ts';
import { ConnectionState } from './connection-state.tsx';
import type { Live } from './live.ts';
import { LoadButtons } from './load-buttons.tsx';

interface Props {
  readonly live: Live;
  readonly canAct: boolean;
  readonly loadFactor: number | null;
  readonly action: ActionState;
  readonly onPress: (action: LoadAction) => void;
}

export function Header({ live, canAct, loadFactor, action, onPress }: Props) {
  const { overview } = live;
  const self = overview?.nodes.find((node) => node.id === overview.self);
  const words = canAct
    ? actionWords(action)
    : 'Only showing: to act, open the URL with #token=… that npm start printed';
  return (
    <header class="top">
      <div class="brand">
        <h1>Cluster</h1>
        {overview && (
          <p class="muted">
            {overview.clusterName}
            {self && `, seen from ${self.hostname}`}
            <span class="wide"> · {overview.version}</span>
          </p>
        )}
      </div>
      <ConnectionState live={live} />
      <div class="acting">
        <LoadButtons canAct={canAct} loadFactor={loadFactor} action={action} onPress={onPress} />
        <p class={`said ${action.kind}`} role="status" id="action-words">
          {words}
        </p>
      </div>
    </header>
  );
}
