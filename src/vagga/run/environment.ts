/** Of every process in a container and of every build step (vagga 3). */
export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const proxyNames = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'];

/** Where a variable of a command may come from (vagga 5.4). */
export interface EnvironmentLayers {
  /** The environment of the caller's shell. */
  readonly caller: Readonly<Record<string, string | undefined>>;
  /** Setting `proxy-env-vars`. */
  readonly proxies: boolean;
  readonly environFile: ReadonlyMap<string, string>;
  readonly container: ReadonlyMap<string, string>;
  readonly command: ReadonlyMap<string, string>;
  /** Setting `propagate-environ`: names of the caller's variables, `*` for any letters. */
  readonly propagate: readonly string[];
  /** Setting `environ`. */
  readonly settings: ReadonlyMap<string, string>;
  /** `-e VAR` */
  readonly use: readonly string[];
  /** `-E NAME=VALUE`; null takes the variable away. */
  readonly set: ReadonlyMap<string, string | null>;
}

export function proxyVariables(caller: EnvironmentLayers['caller']): ReadonlyMap<string, string> {
  return ofCaller(caller, (name) => proxyNames.includes(name));
}

/** The whole environment of a command: each layer overrides those before it. */
export function commandEnvironment(layers: EnvironmentLayers): Readonly<Record<string, string>> {
  const { caller } = layers;
  const isPropagated = layers.propagate.map((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`);
  });
  const prefix = 'VAGGAENV_';
  const environment = new Map([
    ['TERM', caller.TERM ?? 'dumb'],
    ['PATH', defaultPath],
    ...(layers.proxies ? proxyVariables(caller) : []),
    ...layers.environFile,
    ...layers.container,
    ...layers.command,
    ...ofCaller(caller, (name) => isPropagated.some((pattern) => pattern.test(name))),
    ...layers.settings,
    ...[...ofCaller(caller, (name) => name.startsWith(prefix) && name !== prefix)].map(
      ([name, value]) => [name.slice(prefix.length), value] as const,
    ),
    ...ofCaller(caller, (name) => layers.use.includes(name)),
  ]);
  for (const [name, value] of layers.set) {
    if (value === null) environment.delete(name);
    else environment.set(name, value);
  }
  return Object.fromEntries(environment);
}

/** `KEY=value` lines, quotes around a value left out; a line without `=` is a problem. */
export function parseEnvironFile(
  text: string,
  path: string,
): { readonly value: ReadonlyMap<string, string> } | { readonly problem: string } {
  const value = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    if (at < 1) return { problem: `${path}:${index + 1}: expected KEY=value, found "${line}"` };
    value.set(line.slice(0, at), line.slice(at + 1).replace(/^"+|"+$/g, ''));
  }
  return { value };
}

function ofCaller(caller: EnvironmentLayers['caller'], wanted: (name: string) => boolean): ReadonlyMap<string, string> {
  const found = Object.entries(caller).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && wanted(entry[0]),
  );
  return new Map(found);
}
