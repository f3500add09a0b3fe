import { type Format, splitSuffix } from './format.ts';
import type { Route } from './route.ts';

export type Match =
  | {
      readonly kind: 'route';
      readonly route: Route;
      readonly params: Readonly<Record<string, string>>;
      /** What a suffix asked for; null: there was none. */
      readonly format: Format | null;
    }
  /** Without its suffix the path is known, but the suffix names no format. */
  | { readonly kind: 'format' }
  /** The path is known, the method is not one of its own. */
  | { readonly kind: 'method'; readonly allow: readonly string[] }
  | { readonly kind: 'none' };

export interface Router {
  match(method: string, path: string): Match;
}

interface Compiled {
  readonly route: Route;
  readonly segments: readonly string[];
}

/**
 * Finds routes by path. A segment `:name` takes any one non-empty segment, percent-decoded; literal segments win over
 * it. A last segment `*name` takes all that is left, one segment or more, where no other route fits. A path with the
 * suffix of a format names the same thing as without (spec/cantal.md 7.1), unless a route has that very path or takes
 * the rest as it is. Throws where two routes would answer the same request: that is a bug of who put them together.
 */
export function router(routes: readonly Route[]): Router {
  const compiled = routes.map((route): Compiled => ({ route, segments: split(route.path) }));
  const seen = new Map<string, Route>();
  for (const { route, segments } of compiled) {
    const shape = `${route.method} /${segments.map((segment) => (isLiteral(segment) ? segment : segment[0])).join('/')}`;
    if (seen.has(shape)) throw new Error(`stellwerk: two routes for ${shape}`);
    seen.set(shape, route);
  }
  // Literals sort before parameters at the first segment where two shapes differ.
  const ordered = compiled.toSorted((a, b) => rank(a).localeCompare(rank(b)));

  const find = (method: string, path: string, format: Format | null): Match => {
    const segments = split(path);
    const allow = new Set<string>();
    for (const candidate of ordered) {
      if (format !== null && takesRest(candidate.segments)) continue;
      const params = bind(candidate.segments, segments);
      if (params === null) continue;
      if (candidate.route.method === method) return { kind: 'route', route: candidate.route, params, format };
      allow.add(candidate.route.method);
    }
    return allow.size > 0 ? { kind: 'method', allow: [...allow] } : { kind: 'none' };
  };

  return {
    match(method, path) {
      // HEAD is GET without the body (RFC 9110, 9.3.2).
      const asked = method === 'HEAD' ? 'GET' : method;
      const suffixed = splitSuffix(path);
      // A route that is called so itself is meant before one that is called so without the suffix.
      const named = compiled.some(({ route }) => route.path === path);
      if (named || suffixed === null) return find(asked, path, null);
      if (suffixed.format !== null) {
        const bare = find(asked, suffixed.path, suffixed.format);
        if (bare.kind !== 'none') return bare;
      }
      const whole = find(asked, path, null);
      if (whole.kind !== 'none' || suffixed.format !== null) return whole;
      return find(asked, suffixed.path, null).kind === 'none' ? whole : { kind: 'format' };
    },
  };
}

function split(path: string): readonly string[] {
  return path.replace(/^\//, '').split('/');
}

function rank(compiled: Compiled): string {
  return compiled.segments.map((segment) => (isLiteral(segment) ? '0' : segment.startsWith(':') ? '1' : '2')).join('');
}

const isLiteral = (segment: string): boolean => !/^[:*]/.test(segment);
const takesRest = (segments: readonly string[]): boolean => segments.at(-1)?.startsWith('*') === true;

function bind(pattern: readonly string[], segments: readonly string[]): Record<string, string> | null {
  if (takesRest(pattern)) {
    const rest = segments.slice(pattern.length - 1).map(decode);
    // What is joined again must mean what it meant: no separator and no dots from within a segment.
    const odd = (segment: string | null): boolean => segment === null || /^\.{0,2}$|\//.test(segment);
    if (rest.length === 0 || rest.some(odd)) return null;
    const params = bind(pattern.slice(0, -1), segments.slice(0, pattern.length - 1));
    return params === null ? null : { ...params, [(pattern.at(-1) ?? '').slice(1)]: rest.join('/') };
  }
  if (pattern.length !== segments.length) return null;
  const params: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (isLiteral(expected)) {
      if (expected !== segment) return null;
      continue;
    }
    const decoded = decode(segment);
    if (decoded === null || decoded === '') return null;
    params[expected.slice(1)] = decoded;
  }
  return params;
}

function decode(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}
