import { useState } from 'preact/hooks';
import { Foldable } from '../foldable.tsx';
import { DryRunResult } from './dry-run-result.tsx';
import { type Answer, ask, type DryRun, mergePatch, type Round } from './recordings.ts';

interface Props {
  readonly round: Round;
  readonly token: string | null;
}

/** The round once more, with another input or another scheduler. */
export function WhatIf(props: Props) {
  return (
    <section aria-labelledby="what-if-title">
      <div class="bar">
        <h2 id="what-if-title">What if</h2>
        <p class="muted">Change the input or the scheduler, and run the round again. Nothing is applied.</p>
      </div>
      <Foldable summary="Edit input and scheduler">{() => <Editors {...props} />}</Foldable>
    </section>
  );
}

function Editors({ round, token }: Props) {
  const files = round.scheduler ?? {};
  const original = JSON.stringify(round.input, null, 2);
  const [input, setInput] = useState(original);
  const [edited, setEdited] = useState<Readonly<Record<string, string>>>(files);
  const [file, setFile] = useState(Object.hasOwn(files, 'main.lua') ? 'main.lua' : (Object.keys(files)[0] ?? ''));
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answer<DryRun> | null>(null);

  const run = async () => {
    let wanted: unknown;
    try {
      wanted = JSON.parse(input);
    } catch (error) {
      setAnswer({ problem: `The input is not JSON: ${(error as Error).message}` });
      return;
    }
    setBusy(true);
    const other = Object.keys(files).some((path) => files[path] !== edited[path]);
    setAnswer(
      await ask<DryRun>('/v1/dry_run', token, {
        id: round.id,
        patch: mergePatch(round.input, wanted),
        ...(other ? { scheduler: edited } : {}),
      }),
    );
    setBusy(false);
  };

  return (
    <>
      <div class="editors">
        <label>
          Input
          <textarea
            class="mono"
            spellcheck={false}
            rows={16}
            value={input}
            onInput={(event) => setInput(event.currentTarget.value)}
          />
        </label>
        <div>
          <label for="what-if-file">Scheduler</label>{' '}
          <select id="what-if-file" value={file} onChange={(event) => setFile(event.currentTarget.value)}>
            {Object.keys(files).map((path) => (
              <option key={path}>{path}</option>
            ))}
          </select>
          <textarea
            class="mono"
            aria-label={`Text of ${file}`}
            spellcheck={false}
            rows={16}
            value={edited[file] ?? ''}
            onInput={(event) => setEdited({ ...edited, [file]: event.currentTarget.value })}
          />
        </div>
      </div>
      <p class="run">
        <button type="button" class="action" disabled={token === null || busy} onClick={run}>
          {busy ? 'Running…' : 'Run again'}
        </button>
        {token === null && <span class="muted">Only showing: a dry run needs the token.</span>}
      </p>
      {answer !== null && <DryRunResult answer={answer} movesAre="What would have moved, seen from what was decided" />}
    </>
  );
}
