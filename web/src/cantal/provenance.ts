import { formatDuration, formatMs } from '../format.ts';

/** Where the answers of a host are from. */
export type Provenance =
  /** `own`: this agent's history. `asked`: over HTTP. `stream`: what the host sends by itself. */
  | { readonly kind: 'fresh'; readonly from: 'own' | 'asked' | 'stream'; readonly ageMs: number | null }
  /** It does not answer: what it said before. */
  | { readonly kind: 'mirror'; readonly ageMs: number | null }
  /** Nothing is known of it now. */
  | { readonly kind: 'missing' }
  /** Gossip has given it up, so it is not asked. */
  | { readonly kind: 'dead' };

export interface Source {
  readonly from: 'own' | 'asked' | 'stream' | 'mirror';
  readonly age_ms: number | null;
}

export function provenanceOf(source: Source | undefined, dead: boolean): Provenance {
  if (source === undefined) return { kind: dead ? 'dead' : 'missing' };
  const { from, age_ms: ageMs } = source;
  return from === 'mirror' ? { kind: 'mirror', ageMs } : { kind: 'fresh', from, ageMs };
}

export function toneOf({ kind }: Provenance): 'good' | 'warn' | 'bad' {
  switch (kind) {
    case 'fresh':
      return 'good';
    case 'mirror':
      return 'warn';
    case 'missing':
    case 'dead':
      return 'bad';
    default:
      return kind satisfies never;
  }
}

/** As a title, and beside the name where it is not as usual. */
export function provenanceWords(provenance: Provenance): string {
  const old = (ageMs: number | null) => (ageMs === null ? '' : `, ${formatDuration(ageMs)} old`);
  switch (provenance.kind) {
    case 'fresh': {
      const words = { own: 'this agent’s own history', asked: 'asked just now', stream: 'from its stream' };
      const { from, ageMs } = provenance;
      return ageMs === null ? words[from] : `${words[from]}, ${formatMs(ageMs)} old`;
    }
    case 'mirror':
      return `does not answer: what it said before${old(provenance.ageMs)}`;
    case 'missing':
      return 'did not answer in time';
    case 'dead':
      return 'dead';
    default:
      return provenance satisfies never;
  }
}
