import { Foldable } from '../../foldable.tsx';
import { asRecord, member } from '../../json.ts';
import { wordsOf } from './shape.ts';

/** What the scheduler remembers of a role: `state.ROLE`. */
export function StateOfRole({ name, data }: { name: string; data: unknown }) {
  const state = member(member(data, 'state'), name);
  if (state === undefined || state === null) return null;
  const record = asRecord(state);
  const plain = Object.keys(record).filter((key) => typeof record[key] !== 'object' || record[key] === null);
  return (
    <section aria-labelledby="state-title">
      <h2 id="state-title">State</h2>
      {plain.length > 0 && (
        <dl class="figures">
          {plain.map((key) => (
            <div key={key}>
              <dt>{key}</dt>
              <dd>{wordsOf(record[key])}</dd>
            </div>
          ))}
        </dl>
      )}
      {plain.length < Math.max(1, Object.keys(record).length) && (
        <Foldable summary="All of it as JSON">{() => <pre>{JSON.stringify(state, null, 2)}</pre>}</Foldable>
      )}
    </section>
  );
}
