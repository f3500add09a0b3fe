import { Mark } from '../mark.tsx';
import type { Move } from './recordings.ts';

/** Longer lists are for `stellwerk verwalter diff`. */
const mostRows = 200;

const tones = { started: 'good', stopped: 'bad', moved: 'warn', changed: 'idle' } as const;

export function MovesTable({ moves, caption }: { moves: readonly Move[]; caption: string }) {
  return (
    <div class="scrolled">
      <table class="moves">
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Role</th>
            <th scope="col">Node</th>
            <th scope="col" class="number">
              Instances
            </th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {moves.slice(0, mostRows).map((move) => (
            <tr key={`${move.role} ${move.daemon} ${move.node}`}>
              <td>
                <Mark tone={tones[move.kind]} /> {move.kind}
              </td>
              <th scope="row">{move.daemon === null ? move.role : `${move.role} / ${move.daemon}`}</th>
              <td>{move.fromNode === undefined ? move.node : `${move.fromNode} → ${move.node}`}</td>
              <td class="number">{move.daemon === null ? '' : `${move.before} → ${move.after}`}</td>
              <td class="why muted">{move.why}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {moves.length > mostRows && <p class="muted">… and {moves.length - mostRows} more</p>}
    </div>
  );
}
