import { formatCount, formatDuration } from '../format.ts';
import { tipsIn } from './answer.ts';
import { CgroupName } from './cgroup-words.tsx';
import { Donut } from './donut.tsx';
import { Frame } from './frame.tsx';
import { all, growthOf, has, like } from './rules.ts';
import { stateGroups } from './state-groups.ts';
import { useStream } from './stream.ts';
import { percent } from './units.ts';

/** Ten minutes of scans. */
const samples = 300;

const rules = {
  spent: growthOf(all(has('state'), like('metric', '^(count|duration)$')), samples),
  now: { series: { source: 'Tip', condition: has('state') }, extract: ['Tip'], functions: [] },
};

export function StatesPage() {
  const { answers, timestamp, connection, error } = useStream(rules);
  const groups = stateGroups(tipsIn(answers, 'spent'));
  const now = tipsIn(answers, 'now').filter(({ state }) => state !== null && state.sinceMs > 0);
  return (
    <Frame title="States" connection={connection} problem={error}>
      {timestamp > 0 && groups.length === 0 && (
        <section>
          <p class="muted">
            No program exports the time it spends in its states: metrics with the label <code>state</code> and{' '}
            <code>metric</code> <code>duration</code> or <code>count</code> (docs/cantal.md).
          </p>
        </section>
      )}
      {groups.map(({ prefix, states }) => {
        const total = states.reduce((sum, { durationMs }) => sum + durationMs, 0);
        const share = (ms: number) => (total > 0 ? ms / total : 0);
        return (
          <section key={prefix} class="memory" aria-label={prefix}>
            <h2>{prefix === '' ? 'States' : prefix}, the last 10 minutes</h2>
            <div class="beside">
              <Donut
                title={`${prefix}: ${states[0]?.name ?? ''} most`}
                parts={states.map(({ name, durationMs }) => ({ label: name, share: share(durationMs) }))}
              />
              <table>
                <thead>
                  <tr>
                    <th scope="col">State</th>
                    <th scope="col" class="number">
                      Duration
                    </th>
                    <th scope="col" class="number">
                      of all
                    </th>
                    <th scope="col" class="number">
                      Count
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {states.map(({ name, durationMs, count }, index) => (
                    <tr key={name}>
                      <th scope="row">
                        <span class={`dot line-${(index % 4) + 1}`} aria-hidden="true" />
                        {name}
                      </th>
                      <td class="number">{formatDuration(durationMs)}</td>
                      <td class="number">{percent.format(100 * share(durationMs))}</td>
                      <td class="number">{formatCount(count)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </section>
        );
      })}
      {now.length > 0 && (
        <section aria-labelledby="now-title">
          <h2 id="now-title">Now</h2>
          <table>
            <thead>
              <tr>
                <th scope="col">State</th>
                <th scope="col">Is</th>
                <th scope="col" class="number">
                  For
                </th>
                <th scope="col">Of</th>
              </tr>
            </thead>
            <tbody>
              {now.map(({ labels, state }) => (
                <tr key={JSON.stringify(labels)}>
                  <th scope="row">{labels.state}</th>
                  <td>{state?.text}</td>
                  <td class="number">{formatDuration(Date.now() - (state?.sinceMs ?? 0))}</td>
                  <td class="muted">
                    {labels.cgroup === undefined ? labels.appname : <CgroupName name={labels.cgroup} />} {labels.pid}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </Frame>
  );
}
