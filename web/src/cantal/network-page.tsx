import type { PageProps } from '../lazy-page.tsx';
import { tableIn } from './answer.ts';
import { Chart } from './chart.tsx';
import { Frame } from './frame.tsx';
import { byMetric } from './lines.ts';
import { usePoll } from './poll.ts';
import type { ProcessTable } from './process-tree.ts';
import { rangeOf, spanOf } from './range.ts';
import { all, has, hourOf, like, not, perSecondFold } from './rules.ts';
import { PortsInUse, UserDetail, Users } from './socket-tables.tsx';
import type { SocketTable } from './sockets.ts';
import { useStream } from './stream.ts';
import { bytesPerSecond, perSecond } from './units.ts';
import { Zoom } from './zoom.tsx';

const rules = {
  bytes: hourOf(like('metric', '^net\\.interface\\.[rt]x\\.bytes$'), perSecondFold),
  trouble: hourOf(
    all(
      like(
        'metric',
        '^net\\.(Tcp\\.(RetransSegs|AttemptFails|EstabResets|OutRsts)|TcpExt\\.(ListenDrops|ListenOverflows))$',
      ),
      not(has('cgroup')),
    ),
    perSecondFold,
  ),
  opens: hourOf(like('metric', '^net\\.Tcp\\.(ActiveOpens|PassiveOpens)$'), perSecondFold),
};

const everyMs = 5_000;

/** Interfaces, and who uses which ports; of one user with ?uid=. */
export function NetworkPage({ place }: PageProps) {
  const uid = place.params.get('uid');
  const { answers, timestamp, connection, error } = useStream(rules);
  const { value: sockets, problem } = usePoll<SocketTable>('/all_sockets', everyMs);
  const { value: processes } = usePoll<ProcessTable>('/all_processes', everyMs);
  const span = spanOf(answers, timestamp);
  const range = rangeOf(place.params, span);
  const bytes = tableIn(answers, 'bytes');
  const interfaces = [...new Set(bytes.lines.map(({ labels }) => labels.interface ?? ''))].sort();
  const lines = (name: string) =>
    byMetric(
      { ...bytes, lines: bytes.lines.filter(({ labels }) => labels.interface === name) },
      /^net\.interface\.|\.bytes$/g,
    );
  const opened = place.params.get('port');
  if (uid !== null) {
    return (
      <Frame title="Network" connection={connection} problem={error ?? problem}>
        {sockets && <UserDetail uid={uid} sockets={sockets} processes={processes?.all ?? []} opened={opened} />}
      </Frame>
    );
  }
  return (
    <Frame title="Network" connection={connection} problem={error ?? problem}>
      {sockets && <Users sockets={sockets} processes={processes?.all ?? []} />}
      <section aria-labelledby="interfaces-title">
        <div class="bar">
          <h2 id="interfaces-title">Interfaces</h2>
          <Zoom params={place.params} span={span} />
        </div>
        <div class="plots">
          {interfaces.map((name) => (
            <Chart
              key={name}
              title={name}
              times={bytes.times}
              lines={lines(name)}
              range={range}
              unit={bytesPerSecond}
            />
          ))}
          <Chart
            title="TCP connections opened"
            times={tableIn(answers, 'opens').times}
            lines={byMetric(tableIn(answers, 'opens'), /^net\.Tcp\./)}
            range={range}
            unit={perSecond}
          />
          <Chart
            title="TCP trouble"
            times={tableIn(answers, 'trouble').times}
            lines={byMetric(tableIn(answers, 'trouble'), /^net\.Tcp(Ext)?\./)}
            range={range}
            unit={perSecond}
          />
        </div>
      </section>
      {sockets && <PortsInUse sockets={sockets} opened={opened} />}
    </Frame>
  );
}
