import './verwalter.css';
import { useEffect, useState } from 'preact/hooks';
import { Foldable } from '../foldable.tsx';
import { formatCount, formatMs, shortHash } from '../format.ts';
import type { PageProps } from '../lazy-page.tsx';
import { Mark } from '../mark.tsx';
import { setParams } from '../place.ts';
import { MovesTable } from './moves-table.tsx';
import { type Move, type Round, type RoundHead, timeText, useOnce, useRounds } from './recordings.ts';
import { WhatIf } from './what-if.tsx';

const hourMs: number = 3_600_000;
const spans = [
  { name: '1 h', ms: hourMs },
  { name: '6 h', ms: 6 * hourMs },
  { name: '24 h', ms: 24 * hourMs },
] as const;

/** Any round that this node has led: what it saw, what it decided, what moved, and what would have if. */
export function TimeTravelPage({ place, token }: PageProps) {
  const wanted = Number(place.params.get('round') ?? Number.NaN);
  // Ids are times: a link to an older round finds it.
  const [spanMs, setSpanMs] = useState(() => spans.find(({ ms }) => Date.now() - wanted < ms)?.ms ?? hourMs);
  const { rounds, problem } = useRounds(spanMs);
  const all = rounds ?? [];
  const found = all.findIndex(({ id }) => id === wanted);
  const index = found >= 0 ? found : all.length - 1;
  const round = all[index];
  const before = all[index - 1];
  const newest = all.at(-1)?.id;
  // The round that is looked at stays, whatever is recorded meanwhile: somebody may be editing its input.
  useEffect(() => {
    if (found < 0 && newest !== undefined) setParams({ round: String(newest) });
  }, [found, newest]);
  return (
    <>
      <header class="top host">
        <h1>Time travel</h1>
        <fieldset class="choice">
          <legend class="hidden">How far back</legend>
          {spans.map(({ name, ms }) => (
            <button key={name} type="button" aria-pressed={ms === spanMs} onClick={() => setSpanMs(ms)}>
              {name}
            </button>
          ))}
        </fieldset>
      </header>
      <main>
        {problem !== null && <p class="trouble">{problem}</p>}
        {rounds !== null && all.length === 0 && (
          <section>
            <p>This node has led no round in that time.</p>
            <p class="muted">
              Rounds are recorded by the node that leads: look at the leader’s page, or further back. They stay for 24
              hours (<code>--record-keep</code>).
            </p>
          </section>
        )}
        {round !== undefined && (
          <>
            <Slider rounds={all} index={index} />
            <RoundView key={round.id} head={round} before={before} token={token} />
          </>
        )}
      </main>
    </>
  );
}

/** To a percent of the slider. */
const tickSteps = 4;

const show = (round: RoundHead | undefined) => round !== undefined && setParams({ round: String(round.id) });

