import type { Command, Option } from 'commander';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';

/** What completion and help know of a built-in command: it is read from the command itself. */
export interface BuiltInShape {
  readonly name: string;
  readonly about: string;
  readonly options: readonly OptionShape[];
  readonly arguments: readonly ArgumentShape[];
}

/** Names of one option exclude each other once one is there. */
export interface OptionShape {
  readonly names: readonly string[];
  readonly about: string;
  /** The next word is its value. */
  readonly value: boolean;
  readonly many: boolean;
}

export interface ArgumentShape {
  /** `container`, `command`, or whatever else. */
  readonly name: string;
  readonly choices: readonly string[];
}

const shapeOfOption = ({ short, long, description, required, variadic }: Option): OptionShape => ({
  names: [short, long].filter((name) => name != null),
  about: description,
  value: required,
  many: variadic,
});

export function optionShapes(command: Command): readonly OptionShape[] {
  return command.options.filter(({ hidden }) => !hidden).map(shapeOfOption);
}

export function shapesOf(
  builtIns: Readonly<Record<string, BuiltIn>>,
  context: BuiltInContext,
): ReadonlyMap<string, BuiltInShape> {
  return new Map(
    Object.entries(builtIns).map(([name, builtIn]) => {
      const command = builtIn.command(context);
      const shape = {
        name,
        about: builtIn.summary,
        options: optionShapes(command),
        arguments: command.registeredArguments.map((argument) => ({
          name: argument.name(),
          choices: argument.argChoices ?? [],
        })),
      };
      return [name, shape] as const;
    }),
  );
}
