import { formatAge } from '../format.ts';
import { Link } from '../link.tsx';
import { useAnomalies } from './anomalies.ts';
import { type Anomaly, exploreHref, scoreWords } from './anomaly.ts';
import { LabelWords } from './label-words.tsx';

/** On a screen with the rest of the status. */
const firstRows = 6;
const mostRows = 200;

/** What does not do what it did in its hour. */
export function Unusual() {
  const { value } = useAnomalies();
  if (value === null) return null;
  const { anomalies, timestamp } = value;
  const [first, rest] = [anomalies.slice(0, firstRows), anomalies.slice(firstRows, mostRows)];
  return (
    <section aria-labelledby="unusual-title">
      <div class="bar">
        <h2 id="unusual-title">Unusual now</h2>
        <p class="muted" role="status">
          {anomalies.length === 0 ? 'nothing: every series does what it did in its hour' : anomalies.length}
        </p>
      </div>
      {first.length > 0 && <Rows anomalies={first} now={timestamp} />}
      {rest.length > 0 && (
        <details>
          <summary>{anomalies.length - firstRows} more</summary>
          <Rows anomalies={rest} now={timestamp} />
          {anomalies.length > mostRows && <p class="muted">The {mostRows} oddest; all are at /v1/anomalies.</p>}
        </details>
      )}
    </section>
  );
}

function Rows({ anomalies, now }: { anomalies: readonly Anomaly[]; now: number }) {
  return (
    <table class="cards unusual">
      <thead>
        <tr>
          <th scope="col">Metric</th>
          <th scope="col">Labels</th>
          <th scope="col" class="number" title="distance from the mean of its hour, in standard deviations">
            Than usual
          </th>
          <th scope="col" class="number">
            Since
          </th>
        </tr>
      </thead>
      <tbody>
        {anomalies.map((each) => (
          <tr key={exploreHref(each)}>
            <th scope="row">
              <Link href={exploreHref(each)}>{each.labels.metric ?? ''}</Link>
            </th>
            <td class="muted wrap" data-label="Labels">
              <LabelWords labels={each.labels} without={['metric']} />
            </td>
            <td class="number" data-label="Than usual">
              {scoreWords(each.score)}
            </td>
            <td class="number muted" data-label="Since">
              {formatAge(each.since, now)} ago
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
