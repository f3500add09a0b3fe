import type { Step } from '../config/steps.ts';

const mostLetters = 70;
/** Of a step's keys, those that name it best. */
const tellingKeys = ['container', 'source', 'url', 'codename', 'image', 'path', 'file', 'script', 'outputFile'];

/** A step as one line: `!Sh make`, `!Tar ./root.tar.gz`. */
export function stepTitle({ tag, value }: Step): string {
  const text = words(value).replace(/\s+/g, ' ').trim();
  const title = text === '' ? `!${tag}` : `!${tag} ${text}`;
  return title.length > mostLetters ? `${title.slice(0, mostLetters - 1)}…` : title;
}

function words(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.join(' ');
  if (value instanceof Map) return [...value.keys()].join(' ');
  if (typeof value !== 'object' || value === null) return '';
  const fields = value as Readonly<Record<string, unknown>>;
  const key = tellingKeys.find((each) => typeof fields[each] === 'string' && fields[each] !== '');
  return key === undefined ? '' : String(fields[key]);
}
