import { useState } from 'preact/hooks';
import { formatDuration } from '../../format.ts';
import { Mark } from '../../mark.tsx';
import { Choice } from './api-forms.tsx';
import { type ApiFacts, type Group, type Step, stepStates, type Update, updateButtons } from './api-kind.ts';
import { Moment } from './moment.tsx';
import { actionOf, PressButton } from './press-button.tsx';

const directionWords = {
  forward: 'going forward',
  backward: 'going back',
  pause: 'paused',
  error: 'stopped by an error',
} as const;

interface Props {
  readonly role: string;
  readonly group: string;
  readonly update: Update;
  readonly now: number;
}

/** An update that is under way: where it is, what it waits for, and what can be done. */
export function UpdateProgress({ role, group, update, now }: Props) {
  const { source, target, direction, step, error } = update;
  const states = stepStates(update);
  return (
    <fieldset class={`update ${direction ?? ''}`} aria-label={`Update of ${group}`}>
      <p>
        <b>
          {source ?? 'unknown'} → {target ?? 'unknown'}
        </b>{' '}
        <span class={direction === 'error' || direction === 'backward' ? 'warned' : 'muted'}>
          {direction === null ? 'direction unknown' : directionWords[direction]}
          {update.auto && ', by itself'}
        </span>{' '}
        <span class="muted">
          · started <Moment ms={update.startMs} now={now} /> · at this step since{' '}
          <Moment ms={update.stepMs} now={now} />
          {update.changeMs !== null && update.changeMs !== update.stepMs && (
            <>
              {' '}
              · changed <Moment ms={update.changeMs} now={now} />
            </>
          )}
        </span>
      </p>
      {error !== null && (
        <p class="trouble">
          <Mark tone="bad" />
          {error}
        </p>
      )}
      <ol class="pipeline">
        {update.pipeline.map((each, index) => (
          <li key={each.name} class={states[index]} aria-current={states[index] === 'current' ? 'step' : undefined}>
            <b>{each.name}</b>
            <span>{stepWords(each)}</span>
            {states[index] === 'current' && <span class="left">{waitsFor(each, update, now)}</span>}
          </li>
        ))}
      </ol>
      <div class="presses">
        {updateButtons(update).map(({ action, title, kind, confirm }) => (
          <PressButton
            key={action}
            title={title}
            kind={kind}
            confirm={confirm}
            request={actionOf(
              { role, action: 'update_action', group, update_action: action, ...(step === null ? {} : { step }) },
              `${title} ${group}`,
            )}
          />
        ))}
      </div>
    </fieldset>
  );
}

/** "smooth, 2 min, 4 parts, 50 %" */
function stepWords({ forwardMode, forwardTimeS, substeps, part }: Step): string {
  return [
    forwardMode,
    forwardTimeS === null ? null : formatDuration(forwardTimeS * 1000),
    substeps === null ? null : `${substeps} parts`,
    part,
  ]
    .filter((word) => word !== null)
    .join(', ');
}

function waitsFor({ forwardMode, substeps }: Step, update: Update, now: number): string {
  if (update.direction !== 'forward') return '';
  if (forwardMode === 'manual') return 'waits for “Proceed”';
  if (forwardMode === 'ack') return 'waits for a program to acknowledge';
  const { stepMs, smoothStep, forwardTimeS } = update;
  const part = smoothStep === null ? '' : `part ${smoothStep}${substeps === null ? '' : ` of ${substeps}`}`;
  if (stepMs === null || forwardTimeS === null) return part;
  const wholeMs = (forwardTimeS * 1000) / (forwardMode === 'smooth' ? (substeps ?? 1) : 1);
  const leftMs = stepMs + wholeMs - now;
  // The scheduler goes on in a round of its own, and where health is not known, not at all.
  const left = leftMs > 0 ? `goes on in ${formatDuration(leftMs)}` : 'its time is up: it waits for health';
  return part === '' ? left : `${part}, ${left}`;
}

interface StartProps {
  readonly role: string;
  readonly group: Group;
  readonly api: ApiFacts;
  readonly onDone: () => void;
}

export function StartUpdate({ role, group, api, onDone }: StartProps) {
  const others = api.versions.filter((version) => version !== group.version);
  const [typed, setTyped] = useState<string | null>(null);
  const version = typed ?? others[0] ?? '';
  const steps = api.pipelineOf(version, group.name);
  if (others.length === 0) return <p class="muted">The schedule names no other version.</p>;
  const of = (action: string, title: string) =>
    actionOf({ role, action, group: group.name, to_version: version }, `${title} ${group.name} to ${version}`);
  return (
    <fieldset class="update" aria-label={`Start an update of ${group.name}`}>
      <div class="inline">
        <Choice label="to version" options={others} value={version} onChange={setTyped} />
        <PressButton title="Start update" kind="primary" request={of('start_update', 'Update')} onDone={onDone} />
        <PressButton
          title="Force"
          kind="danger"
          confirm={`Stop all of ${group.name} and start ${version} at once, without any step?`}
          request={of('force_version', 'Force')}
          onDone={onDone}
        />
      </div>
      {steps.length > 0 && (
        <ol class="pipeline">
          {steps.map((step) => (
            <li key={step.name} class="ahead">
              <b>{step.name}</b>
              <span>{stepWords(step)}</span>
            </li>
          ))}
        </ol>
      )}
    </fieldset>
  );
}
