import './logs.css';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Frame } from '../../cantal/frame.tsx';
import { useStatus } from '../../cantal/status.ts';
import { formatAge, formatBytes, formatCount } from '../../format.ts';
import type { PageProps } from '../../lazy-page.tsx';
import { Link } from '../../link.tsx';
import { replace, setParams } from '../../place.ts';
import { fileUrl, type LogPath, logTitle, readLogPath, tailHref } from './log-address.ts';
import type { LogFile } from './log-files.ts';
import { endOf, type Tail, textOf } from './tail.ts';
import { type TailState, useTail } from './use-tail.ts';

/** One log: ?log=role/web&file=log.….txt&from=BYTE. Without a file: its files. */
export function TailPage({ place }: PageProps) {
  const log = readLogPath(place.params.get('log') ?? '');
  if (log === null) {
    return (
      <main class="empty">
        <h1>No log is named</h1>
        <p>
          <Link href="/logs">To the logs of this node</Link>
        </p>
      </main>
    );
  }
  return <LogTail log={log} params={place.params} />;
}

function LogTail({ log, params }: { log: LogPath; params: URLSearchParams }) {
  const asked = params.get('file');
  // What is called latest may be another file in an hour: once looked at, it goes by its own name.
  const named = asked === 'latest' ? null : asked;
  const from = params.get('from') === 'end' ? 'end' : Math.max(0, Math.floor(Number(params.get('from') ?? 0)) || 0);
  const [follows, setFollows] = useState(params.get('follow') === '1');
  const state = useTail({ log, file: named, from, follows });
  const { tail, files, problem } = state;
  const { value: status } = useStatus();
  const newest = asked === 'latest' ? files?.[0] : undefined;
  useEffect(() => {
    if (newest !== undefined) replace(tailHref({ log, file: newest.name, offset: from }));
  }, [newest?.name]);

  const follow = (next: boolean): void => {
    setFollows(next);
    setParams({ follow: next ? '1' : null });
  };
  return (
    <Frame title="Log" of={`${logTitle(log)}, on ${status?.hostname ?? location.host}`} problem={problem}>
      {named === null ? (
        newest === undefined && <Files log={log} files={files} />
      ) : (
        <section aria-labelledby="file-title" class="tail">
          <div class="bar">
            <h2 id="file-title" class="wrap">
              {named}
            </h2>
            {tail !== null && (
              <p class="muted">
                bytes {formatCount(tail.first)} to {formatCount(endOf(tail))} of {formatCount(tail.size)}
              </p>
            )}
            <Neighbours log={log} name={named} files={files} />
          </div>
          <Controls state={state} follows={follows} onFollow={follow} />
          {tail !== null && <Text tail={tail} follows={follows} />}
          <Ways log={log} file={named} offset={tail?.first ?? 0} />
        </section>
      )}
    </Frame>
  );
}

interface ControlsProps {
  readonly state: TailState;
  readonly follows: boolean;
  readonly onFollow: (follows: boolean) => void;
}

function Controls({ state: { tail, before, after, toEnd }, follows, onFollow }: ControlsProps) {
  const hasAfter = tail !== null && endOf(tail) < tail.size;
  return (
    <div class="buttons tail-buttons">
      <button type="button" disabled={tail === null || tail.first === 0} onClick={before}>
        Load previous
      </button>
      <button type="button" disabled={!hasAfter} onClick={after}>
        Load next
      </button>
      <button type="button" disabled={!hasAfter} onClick={toEnd}>
        Skip to end
      </button>
      <button type="button" aria-pressed={follows} onClick={() => onFollow(!follows)}>
        Follow
      </button>
    </div>
  );
}

/** What is within this of the end counts as the end. */
const nearEndPx = 40;

/** Text as it is: whatever a program wrote, markup too, is shown and not obeyed. */
function Text({ tail, follows }: { tail: Tail; follows: boolean }) {
  const box = useRef<HTMLElement>(null);
  const was = useRef({ first: tail.first, height: 0, atEnd: true });
  const text = textOf(tail);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    // What came before pushes nothing away from under the eyes; who is at the end stays there.
    if (tail.first < was.current.first) element.scrollTop += element.scrollHeight - was.current.height;
    else if (follows && was.current.atEnd) element.scrollTop = element.scrollHeight;
    was.current = { ...was.current, first: tail.first, height: element.scrollHeight };
  }, [tail, follows]);
  return (
    <section
      class="log-text"
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard (WCAG 2.1.1)
      tabIndex={0}
      aria-label="Text of the log"
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        was.current.atEnd = scrollHeight - scrollTop - clientHeight < nearEndPx;
      }}
    >
      <pre>{text === '' ? <span class="muted">nothing here</span> : text}</pre>
    </section>
  );
}

function Ways({ log, file, offset }: { log: LogPath; file: string; offset: number }) {
  const url = fileUrl(log, file);
  const name = `${log}/${file}`.replaceAll('/', '-');
  return (
    <div class="ways">
      <p>
        <a href={url}>Raw</a>{' '}
        <a href={url} download={name}>
          Download
        </a>{' '}
        <Link href={tailHref({ log, file, offset })}>Link to this place</Link>
      </p>
      <p>
        <code class="wrap">{`curl -r ${offset}- ${location.origin}${url}`}</code>
      </p>
    </div>
  );
}

/** Logs go on in other files. */
function Neighbours({ log, name, files }: { log: LogPath; name: string; files: readonly LogFile[] | null }) {
  const at = files?.findIndex((file) => file.name === name) ?? -1;
  const isOwn = !log.startsWith('external/');
  const later = isOwn && at > 0 ? files?.[at - 1] : undefined;
  const earlier = isOwn && at >= 0 ? files?.[at + 1] : undefined;
  return (
    <p class="neighbours">
      {earlier && <Link href={tailHref({ log, file: earlier.name, offset: 0 })}>← earlier file</Link>}
      {later && <Link href={tailHref({ log, file: later.name, offset: 0 })}>goes on in a later file →</Link>}
      {!isOwn && <Link href={`/logs/tail?log=${encodeURIComponent(log)}`}>all files</Link>}
      <Link href={log.startsWith('role/') ? `/logs?role=${encodeURIComponent(log.slice('role/'.length))}` : '/logs'}>
        deployments
      </Link>
    </p>
  );
}

function Files({ log, files }: { log: LogPath; files: readonly LogFile[] | null }) {
  const now = Date.now();
  if (files === null) return null;
  return (
    <section aria-labelledby="files-title">
      <h2 id="files-title">Files</h2>
      {files.length === 0 ? (
        <p class="muted">There are none yet.</p>
      ) : (
        <table class="narrow">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" class="number">
                Size
              </th>
              <th scope="col" class="number">
                Last written
              </th>
            </tr>
          </thead>
          <tbody>
            {files.map(({ name, bytes, modifiedMs }) => (
              <tr key={name}>
                <th scope="row" class="wrap">
                  <Link href={tailHref({ log, file: name, offset: 'end' })}>{name}</Link>
                </th>
                <td class="number">{formatBytes(bytes)}</td>
                <td class="number">{formatAge(modifiedMs, now)} ago</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
