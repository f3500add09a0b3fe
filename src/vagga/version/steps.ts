import type { IdSpan } from '../../native/hash.ts';
import type { Step, StepOf } from '../config/steps.ts';
import type { Lock } from '../lock/lock-file.ts';
import { lockSource, pinnedStep } from '../lock/pinned.ts';
import { composerDependencies, gemBundle } from './bundle-packages.ts';
import { hashTree, type TreeRequest } from './files.ts';
import { gitDescribe } from './git-describe.ts';
import { devcontainer, ociImage } from './image.ts';
import { npmDependencies, yarnDependencies } from './node-packages.ts';
import { failed, notReady, type Stop } from './outcome.ts';
import { plainFields } from './plain-steps.ts';
import { projectPath, workFolder } from './project-file.ts';
import { requirementLines } from './requirements.ts';
import { type CompiledSelection, compileRules, compileSelection } from './rules.ts';
import type { VersionStream } from './stream.ts';
import type { VersionedProject, VersionOptions } from './version.ts';

export interface StepContext extends Pick<VersionOptions, 'threads' | 'builtRoot' | 'subConfig'> {
  readonly project: VersionedProject;
  readonly stream: VersionStream;
  readonly lock: Lock;
  readonly uidMap: readonly IdSpan[];
  readonly gidMap: readonly IdSpan[];
  readonly warn: (message: string) => void;
}

/** Where in the nesting of containers a setup stands. */
export interface Nesting {
  /** Of the steps' numbers: `2.` for those that step 2 brings. */
  readonly prefix: string;
  /** The containers that were gone into. */
  readonly within: readonly string[];
}

export async function hashSteps(context: StepContext, setup: readonly Step[], nesting: Nesting): Promise<Stop | null> {
  for (const [index, step] of setup.entries()) {
    const number = `${nesting.prefix}${index}`;
    context.stream.command(number, step.tag);
    const stop = await hashStep(context, step, { ...nesting, prefix: `${number}.` });
    if (stop === null) continue;
    // Said once, where it happened: the steps around it pass it on.
    return stop.reason.startsWith('!') ? stop : { ...stop, reason: `!${step.tag}: ${stop.reason}` };
  }
  return null;
}

async function hashStep(context: StepContext, step: Step, nesting: Nesting): Promise<Stop | null> {
  const { stream, project } = context;
  switch (step.tag) {
    case 'OciImage':
      return ociImage(context, step.value);
    case 'Devcontainer':
      return devcontainer(context, step.value);
    case 'Copy':
      return copy(context, step.value);
    case 'Depends':
      return depends(context, step.value);
    case 'Container':
      return inline(context, step.value, nesting);
    case 'Build':
      return build(context, step.value, nesting);
    case 'SubConfig':
      return subConfig(context, step.value, nesting);
    case 'GitDescribe':
      return describe(context, step.value);
    case 'Py2Requirements':
    case 'Py3Requirements': {
      const lines = requirementLines(project.root, step.value);
      if ('kind' in lines) return lines;
      for (const { line, file } of lines) stream.value('line', line, file);
      return null;
    }
    case 'NpmDependencies':
      return npmDependencies(stream, project.root, step.value);
    case 'YarnDependencies':
      return yarnDependencies(stream, project.root, step.value);
    case 'GemBundle':
      return gemBundle(stream, project.root, step.value);
    case 'ComposerDependencies':
      return composerDependencies(stream, project.root, step.value);
    default: {
      const { step: pinned, by } = pinnedStep(context.lock, step);
      for (const field of plainFields(pinned as typeof step)) {
        if ('values' in field) stream.list(field.key, field.values);
        else stream.value(field.key, field.value, by !== null && isPinned(field.key) ? lockSource(by) : undefined);
      }
      return null;
    }
  }
}

/** Keys that a lock's entry is hashed by. */
const isPinned = (key: string): boolean => key === 'hash' || key === 'revision';

type TreeOptions = Omit<TreeRequest, 'judge' | 'uidMap' | 'gidMap'>;

/** What only a copy has. */
const asTheyAre = { preserveModes: false, umask: 0, ownerUid: -1, ownerGid: -1 } as const;

async function tree(context: StepContext, options: TreeOptions, selection: CompiledSelection): Promise<Stop | null> {
  if (selection.kind === 'invalid') return failed(selection.message);
  const { uidMap, gidMap, threads, warn, stream } = context;
  return hashTree(stream, { ...options, judge: selection.judge, uidMap, gidMap }, threads, warn);
}

