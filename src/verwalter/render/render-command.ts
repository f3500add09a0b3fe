/** Where a rendered file goes, and with what rights. Null: as the file that is there has it, or 0644 and our own user. */
export interface FileRights {
  readonly mode: number | null;
  /** Names or numbers. */
  readonly owner: string | null;
  readonly group: string | null;
}

/** A command with the line it stands on; texts are not yet expanded (spec/verwalter.md 5.3). */
export type RenderCommand =
  /** No shell; the first word is not expanded. A failed Check puts back what the role wrote. */
  | {
      readonly kind: 'Cmd' | 'RootCommand' | 'Check';
      readonly line: number;
      readonly argv: readonly [string, ...string[]];
    }
  /** `sh -exc SCRIPT`. */
  | { readonly kind: 'Sh'; readonly line: number; readonly script: string }
  | {
      readonly kind: 'Copy';
      readonly line: number;
      readonly src: string;
      readonly dest: string;
      readonly rights: FileRights;
    }
  /** `dest` has one `(*)`, in whose place the name of each part stands. */
  | {
      readonly kind: 'SplitText';
      readonly line: number;
      readonly section: RegExp;
      readonly validate: RegExp;
      readonly src: string;
      readonly dest: string;
      readonly rights: FileRights;
    }
  /** Removes what matches the pattern and whose part in parentheses is no line of the file `keepList`. */
  | { readonly kind: 'CleanFiles'; readonly line: number; readonly pattern: string; readonly keepList: string }
  | { readonly kind: 'Lithos'; readonly line: number; readonly sandbox: string; readonly src: string }
  /** Notes how long a log is now: "ALIAS/path". Never fails. */
  | { readonly kind: 'PeekLog'; readonly line: number; readonly log: string }
  | {
      readonly kind: 'Signal';
      readonly line: number;
      readonly pidfile: string;
      readonly signal: NodeJS.Signals;
    }
  /** The inner commands fill the folder `{{ staging }}`; then the link `dest` points at it. */
  | {
      readonly kind: 'Atomic';
      readonly line: number;
      readonly dest: string;
      readonly commands: readonly RenderCommand[];
    }
  | {
      readonly kind: 'Condition';
      readonly line: number;
      readonly filesChanged: readonly string[];
      readonly dirsChanged: readonly string[];
      /** Paths of variables: "daemons.web.image". */
      readonly varsChanged: readonly string[];
      readonly commands: readonly RenderCommand[];
    };

/** Every text in which `{{ name }}` is expanded. */
export const textsOf = (command: RenderCommand): readonly string[] => {
  switch (command.kind) {
    case 'Cmd':
    case 'RootCommand':
    case 'Check':
      return command.argv.slice(1);
    case 'Sh':
      return [command.script];
    case 'Copy':
    case 'SplitText':
      return [command.src, command.dest];
    case 'CleanFiles':
      return [command.pattern, command.keepList];
    case 'Lithos':
      return [command.sandbox, command.src];
    case 'PeekLog':
      return [command.log];
    case 'Signal':
      return [command.pidfile];
    case 'Atomic':
      return [command.dest];
    case 'Condition':
      return [...command.filesChanged, ...command.dirsChanged];
    default:
      return command satisfies never;
  }
};

export const innerCommands = (command: RenderCommand): readonly RenderCommand[] =>
  command.kind === 'Condition' || command.kind === 'Atomic' ? command.commands : [];

/** Names that a command may use, beside `files.NAME`. None of them can be chosen by a schedule. */
export const commandNames = ['role', 'node', 'config_dir'] as const;
/** Known to the commands within an `!Atomic` only. */
export const stagingName = 'staging';
const placeholder = /\{\{\s*([^{}]*?)\s*\}\}/g;

/** The first name of a text that is not known; null where all are. */
export const unknownName = (text: string, known: ReadonlySet<string>): string | null => {
  for (const [, name = ''] of text.matchAll(placeholder)) if (!known.has(name)) return name;
  return null;
};

/** Plain text substitution; names were checked when the file was read. */
export const expand = (text: string, names: Readonly<Record<string, string>>): string =>
  text.replace(placeholder, (whole, name: string) => names[name] ?? whole);
