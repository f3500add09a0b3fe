import { Command } from 'commander';
import { type Containers, containersOf, fieldsOfBuild, lastBuild, type Readiness } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { explainDifference } from '../version/diff.ts';
import { formatField } from '../version/field.ts';
import type { Version } from '../version/version.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';
import { runInside } from './run-inside.ts';

// Built-in commands that work on containers: vagga 5.2.

const containersFor = ({ place, options }: BuiltInContext, more: Partial<Readiness> = {}): Containers =>
  containersOf(place, { force: false, ...pickReadiness(options), ...more });

const pickReadiness = ({ build, versionCheck, imageDownload }: BuiltInContext['options']) => ({
  ...{ build, versionCheck, imageDownload },
});

/** The version, with what it stands on built. */
async function knownVersion(
  context: BuiltInContext,
  name: string,
  details: boolean,
): Promise<Extract<Version, { kind: 'known' }>> {
  if (!context.project.containers.has(name)) throw new Refusal('launcher', `there is no container ${name}`);
  const version = await containersFor(context).version(name, details);
  if (version.kind === 'not-ready') throw new Refusal('notReady', `container ${name}: ${version.reason}`);
  if (version.kind === 'failed') throw new Refusal('launcher', `container ${name}: ${version.reason}`);
  return version;
}

export const containerBuiltIns: Readonly<Record<string, BuiltIn>> = {
  _build: {
    summary: 'build containers, if they are not built yet, at once those that do not stand on each other',
    command: (context) =>
      new Command('_build')
        .argument('<container...>')
        .option('--force', 'build although they are there')
        .action(async (names: readonly string[], flags: { force?: true }) => {
          await containersFor(context, { force: flags.force ?? false }).allReady(names);
        }),
  },
  _run: {
    summary: 'run any program in a container',
    command: (context) =>
      new Command('_run')
        .argument('<container>')
        .argument('<program>')
        .argument('[args...]')
        .option('-W, --writeable', 'in a copy of the container that is thrown away at the end')
        .passThroughOptions()
        .action(async (name: string, program: string, args: readonly string[], flags: { writeable?: true }) => {
          const writeMode = flags.writeable === true ? 'transient-hard-link-copy' : 'read-only';
          context.end(await runInside(context, containersFor(context), name, [program, ...args], writeMode));
        }),
  },
  _version_hash: {
    summary: 'print the version of a container',
    command: (context) =>
      new Command('_version_hash')
        .argument('<container>')
        .option('-s, --short', 'its first eight digits')
        .option('--debug-versioning', 'and on stderr what goes into it')
        .option('--dump-version-data', 'and on stderr what goes into it, file by file')
        .action(async (name: string, flags: { short?: true; debugVersioning?: true; dumpVersionData?: true }) => {
          const version = await knownVersion(context, name, flags.dumpVersionData ?? false);
          if (flags.debugVersioning === true || flags.dumpVersionData === true) {
            for (const field of version.fields) context.place.tell(formatField(field));
          }
          context.print(`${flags.short === true ? version.short : version.hash}\n`);
        }),
  },
  _explain: {
    summary: 'say why a container would be built again',
    command: (context) =>
      new Command('_explain').argument('<container>').action(async (name: string) => {
        const version = await knownVersion(context, name, true);
        const built = lastBuild(context.place.store, name);
        if (built === null) return context.print(`${name} was never built; its version is ${version.short}\n`);
        if (built.endsWith(`.${version.short}`)) {
          return context.print(`${name} is current: nothing has changed since version ${version.short} was built\n`);
        }
        const before = fieldsOfBuild(built);
        const changes =
          before === null
            ? ['an earlier vagga built it: what went into it is not known']
            : explainDifference(before, version.fields);
        context.print(`${name} would be built: version ${version.short} instead of ${built.split('.').at(-1)}\n`);
        for (const change of changes) context.print(`  ${change}\n`);
      }),
  },
};
