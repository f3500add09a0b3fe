import { defaultRules, parseRule, type Rule } from './glob-rules.ts';
import { compileRustRegex, type RustRegex } from './rust-regex.ts';

/** How !Copy, !Depends and !Build say which files they take (vagga 3, Files). */
export interface Selection {
  readonly ignoreRegex: string | null;
  readonly includeRegex: string | null;
  readonly rules: readonly string[];
  readonly noDefaultRules: boolean;
}

/** Paths are relative to the source, as `a/b`; the source itself is never asked about: it is always taken. */
export interface Judge {
  /** Whether it is taken by itself. Folders on the way to what is taken come along. */
  takes(path: string, isFolder: boolean): boolean;
  /** Nothing below this folder is taken: it need not be looked into. */
  prunes(folder: string): boolean;
  readonly warnings: readonly string[];
}

export type CompiledSelection =
  | { readonly kind: 'judge'; readonly judge: Judge }
  | { readonly kind: 'invalid'; readonly message: string };

export const defaultIgnoreRegex = '(^|/)\\.(git|hg|svn|vagga)($|/)|~$|\\.bak$|\\.orig$|^#.*#$';

export function compileSelection(selection: Selection): CompiledSelection {
  const { ignoreRegex, includeRegex, rules, noDefaultRules } = selection;
  const byRegex = ignoreRegex !== null || includeRegex !== null;
  if (rules.length > 0 && byRegex) {
    return { kind: 'invalid', message: 'rules and a regex; expected one of the two ways to choose files' };
  }
  if (rules.length > 0) return compileRules(rules, !noDefaultRules);
  if (noDefaultRules && !byRegex) return compileRules([], false);
  return compileRegexes(includeRegex, ignoreRegex ?? defaultIgnoreRegex);
}

/** !Build takes rules alone, and has none by default. */
export function compileRules(texts: readonly string[], withDefaults: boolean): CompiledSelection {
  // The default rules stand last: where later ones win they would otherwise have no say below a folder that is taken.
  const all: Rule[] = [];
  for (const text of [...(texts.length === 0 ? ['/'] : texts), ...(withDefaults ? defaultRules : [])]) {
    const parsed = parseRule(text);
    if (parsed.kind === 'invalid') return parsed;
    all.push(parsed.rule);
  }
  const runs = sameSense(all);
  const warnings = all.some(({ takes }) => takes)
    ? []
    : ["You didn't add any include rules: nothing is taken; add one that starts with /, as /src/"];
  return {
    kind: 'judge',
    judge: {
      takes: (path, isFolder) =>
        runs.find((run) => (isFolder ? run.folder : run.file)?.test(path) === true)?.takes === true,
      prunes(folder) {
        for (const { takes, folder: regex, mayBegin } of runs) {
          if (takes && mayBegin.test(folder)) return false;
          if (!takes && regex?.test(folder) === true) return true;
        }
        return true;
      },
      warnings,
    },
  };
}

interface Run {
  readonly takes: boolean;
  readonly file: RegExp;
  readonly folder: RegExp | null;
  readonly mayBegin: RegExp;
}

/** Neighbours of one sense as one regex, the last first: which of them wins does not matter. */
function sameSense(rules: readonly Rule[]): readonly Run[] {
  const groups: Rule[][] = [];
  for (const rule of rules.toReversed()) {
    const last = groups.at(-1);
    if (last?.[0]?.takes === rule.takes) last.push(rule);
    else groups.push([rule]);
  }
  const either = (sources: readonly string[]): RegExp =>
    new RegExp(sources.map((each) => `(?:${each})`).join('|'), 'su');
  return groups.map((group) => {
    const folders = group.flatMap(({ folder }) => folder ?? []);
    return {
      takes: group[0]?.takes === true,
      file: either(group.map(({ file }) => file)),
      folder: folders.length === 0 ? null : either(folders),
      mayBegin: either(group.map(({ mayBegin }) => mayBegin)),
    };
  });
}

/** Both: what the first takes and the second does not ignore. */
function compileRegexes(include: string | null, ignore: string): CompiledSelection {
  const included = include === null ? null : compileRustRegex(include);
  const ignored = compileRustRegex(ignore);
  if (included?.kind === 'invalid') return { kind: 'invalid', message: `include-regex: ${included.message}` };
  if (ignored.kind === 'invalid') return { kind: 'invalid', message: `ignore-regex: ${ignored.message}` };
  const includes = included?.regex ?? everything;
  return {
    kind: 'judge',
    judge: {
      takes: (path) => includes.matches(path) && !ignored.regex.matches(path),
      prunes: (folder) => ignored.regex.matchesWhateverFollows(`${folder}/`),
      warnings: [],
    },
  };
}

const everything: RustRegex = { matches: () => true, matchesWhateverFollows: () => true };