async function copy(context: StepContext, step: StepOf<'Copy'>): Promise<Stop | null> {
  const { stream, project } = context;
  const source = projectPath(step.source);
  if (source === null) {
    // Of the container itself: what is there depends on the steps before.
    stream.value('source', step.source);
    stream.value('path', step.path);
    stream.value('preserve_permissions', step.preservePermissions);
    if (!step.preservePermissions) {
      stream.optional('owner_uid', step.ownerUid);
      stream.optional('owner_gid', step.ownerGid);
      stream.value('umask', step.umask);
    }
  } else {
    const stop = await tree(
      context,
      {
        ...{ root: project.root, rootName: workFolder, source, form: 'copy' },
        ...{ preserveModes: step.preservePermissions, umask: step.umask },
        ...{ ownerUid: step.ownerUid ?? -1, ownerGid: step.ownerGid ?? -1 },
      },
      compileSelection(step),
    );
    if (stop !== null) return stop;
    stream.value('path', step.path);
  }
  if (step.preserveTimes) stream.value('preserve_times', true);
  return null;
}

async function depends(context: StepContext, step: StepOf<'Depends'>): Promise<Stop | null> {
  const source = projectPath(step.path);
  if (source === null) return failed(`${step.path} lies outside of the project`);
  const { root } = context.project;
  return tree(context, { ...asTheyAre, root, rootName: workFolder, source, form: 'depends' }, compileSelection(step));
}

/** All of another container's setup; not its ids, data-dirs or environment. */
async function inline(context: StepContext, name: string, nesting: Nesting): Promise<Stop | null> {
  const container = context.project.containers.get(name);
  if (container === undefined) return failed(`container ${JSON.stringify(name)} does not exist`);
  if (nesting.within.includes(name)) return failed(`Container ${JSON.stringify(name)} has cyclic dependency`);
  return hashSteps(context, container.setup, { ...nesting, within: [...nesting.within, name] });
}

async function build(context: StepContext, step: StepOf<'Build'>, nesting: Nesting): Promise<Stop | null> {
  const { stream, builtRoot } = context;
  // The original hashed none of these: a changed path left the image as it was. This is our format 2 of the step.
  stream.value('format', 2);
  stream.value('container', step.container);
  stream.value('source', step.source);
  stream.optional('temporary_mount', step.temporaryMount);
  stream.list('rules', step.rules);
  const place = nesting.prefix.slice(0, -1);
  const stop = await inline(context, step.container, nesting);
  if (stop !== null) return stop;
  stream.resume(place, 'Build');
  if (step.contentHash) {
    const root = builtRoot(step.container);
    if (root === null) return notReady(`container ${step.container} is not built yet`);
    const source = step.source.replace(/^\/+/, '');
    const request = { ...asTheyAre, root, rootName: '/', source, form: 'content' } as const;
    const content = await tree(context, request, compileRules(step.rules, false));
    if (content !== null) return content;
  }
  stream.optional('path', step.path);
  return null;
}

async function subConfig(context: StepContext, step: StepOf<'SubConfig'>, nesting: Nesting): Promise<Stop | null> {
  const { source } = step;
  const { project, builtRoot } = context;
  if (source.tag === 'Git') return failed('a source of !Git is not supported');
  const folder = source.tag === 'Directory' ? project.root : builtRoot(source.value);
  if (folder === null) return notReady(`container ${source.tag === 'Container' ? source.value : ''} is not built yet`);
  const loaded = context.subConfig(folder, step.path);
  if (loaded === null) return notReady(`${step.path} does not exist`);
  if (loaded.kind === 'refused') return failed(loaded.reason);
  const container = loaded.containers.get(step.container);
  if (container === undefined) return failed(`${step.path} has no container ${JSON.stringify(step.container)}`);
  const name = `${folder}/${step.path}:${step.container}`;
  if (nesting.within.includes(name)) return failed(`Container ${JSON.stringify(step.container)} has cyclic dependency`);
  // Its steps stand here: a !Container among them is one of this project, or else of that file.
  const containers = new Map([...loaded.containers, ...project.containers]);
  const inner: StepContext = { ...context, project: { ...project, containers } };
  return hashSteps(inner, container.setup, { ...nesting, within: [...nesting.within, name] });
}

async function describe(context: StepContext, step: StepOf<'GitDescribe'>): Promise<Stop | null> {
  const { stream, project } = context;
  const path = projectPath(step.repo);
  if (path === null) return failed(`${step.repo} lies outside of the project`);
  const described = await gitDescribe(path === '' ? project.root : `${project.root}/${path}`, step.pattern);
  if (described.kind === 'failed') return failed(described.reason);
  stream.value('repo', step.repo);
  stream.optional('output_file', step.outputFile);
  stream.value('describe', described.text);
  return null;
}