function Slider({ rounds, index }: { rounds: readonly RoundHead[]; index: number }) {
  const round = rounds[index];
  const changes = rounds.filter(({ changed }) => changed).length;
  const failures = rounds.filter(({ ok }) => !ok).length;
  const notable = (each: RoundHead) => each.changed || !each.ok;
  const [first, last] = [rounds[0], rounds.at(-1)];
  // A day has more rounds than the slider has pixels.
  const ticks = new Map<number, boolean>();
  for (const [at, each] of rounds.entries()) {
    if (!notable(each)) continue;
    const place = Math.round((100 * tickSteps * at) / Math.max(1, rounds.length - 1));
    ticks.set(place, ticks.get(place) === true || !each.ok);
  }
  return (
    <section aria-labelledby="rounds-title">
      <div class="bar">
        <h2 id="rounds-title">{round === undefined ? 'Rounds' : timeText(round.timestamp)}</h2>
        <p class="muted">
          {formatCount(rounds.length)} rounds, {formatCount(changes)} of them with a new schedule,{' '}
          {formatCount(failures)} failed
        </p>
      </div>
      <div class="slider">
        <div class="ticks" aria-hidden="true">
          {[...ticks].map(([place, failed]) => (
            <span key={place} class={failed ? 'failed' : 'changed'} style={{ left: `${place / tickSteps}%` }} />
          ))}
        </div>
        <input
          type="range"
          aria-label="Round"
          aria-valuetext={round === undefined ? '' : timeText(round.timestamp)}
          min={0}
          max={Math.max(0, rounds.length - 1)}
          value={index}
          onInput={(event) => show(rounds[Number(event.currentTarget.value)])}
        />
        <div class="ends muted">
          <span>{first === undefined ? '' : timeText(first.timestamp)}</span>
          <span>{last === undefined ? '' : timeText(last.timestamp)}</span>
        </div>
      </div>
      <div class="buttons">
        <button type="button" disabled={index <= 0} onClick={() => show(rounds[index - 1])}>
          ← Round before
        </button>
        <button type="button" disabled={index >= rounds.length - 1} onClick={() => show(rounds[index + 1])}>
          Next round →
        </button>
        <button
          type="button"
          disabled={!rounds.slice(0, index).some(notable)}
          onClick={() => show(rounds.slice(0, index).findLast(notable))}
        >
          ⇤ Change before
        </button>
        <button
          type="button"
          disabled={!rounds.slice(index + 1).some(notable)}
          onClick={() => show(rounds.slice(index + 1).find(notable))}
        >
          Next change ⇥
        </button>
        <button type="button" disabled={index >= rounds.length - 1} onClick={() => show(rounds.at(-1))}>
          Newest
        </button>
      </div>
    </section>
  );
}

interface RoundViewProps {
  readonly head: RoundHead;
  readonly before: RoundHead | undefined;
  readonly token: string | null;
}

function RoundView({ head, before, token }: RoundViewProps) {
  const answer = useOnce<Round>(`/v1/recordings/${head.id}?scheduler=1`);
  const comparable = before?.hash != null && head.hash !== null && before.hash !== head.hash;
  const diff = useOnce<{ readonly moves: readonly Move[] }>(
    comparable ? `/v1/diff?from=${before.hash}&to=${head.hash}` : null,
  );
  return (
    <>
      <section aria-labelledby="decided-title">
        <div class="bar">
          <h2 id="decided-title">Decided</h2>
          <p class="muted">
            because of {head.reason}, epoch {head.epoch}, in {formatMs(head.duration_ms)}, scheduler{' '}
            <code>{shortHash(head.scheduler_hash)}</code>
          </p>
        </div>
        {head.ok ? (
          <p>
            <Mark tone="good" /> schedule <code title={head.hash ?? ''}>{shortHash(head.hash)}</code>
            {head.changed ? ', another than before' : ', as before'}
          </p>
        ) : (
          <p class="trouble">
            <Mark tone="bad" /> {head.error}
          </p>
        )}
        {diff !== null && 'problem' in diff && <p class="trouble">{diff.problem}</p>}
        {diff !== null && 'value' in diff && diff.value.moves.length === 0 && (
          <p class="muted">Nothing moves: only what nodes do not render is different.</p>
        )}
        {diff !== null && 'value' in diff && diff.value.moves.length > 0 && (
          <MovesTable moves={diff.value.moves} caption="What this round moved" />
        )}
        {answer !== null && 'problem' in answer && <p class="trouble">{answer.problem}</p>}
        {answer !== null && 'value' in answer && (
          <>
            {answer.value.warnings.length > 0 && (
              <ul>
                {answer.value.warnings.map((warning) => (
                  <li key={warning}>
                    <Mark tone="warn" /> {warning}
                  </li>
                ))}
              </ul>
            )}
            <Foldable summary="Debug log">
              {() => <pre>{answer.value.log === '' ? 'It is empty.' : answer.value.log}</pre>}
            </Foldable>
            <Foldable summary="Input">{() => <pre>{JSON.stringify(answer.value.input, null, 2)}</pre>}</Foldable>
            <Foldable summary="Schedule">{() => <pre>{JSON.stringify(answer.value.output, null, 2)}</pre>}</Foldable>
          </>
        )}
      </section>
      {answer !== null && 'value' in answer && <WhatIf round={answer.value} token={token} />}
    </>
  );
}
