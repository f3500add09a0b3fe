// Where each metric lies in the values file: pure, so that it can be checked against vectors.

/** @typedef {{ type: 'counter' | 'signed' | 'unsigned' | 'float' | 'state', size: number, labels: Record<string, string> }} Described */

const heads = { counter: 'counter', signed: 'level', unsigned: 'level', float: 'level', state: 'state' };
/** What the reader takes; beyond it the whole file would be refused. */
const mostMetaBytes = 1024 * 1024;
const mostEntries = 10_000;
const cacheLine = 64;
const smallestState = 9;
const largestState = 65_535;

/**
 * The text of the `.meta` file and the offset of each metric, in the order given. Numbers lie on multiples of 8, states on
 * multiples of 64, so that none shares a cache line with a neighbour that another thread writes.
 * @param {readonly Described[]} metrics
 * @returns {{ meta: string, offsets: number[], size: number }}
 */
export function layout(metrics) {
  const lines = [];
  const offsets = [];
  const seen = new Set();
  let offset = 0;
  for (const { type, size, labels } of metrics) {
    const name = JSON.stringify(Object.entries(checkLabels(labels)).sort(([a], [b]) => (a < b ? -1 : 1)));
    if (seen.has(name)) throw new TypeError(`two metrics with the labels ${JSON.stringify(labels)}`);
    seen.add(name);
    if (type === 'state' && !(Number.isInteger(size) && size >= smallestState && size <= largestState)) {
      throw new RangeError(`a state has from ${smallestState} to ${largestState} bytes, not ${size}`);
    }
    const alignment = type === 'state' ? cacheLine : 8;
    const pad = (alignment - (offset % alignment)) % alignment;
    if (pad > 0) lines.push(`pad ${pad}`);
    offset += pad;
    offsets.push(offset);
    const kind = heads[type] === 'level' ? ` ${type}` : '';
    lines.push(`${heads[type]} ${size}${kind}: ${JSON.stringify(labels)}`);
    offset += size;
  }
  const meta = lines.map((line) => `${line}\n`).join('');
  if (lines.length > mostEntries) throw new RangeError(`${lines.length} lines; cantal reads ${mostEntries}`);
  if (Buffer.byteLength(meta) > mostMetaBytes) throw new RangeError(`labels of more than ${mostMetaBytes} bytes`);
  return { meta, offsets, size: offset };
}

function checkLabels(labels) {
  for (const [label, value] of Object.entries(labels)) {
    if (typeof value !== 'string') throw new TypeError(`label ${label}: a text is expected, not ${typeof value}`);
  }
  return labels;
}
