import { formatDuration } from '../format.ts';
import type { Tip } from './answer.ts';
import { LabelWords } from './label-words.tsx';
import { plain } from './units.ts';

interface Props {
  readonly tips: readonly Tip[];
  /** Labels that are the same in all rows. */
  readonly without: readonly string[];
  /** The host's clock, ms. */
  readonly now: number;
  /** Said where there are none. */
  readonly empty: string;
}

/** Newest values by name and labels; a state with how long it has lasted. */
export function TipTable({ tips, without, now, empty }: Props) {
  if (tips.length === 0) return <p class="muted">{empty}</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Labels</th>
          <th scope="col" class="number">
            Value
          </th>
          <th scope="col" class="number">
            Since
          </th>
        </tr>
      </thead>
      <tbody>
        {tips.map(({ labels, value, state }) => (
          <tr key={JSON.stringify(labels)}>
            <th scope="row">{labels.metric ?? labels.state}</th>
            <td class="muted">
              <LabelWords labels={labels} without={['metric', ...without]} />
            </td>
            <td class="number">{state === null ? plain.format(value) : state.sinceMs > 0 ? state.text : 'none'}</td>
            <td class="number muted">
              {state !== null && state.sinceMs > 0 ? `${formatDuration(now - state.sinceMs)} ago` : ''}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
