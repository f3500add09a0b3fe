import { Command, type CommanderError, Option } from 'commander';

/** Options before the command: vagga 5.1. */
export interface GlobalOptions {
  /** -E: a value, or null to unset. */
  readonly environ: ReadonlyMap<string, string | null>;
  /** -e: variables that come through from outside. */
  readonly useEnv: readonly string[];
  readonly ignoreOwnerCheck: boolean;
  readonly prerequisites: boolean;
  readonly containersOnly: boolean;
  readonly isolateNetwork: boolean;
  readonly imageDownload: boolean;
  readonly build: boolean;
  readonly versionCheck: boolean;
  /** -m: all words are names of commands. */
  readonly runMulti: boolean;
  readonly version: boolean;
  readonly help: boolean;
}

/** Of a command line without any. */
export const noOptions: GlobalOptions = {
  environ: new Map(),
  useEnv: [],
  ignoreOwnerCheck: false,
  prerequisites: true,
  containersOnly: false,
  isolateNetwork: false,
  imageDownload: true,
  build: true,
  versionCheck: true,
  runMulti: false,
  version: false,
  help: false,
};

export type ParsedGlobal =
  | { readonly kind: 'parsed'; readonly options: GlobalOptions; readonly words: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string; readonly code: 'arguments' | 'config' };

interface Raw {
  env?: string[];
  environ?: string[];
  useEnv?: string[];
  ignoreOwnerCheck?: true;
  prerequisites: boolean;
  containersOnly?: true;
  isolateNetwork?: true;
  network: boolean;
  net: boolean;
  imageDownload: boolean;
  build: boolean;
  versionCheck: boolean;
  runMulti?: true;
  version?: true;
  help?: true;
}

export function globalCommand(): Command {
  const collect = (value: string, before: string[] = []): string[] => [...before, value];
  return new Command('vagga')
    .description('development environments in rootless containers; without a command: what this project has')
    .usage('[options] COMMAND [ARGS…]')
    .option('-V, --version', 'print the version')
    .option('-E, --env <NAME=VALUE>', 'set a variable for the command; without =: unset it (also --environ)', collect)
    .addOption(new Option('--environ <NAME=VALUE>').argParser(collect).hideHelp())
    .option('-e, --use-env <VAR>', 'let a variable of this shell through to the command', collect)
    .option('--ignore-owner-check', 'do not look at who owns the project')
    .option('--no-prerequisites', 'run only the command, not what it says must run before')
    .option('--containers-only', 'build the containers of the command and run nothing')
    .option('--isolate-network', 'run with loopback only (also --no-network, --no-net)')
    .addOption(new Option('--no-network').hideHelp())
    .addOption(new Option('--no-net').hideHelp())
    .option('--no-image-download', 'build even where image-cache-url has an image')
    .option('--no-build', 'fail where a container must be built first')
    .option('--no-version-check', 'take the container as it was last built, whatever has changed since')
    .option('-m, --run-multi', 'run several commands one after the other: vagga -m CMD CMD…')
    .option('-h, --help', 'this text')
    .helpOption(false)
    .helpCommand(false)
    .allowExcessArguments()
    .argument('[words...]')
    .passThroughOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: () => {} });
}

/** Reads options up to the first word that is none. */
export function parseGlobal(args: readonly string[]): ParsedGlobal {
  // A person waits for it: Commander takes as long to load as half of what is left to do.
  if (args[0]?.startsWith('-') !== true) return { kind: 'parsed', words: args, options: noOptions };
  const command = globalCommand();
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    return { kind: 'refused', message: (error as CommanderError).message.replace(/^error: /, ''), code: 'arguments' };
  }
  const raw = command.opts<Raw>();
  const environ = new Map<string, string | null>();
  for (const given of [...(raw.env ?? []), ...(raw.environ ?? [])]) {
    const at = given.indexOf('=');
    const name = at === -1 ? given : given.slice(0, at);
    if (name === '') return { kind: 'refused', message: `-E ${given}: the name is missing`, code: 'config' };
    environ.set(name, at === -1 ? null : given.slice(at + 1));
  }
  for (const name of raw.useEnv ?? []) {
    if (!name.includes('=')) continue;
    const message = `Environment variable name (for option \`-e\`/\`--use-env\`) can't contain equals \`=\` character. To set key-value pair use \`-E\`/\`--environ\` option`;
    return { kind: 'refused', message, code: 'config' };
  }
  return {
    kind: 'parsed',
    words: command.args,
    options: {
      environ,
      useEnv: raw.useEnv ?? [],
      ignoreOwnerCheck: raw.ignoreOwnerCheck ?? false,
      prerequisites: raw.prerequisites,
      containersOnly: raw.containersOnly ?? false,
      isolateNetwork: (raw.isolateNetwork ?? false) || !raw.network || !raw.net,
      imageDownload: raw.imageDownload,
      build: raw.build,
      versionCheck: raw.versionCheck,
      runMulti: raw.runMulti ?? false,
      version: raw.version ?? false,
      help: raw.help ?? false,
    },
  };
}
