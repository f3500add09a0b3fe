import type { Labels } from './query/dataset.ts';
import { type NumberKind, type Sample, small } from './query/sample.ts';

/**
 * The application protocol of spec/cantal.md section 3, read without an agent. The scanner has its own reader in C++;
 * this one serves the command line only and says more about what it refuses.
 */
export type MetaType = 'counter' | 'signed' | 'unsigned' | 'float' | 'state';

export interface MetaEntry {
  readonly type: MetaType;
  readonly labels: Labels;
  /** In bytes, as is `size`. */
  readonly offset: number;
  readonly size: number;
}

export interface Meta {
  readonly entries: readonly MetaEntry[];
  /** What the values file must at least have, bytes. */
  readonly totalSize: number;
  /** Lines that were skipped, and why. */
  readonly skipped: readonly { readonly line: number; readonly reason: string }[];
}

export type MetaResult =
  | { readonly kind: 'meta'; readonly meta: Meta }
  /** `line` counts from 1. */
  | { readonly kind: 'bad'; readonly line: number; readonly reason: string };

export type Value =
  | { readonly kind: NumberKind; readonly value: Sample }
  | { readonly kind: 'State'; readonly since: number; readonly text: string };

export interface NamedValue {
  readonly labels: Labels;
  readonly value: Value;
}

export const mostMetaBytes = 1024 * 1024;
export const mostValuesBytes = 16 * 1024 * 1024;
const mostEntries = 10_000;
const mostNumberSize = 255;
const mostSize = 65_535;
/** The time before the text of a state. */
const stateHead = 8;

class Bad extends Error {}

/** One bad line refuses the whole file; an entry of unknown type or size is skipped, its bytes are not. */
export function parseMeta(bytes: Uint8Array): MetaResult {
  if (bytes.length > mostMetaBytes) return { kind: 'bad', line: 1, reason: `larger than ${mostMetaBytes} bytes` };
  const lines = splitLines(bytes);
  const byLabels = new Map<string, MetaEntry>();
  const skipped: { line: number; reason: string }[] = [];
  let offset = 0;
  for (const [index, raw] of lines.entries()) {
    const line = index + 1;
    try {
      if (line > mostEntries) throw new Bad(`more than ${mostEntries} entries`);
      const entry = parseLine(raw);
      if (typeof entry.labels === 'string') skipped.push({ line, reason: entry.labels });
      else if (entry.type !== null) {
        const { type, labels, size } = entry;
        const name = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
        // The later of two with the same labels wins.
        byLabels.set(name, { type, labels, offset, size });
      }
      offset += entry.size;
    } catch (error) {
      if (error instanceof Bad) return { kind: 'bad', line, reason: error.message };
      throw error;
    }
  }
  return { kind: 'meta', meta: { entries: [...byLabels.values()], totalSize: offset, skipped } };
}

function splitLines(bytes: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  while (start < bytes.length) {
    const end = bytes.indexOf(0x0a, start);
    lines.push(bytes.subarray(start, end < 0 ? bytes.length : end));
    start = end < 0 ? bytes.length : end + 1;
  }
  return lines;
}

interface Line {
  /** Null for padding. */
  readonly type: MetaType | null;
  readonly size: number;
  /** Text = why it is skipped. */
  readonly labels: Labels | string;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseLine(raw: Uint8Array): Line {
  const line = decode(raw).replace(/^[ \t\r]+|[ \t\r]+$/g, '');
  if (line === '') throw new Bad('an empty line');
  const colon = line.indexOf(':');
  const [type = '', sizeText = '', parameter] = (colon < 0 ? line : line.slice(0, colon)).trim().split(' ');
  if (!/^\d{1,9}$/.test(sizeText)) throw new Bad(`"${sizeText}" is no size in bytes`);
  const size = Number(sizeText);
  const most = type === 'counter' || type === 'level' ? mostNumberSize : mostSize;
  if (size > most) throw new Bad(`size ${size} is above ${most}`);
  if (type === 'pad') return { type: null, size, labels: {} };
  if (type === 'level' && parameter !== 'signed' && parameter !== 'unsigned' && parameter !== 'float') {
    throw new Bad('a level is signed, unsigned or float');
  }
  if (colon < 0) throw new Bad('no JSON after the size');
  const labels = labelsOf(line.slice(colon + 1));
  switch (type) {
    case 'counter':
    case 'level':
      if (size !== 8) return { type: null, size, labels: `a ${type} has 8 bytes, not ${size}` };
      return { type: type === 'counter' ? 'counter' : (parameter as MetaType), size, labels };
    case 'state':
      if (size <= stateHead)
        return { type: null, size, labels: `a state has more than ${stateHead} bytes, not ${size}` };
      return { type: 'state', size, labels };
    default:
      return { type: null, size, labels: `the type "${type}" is not known` };
  }
}

function decode(raw: Uint8Array): string {
  try {
    return utf8.decode(raw);
  } catch {
    throw new Bad('not UTF-8');
  }
}

/** An object of strings; whole numbers and booleans become their text. Text = why the metric is dropped. */
function labelsOf(text: string): Labels | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Bad(`bad JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'the JSON is no object';
  const labels: [string, string][] = [];
  for (const [name, label] of Object.entries(value)) {
    if (typeof label === 'string') labels.push([name, label]);
    else if (typeof label === 'boolean' || Number.isInteger(label)) labels.push([name, String(label)]);
    else return `the value of "${name}" is no string`;
  }
  return Object.fromEntries(labels);
}

/** Null where the file is shorter than its description. Values are in host byte order, which is little-endian here. */
export function readValues(meta: Meta, bytes: Uint8Array): readonly NamedValue[] | null {
  if (bytes.length < meta.totalSize) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return meta.entries.map(({ type, labels, offset, size }) => ({ labels, value: valueAt(view, type, offset, size) }));
}

function valueAt(view: DataView, type: MetaType, offset: number, size: number): Value {
  switch (type) {
    case 'counter':
      return { kind: 'Counter', value: small(view.getBigUint64(offset, true)) };
    case 'signed':
      return { kind: 'Integer', value: small(view.getBigInt64(offset, true)) };
    case 'unsigned': {
      const value = view.getBigUint64(offset, true);
      const most = 2n ** 63n - 1n;
      return { kind: 'Integer', value: small(value > most ? most : value) };
    }
    case 'float': {
      const value = view.getFloat64(offset, true);
      return { kind: 'Float', value: Number.isNaN(value) ? null : value };
    }
    case 'state': {
      const field = new Uint8Array(view.buffer, view.byteOffset + offset + stateHead, size - stateHead);
      const end = field.indexOf(0);
      const text = new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
      return { kind: 'State', since: Number(view.getBigUint64(offset, true)), text };
    }
    default:
      return type satisfies never;
  }
}
