/** Something wrong in a configuration file, at the place where a person would look for it. */
export interface ConfigProblem {
  readonly file: string;
  /** From 1; 0 where the file as a whole is meant. */
  readonly line: number;
  /** From 1, in UTF-16 units; 0 where the line or the file as a whole is meant. */
  readonly column: number;
  /** Path of the key, as `volumes./data.size`; empty where the file as a whole is meant. */
  readonly key: string;
  /** What is wrong and what is expected. */
  readonly message: string;
}

/** `file:line:column: key: message`, the form that editors and terminals make a link of; unknown parts are left out. */
export function formatProblem({ file, line, column, key, message }: ConfigProblem): string {
  const place = line === 0 ? file : column === 0 ? `${file}:${line}` : `${file}:${line}:${column}`;
  return key === '' ? `${place}: ${message}` : `${place}: ${key}: ${message}`;
}

/** Files in the order of their names, problems of a file from top to bottom. */
export function sortProblems(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const byFile = (a: ConfigProblem, b: ConfigProblem): number => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0);
  return [...problems].sort((a, b) => byFile(a, b) || a.line - b.line || a.column - b.column);
}
