import './verwalter.css';
import { useState } from 'preact/hooks';
import type { PageProps } from '../lazy-page.tsx';
import { DryRunResult } from './dry-run-result.tsx';
import { type Answer, ask, type DryRun } from './recordings.ts';

/** What the agent takes. */
const mostBytes = 1024 * 1024;

/** A scheduler over the last recorded rounds, before it goes live. */
export function DryRunPage({ token }: PageProps) {
  const [text, setText] = useState('');
  const [others, setOthers] = useState<Readonly<Record<string, string>>>({});
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answer<DryRun> | null>(null);

  const take = async (list: FileList | null) => {
    const chosen = [...(list ?? [])].filter(({ name }) => name.endsWith('.lua'));
    const read = await Promise.all(chosen.map(async (file) => [pathOf(file), await file.text()] as const));
    const files = Object.fromEntries(read);
    const { 'main.lua': main, ...rest } = files;
    if (main !== undefined) setText(main);
    setOthers(rest);
    setAnswer(main === undefined ? { problem: 'There is no main.lua among these files.' } : null);
  };
  const run = async () => {
    const scheduler = { ...others, 'main.lua': text };
    const body = { scheduler };
    if (new Blob([JSON.stringify(body)]).size > mostBytes) {
      setAnswer({ problem: 'The scheduler is larger than 1 MiB; use stellwerk verwalter replay.' });
      return;
    }
    setBusy(true);
    setAnswer(await ask<DryRun>('/v1/dry_run', token, body));
    setBusy(false);
  };
  const paths = Object.keys(others).sort();
  return (
    <>
      <header class="top host">
        <h1>Dry run</h1>
      </header>
      <main>
        <section aria-labelledby="scheduler-title">
          <div class="bar">
            <h2 id="scheduler-title">Scheduler</h2>
            <p class="muted">It runs over the last rounds that this node has recorded. Nothing is applied.</p>
          </div>
          <p class="run">
            <label>
              Folder with main.lua{' '}
              <input
                type="file"
                multiple
                {...{ webkitdirectory: true }}
                onChange={(event) => void take(event.currentTarget.files)}
              />
            </label>
            <label>
              or files{' '}
              <input type="file" multiple accept=".lua" onChange={(event) => void take(event.currentTarget.files)} />
            </label>
          </p>
          {paths.length > 0 && (
            <p class="muted">
              beside main.lua: <code>{paths.join(', ')}</code>
            </p>
          )}
          <div class="editors one">
            <label>
              main.lua
              <textarea
                class="mono"
                spellcheck={false}
                rows={18}
                placeholder="return { scheduler = function(input) … end }"
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
              />
            </label>
          </div>
          <p class="run">
            <button type="button" class="action" disabled={token === null || busy || text.trim() === ''} onClick={run}>
              {busy ? 'Running…' : 'Run over recorded rounds'}
            </button>
            {token === null && <span class="muted">Only showing: a dry run needs the token.</span>}
          </p>
          {answer !== null && <DryRunResult answer={answer} movesAre="What would move now if it went live" />}
        </section>
      </main>
    </>
  );
}

/** Below the folder that was chosen: `v1/lib/x.lua` is `lib/x.lua`. */
const pathOf = (file: File): string =>
  file.webkitRelativePath === '' ? file.name : file.webkitRelativePath.split('/').slice(1).join('/');
