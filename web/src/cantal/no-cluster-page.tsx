import { Link } from '../link.tsx';
import { Frame } from './frame.tsx';

/** What stands in place of the pages of all hosts where this agent knows of no other. */
export function NoClusterPage({ title }: { title: string }) {
  return (
    <Frame title={title}>
      <section aria-labelledby="alone-title">
        <h2 id="alone-title">This agent is in no cluster</h2>
        <div class="prose">
          <p>
            It knows of its own host alone: <Link href="/local/status">its figures</Link>.
          </p>
          <p>
            Agents that are started with the same <code>--cluster-name</code> and with <code>--join ADDRESS:PORT</code>{' '}
            of one of them find each other, and each shows all hosts here.
          </p>
        </div>
      </section>
    </Frame>
  );
}
