import { createHash, timingSafeEqual } from 'node:crypto';

/** Each may do what those before it may: read; send actions to the scheduler; change what the agent itself does. */
export const tokenRoles = ['view', 'act', 'admin'] as const;
export type TokenRole = (typeof tokenRoles)[number];

/** What the holder of a token may do. */
export interface Grant {
  readonly role: TokenRole;
  /** Of `act`: roles of the scheduler whose buttons it may press; null: all, and any other action. */
  readonly schedulerRoles: readonly string[] | null;
}

export interface Token extends Grant {
  /** Who acts, in logs. */
  readonly name: string;
  readonly secret: string;
}

/** A secret without a name, as all of them were once: may do everything. */
export const plainToken = (secret: string): Token => ({ name: 'token', role: 'admin', schedulerRoles: null, secret });

/** Principals that no token may pass itself off as. */
const reserved: ReadonlySet<string> = new Set(['token', 'loopback', 'anyone', 'cluster']);
const namePattern = /^[A-Za-z0-9][\w.@-]{0,63}$/;
const schedulerRolePattern = /^[A-Za-z0-9][\w.-]*$/;
const lineForm =
  'a line is a SECRET alone, or NAME ROLE SECRET, where ROLE is view, act, act:SCHEDULER-ROLE,SCHEDULER-ROLE or admin';

/** Throws with file and line; never tells a secret. */
export function readTokens(text: string, file: string): readonly Token[] {
  const tokens: Token[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const token = tokenOf(line.split(/\s+/));
    const problem =
      typeof token === 'string'
        ? token
        : tokens.some((other) => other.secret === token.secret)
          ? 'this secret stands in the file already'
          : null;
    if (problem !== null) throw new Error(`${file}:${index + 1}: ${problem}`);
    tokens.push(token as Token);
  }
  if (tokens.length === 0) throw new Error(`${file}: no token in it (make one with: openssl rand -hex 16)`);
  return tokens;
}

function tokenOf(words: readonly string[]): Token | string {
  const [name = '', roleText = '', secret = ''] = words;
  if (words.length === 1) return plainToken(name);
  if (words.length !== 3) return lineForm;
  if (!namePattern.test(name)) return 'a NAME has letters, digits, _ . @ - and at most 64 of them';
  if (reserved.has(name)) return `the name "${name}" means something else in logs: choose another`;
  const [roleName = '', list, ...more] = roleText.split(':');
  const role = tokenRoles.find((each) => each === roleName);
  if (role === undefined || more.length > 0) return `no such ROLE for "${name}": ${lineForm}`;
  if (list === undefined) return { name, role, schedulerRoles: null, secret };
  if (role !== 'act') return `only act can be limited to roles of the scheduler, not ${role}`;
  const schedulerRoles = list.split(',');
  const odd = schedulerRoles.find((each) => !schedulerRolePattern.test(each));
  if (odd !== undefined) return `"${odd}" cannot be a role of the scheduler`;
  return { name, role, schedulerRoles, secret };
}

export interface TokenRing {
  readonly empty: boolean;
  find(secret: string): Omit<Token, 'secret'> | null;
}

/** Keeps no secret, and takes the same time whichever token is given. */
export function tokenRing(tokens: readonly Token[]): TokenRing {
  const known = tokens.map(({ secret, ...rest }) => ({ ...rest, digest: digest(secret) }));
  return {
    empty: known.length === 0,
    find(secret) {
      const given = digest(secret);
      let found: Omit<Token, 'secret'> | null = null;
      for (const { digest: expected, ...token } of known) if (timingSafeEqual(given, expected)) found = token;
      return found;
    },
  };
}

/** Fixed length for the comparison. */
const digest = (secret: string): Buffer => createHash('sha256').update(secret).digest();
