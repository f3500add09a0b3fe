import { Argument, Command } from 'commander';
import { customTags, settingsJsonSchema, vaggaJsonSchema } from '../schema/json-schemas.ts';
import type { BuiltInContext } from './built-ins.ts';
import { type CompletingShell, completingShells, completionScript } from './completion-scripts.ts';

/** A built-in command that works where there is no vagga.yaml too. */
export interface ProjectlessBuiltIn {
  readonly summary: string;
  readonly command: (context: Pick<BuiltInContext, 'print'>) => Command;
}

interface SchemaFlags {
  settings?: boolean;
  tags?: boolean;
}

export const projectlessBuiltIns: Readonly<Record<string, ProjectlessBuiltIn>> = {
  _completion: {
    summary: 'print the completion of a shell, to be sourced by it',
    command: ({ print }) =>
      new Command('_completion')
        .addArgument(new Argument('<shell>').choices(completingShells))
        .action((shell: CompletingShell) => print(completionScript(shell))),
  },
  _schema: {
    summary: 'print the JSON Schema of vagga.yaml, for editors',
    command: ({ print }) =>
      new Command('_schema')
        .option('--settings', 'of settings files instead')
        .option('--tags', 'instead the tags, as yaml.customTags of the YAML language server takes them')
        .action(({ settings = false, tags = false }: SchemaFlags) =>
          print(
            `${JSON.stringify(tags ? customTags() : settings ? settingsJsonSchema() : vaggaJsonSchema(), null, 2)}\n`,
          ),
        ),
  },
};
