/** What a WWW-Authenticate header asks for (RFC 7235, and the token specification of distribution). */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const parameter = new RegExp(`^[\\s,]*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`);

/** The first challenge of the header; null: it holds none. */
export function parseChallenge(header: string): Challenge | null {
  const [start, scheme] = new RegExp(`^\\s*(${token})(?:\\s+|$)`).exec(header) ?? [];
  if (start === undefined || scheme === undefined) return null;
  const parameters = new Map<string, string>();
  let rest = header.slice(start.length);
  for (let found = parameter.exec(rest); found !== null; found = parameter.exec(rest)) {
    const [whole, name = '', quoted, plain] = found;
    parameters.set(name.toLowerCase(), quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1'));
    rest = rest.slice(whole.length);
  }
  return { scheme: scheme.toLowerCase(), parameters };
}

/** Where an anonymous token is got for a Bearer challenge; null: the challenge names no place, or one of another kind. */
export function tokenAddress({ scheme, parameters }: Challenge, repository: string): string | null {
  const realm = parameters.get('realm');
  if (scheme !== 'bearer' || realm === undefined || !/^https?:\/\//.test(realm) || !URL.canParse(realm)) return null;
  const address = new URL(realm);
  const service = parameters.get('service');
  if (service !== undefined) address.searchParams.set('service', service);
  address.searchParams.set('scope', parameters.get('scope') ?? `repository:${repository}:pull`);
  return address.href;
}
