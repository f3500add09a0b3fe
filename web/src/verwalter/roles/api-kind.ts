import { roleShape } from './role-facts.ts';
import { isRecord, type Shape, shapeOf, wordsOf } from './shape.ts';

/** Of the kind `api`: groups of services on servers, and their updates (spec verwalter 3.3, 6.4). */
export interface ApiFacts {
  readonly groups: readonly Group[];
  /** Newest first. */
  readonly versions: readonly string[];
  /** By version and group: the steps that an update to it would take. */
  pipelineOf(version: string, group: string): readonly Step[];
  /** What a version has, where the scheduler tells; null: it does not. */
  servicesOf(version: string): readonly string[] | null;
}

export interface Group {
  readonly name: string;
  readonly version: string | null;
  readonly autoUpdate: boolean;
  readonly services: readonly Service[];
  readonly update: Update | null;
  /** Versions that an update came back from, and why. */
  readonly failed: readonly (readonly [string, string])[];
}

export interface Service {
  readonly name: string;
  readonly service: string | null;
  readonly servers: readonly string[];
  readonly numberPerServer: number | null;
  readonly variables: readonly (readonly [string, string])[];
}

export type Direction = 'forward' | 'backward' | 'pause' | 'error';

export interface Update {
  readonly source: string | null;
  readonly target: string | null;
  readonly auto: boolean;
  readonly direction: Direction | null;
  readonly pipeline: readonly Step[];
  readonly step: string | null;
  readonly smoothStep: number | null;
  /** ms */
  readonly startMs: number | null;
  readonly stepMs: number | null;
  readonly changeMs: number | null;
  readonly forwardTimeS: number | null;
  readonly error: string | null;
}

export interface Step {
  readonly name: string;
  /** time, smooth, manual, ack; others are shown as they are. */
  readonly forwardMode: string | null;
  readonly backwardMode: string | null;
  readonly forwardTimeS: number | null;
  readonly substeps: number | null;
  /** "1 instance", "50 %" */
  readonly part: string | null;
}

const directions = ['forward', 'backward', 'pause', 'error'] as const;

export function readApi(data: unknown, name: string, odd: string[]): ApiFacts {
  const role = roleShape(data, name, odd);
  const state = shapeOf(data, '', odd).at('state').at(name);
  const info = role.at('version_info');
  return {
    groups: state.each('groups').map(([group, shape]) => groupOf(group, shape, odd)),
    versions: [...new Set(role.texts('versions'))],
    // Looked at when somebody chooses a version: then nobody reads a list of what was odd.
    pipelineOf: (version, group) => stepsOf(info.at(version).at('group_pipelines'), group, []),
    servicesOf: (version) => (info.at(version).has('services') ? info.at(version).texts('services') : null),
  };
}

function groupOf(name: string, shape: Shape, odd: string[]): Group {
  const failed = shape.at('failed').record;
  return {
    name,
    version: shape.text('version'),
    autoUpdate: shape.flag('auto_update') ?? false,
    services: shape.each('services').map(([service, entry]) => serviceOf(service, entry)),
    update: shape.has('update') ? updateOf(shape.at('update'), odd) : null,
    failed: Object.keys(failed).map((version) => [version, wordsOf(failed[version])] as const),
  };
}

function serviceOf(name: string, shape: Shape): Service {
  const variables = shape.at('variables').record;
  return {
    name,
    service: shape.text('service'),
    servers: shape.texts('servers'),
    numberPerServer: shape.number('number_per_server'),
    variables: Object.keys(variables).map((key) => [key, wordsOf(variables[key])] as const),
  };
}

function updateOf(shape: Shape, odd: string[]): Update {
  const direction = shape.text('direction');
  const known = directions.find((each) => each === direction) ?? null;
  if (direction !== null && known === null)
    odd.push(`${shape.path}.direction is ${JSON.stringify(direction)}, not ${directions.join(', ')}`);
  return {
    source: shape.text('source_ver'),
    target: shape.text('target_ver'),
    auto: shape.flag('auto') ?? false,
    direction: known,
    pipeline: stepsOf(shape, 'pipeline', odd),
    step: shape.text('step'),
    smoothStep: shape.number('smooth_step'),
    startMs: shape.number('start_ts'),
    stepMs: shape.number('step_ts'),
    changeMs: shape.number('change_ts'),
    forwardTimeS: shape.number('forward_time'),
    error: shape.text('error_message'),
  };
}

function stepsOf(owner: Shape, key: string, odd: string[]): readonly Step[] {
  return owner.list(key).flatMap((item, index): Step[] => {
    const at = `${owner.path}.${key}[${index}]`;
    // A step may be its name alone.
    const shape = shapeOf(typeof item === 'string' ? { name: item } : item, at, odd);
    const name = isRecord(item) || typeof item === 'string' ? shape.text('name') : null;
    if (name === null) {
      odd.push(`${at} has no name`);
      return [];
    }
    const [count, percent] = [shape.number('count'), shape.number('percent')];
    return [
      {
        name,
        forwardMode: shape.text('forward_mode'),
        backwardMode: shape.text('backward_mode'),
        forwardTimeS: shape.number('forward_time'),
        substeps: shape.number('substeps'),
        part:
          count !== null
            ? count === 1
              ? '1 instance'
              : `${count} instances`
            : percent !== null
              ? `${percent} %`
              : null,
      },
    ];
  });
}

export type StepState = 'done' | 'current' | 'ahead';

/** Steps `start` and `done` are the scheduler's own names for the ends. */
export function stepStates({ pipeline, step }: Update): readonly StepState[] {
  const at = step === 'start' ? -1 : pipeline.findIndex(({ name }) => name === step);
  if (step === 'done') return pipeline.map(() => 'done');
  return pipeline.map((_, index) => (at === -1 || index > at ? 'ahead' : index === at ? 'current' : 'done'));
}

/** What can be done about an update now, and what each does. */
export function updateButtons({ direction, pipeline, step }: Update): readonly UpdateButton[] {
  const mode = pipeline.find(({ name }) => name === step)?.forwardMode ?? null;
  if (direction === null || direction === 'forward') {
    return [...(mode === 'manual' ? [proceed] : []), ...(mode === 'ack' ? [ack] : []), pause, skip, revert, fail];
  }
  return direction === 'backward' ? [pause, resume] : [resume, revert];
}

export interface UpdateButton {
  readonly action: 'pause' | 'resume' | 'revert' | 'skip' | 'proceed' | 'ack' | 'error';
  readonly title: string;
  readonly kind: 'default' | 'success' | 'danger';
  readonly confirm: string | null;
}

const button = (
  action: UpdateButton['action'],
  title: string,
  kind: UpdateButton['kind'] = 'default',
  confirm: string | null = null,
): UpdateButton => ({ action, title, kind, confirm });
const proceed = button('proceed', 'Proceed', 'success');
const ack = button('ack', 'Acknowledge', 'success');
const pause = button('pause', 'Pause');
const resume = button('resume', 'Resume', 'success');
const skip = button('skip', 'Skip step', 'default', 'Go on to the next step without waiting?');
const revert = button('revert', 'Revert', 'danger', 'Walk back to the version that ran before?');
const fail = button('error', 'Stop with an error', 'danger', 'Stop the update here and mark it as failed?');
