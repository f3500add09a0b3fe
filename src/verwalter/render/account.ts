import { execFileSync } from 'node:child_process';

export interface Account {
  readonly uid: number;
  /** Its first group. */
  readonly gid: number;
}

const number = (words: readonly string[]): number => {
  try {
    return Number(
      execFileSync(words[0] ?? '', words.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(),
    );
  } catch {
    throw new Error(`${words.at(-1)}: there is no such user or group here`);
  }
};

/** A user by name or number, through id(1), which asks whatever nsswitch.conf names. Throws where there is none. */
export const accountOf = (user: string): Account => ({
  uid: /^\d+$/.test(user) ? Number(user) : number(['id', '-u', '--', user]),
  gid: number(['id', '-g', '--', user]),
});

/** A group by name or number, through getent(1). Throws where there is none. */
export const groupOf = (group: string): number => {
  if (/^\d+$/.test(group)) return Number(group);
  try {
    const line = execFileSync('getent', ['group', '--', group], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number(line.split(':')[2]);
  } catch {
    throw new Error(`${group}: there is no such group here`);
  }
};
