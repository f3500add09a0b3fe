import { parseStanzas, words } from './stanza.ts';

/** One line of sources.list(5), or one paragraph of a .sources file, that is in force and has binary packages. */
export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Lower case: `signed-by`, `architectures`, `trusted` … */
  readonly options: ReadonlyMap<string, string>;
}

/** sources.list(5), one line each: `deb [option=value …] uri suite [component …]`. Other lines are skipped. */
export function parseSourcesList(text: string): readonly AptSource[] {
  return text.split('\n').flatMap((raw) => {
    const line = raw.replace(/#.*$/, '').trim();
    const [, optionText = '', rest = ''] = /^deb\s+(?:\[([^\]]*)\]\s*)?(.*)$/.exec(line) ?? [];
    const [uri, suite, ...components] = words(rest);
    if (uri === undefined || suite === undefined) return [];
    const options = new Map(
      words(optionText).map((option): readonly [string, string] => {
        const [key = '', ...value] = option.split('=');
        return [longName(key.toLowerCase().replace(/[+-]$/, '')), value.join('=')];
      }),
    );
    return [{ uris: [uri], suites: [suite], components, options }];
  });
}

/** A .sources file (deb822). */
export function parseSourcesFile(text: string): readonly AptSource[] {
  return parseStanzas(text).flatMap((stanza) => {
    const source = {
      uris: words(stanza.get('uris')),
      suites: words(stanza.get('suites')),
      components: words(stanza.get('components')),
      options: new Map([...stanza].filter(([key]) => !['types', 'uris', 'suites', 'components'].includes(key))),
    };
    const disabled = /^(no|false|without|off|disable)$/i.test(stanza.get('enabled') ?? 'yes');
    const usable = words(stanza.get('types')).includes('deb') && source.uris.length > 0 && source.suites.length > 0;
    return usable && !disabled ? [source] : [];
  });
}

/** The two formats name some options differently. */
const longName = (key: string): string => ({ arch: 'architectures', lang: 'languages', target: 'targets' })[key] ?? key;

export interface Archive {
  /** Without a slash at its end. */
  readonly mirror: string;
  /** Of security updates; null: none is named. */
  readonly security: string | null;
}

/**
 * Where a host that runs `codename` itself takes its distribution from: what other repositories it knows beside do not
 * matter. Null: it does not say, or not by http.
 */
export function hostArchive(sources: readonly AptSource[], codename: string): Archive | null {
  const found = (suites: readonly string[]): string | undefined =>
    sources
      .filter((source) => source.components.includes('main') && source.suites.some((suite) => suites.includes(suite)))
      .flatMap((source) => source.uris)
      .find((uri) => /^https?:\/\//.test(uri))
      ?.replace(/\/+$/, '');
  const mirror = found([codename, ...(codename === 'sid' ? ['unstable'] : ['stable', 'testing'])]);
  if (mirror === undefined) return null;
  return { mirror, security: found([`${codename}-security`, `${codename}/updates`, 'stable-security']) ?? null };
}
