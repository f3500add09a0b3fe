/**
 * The words that start a program through sudo(8) where root is `wanted` and we are not; `path` is where the program is,
 * since rules of sudoers(5) name programs by path. `user`: whom root then starts it as; null: root itself.
 */
export const asRoot = (
  own: readonly [string, ...string[]],
  path: string,
  wanted: boolean,
  user: string | null,
  uid: number = process.getuid?.() ?? 0,
): readonly [string, ...string[]] => {
  if (!wanted || uid === 0) return own;
  return ['/usr/bin/sudo', '-n', ...(user === null ? [] : ['-u', user]), path, ...own.slice(1)];
};
