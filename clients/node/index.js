// Exports numbers to cantal through a file that is read, not asked. Node cannot map files, so each change is a write(2) of
// 8 bytes at its offset. On the file systems of Linux a write of an aligned word into one page is not seen in halves,
// which is all that the reader relies on.
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { layout } from './layout.js';

const word = 8;
const mostCounter = 2n ** 64n - 1n;
const [leastLevel, mostLevel] = [-(2n ** 63n), 2n ** 63n - 1n];

/** Common path of the two files: CANTAL_PATH, else below XDG_RUNTIME_DIR, else below /tmp. */
export function defaultPath(env = process.env) {
  if (env.CANTAL_PATH) return env.CANTAL_PATH.replace(/\/+$/, '');
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, `cantal.${process.pid}`);
  return `/tmp/cantal.${process.getuid?.() ?? 0}.${process.pid}`;
}

class Metric {
  #collection = null;
  #offset = 0;
  bytes;
  labels;

  constructor(type, labels, size = word) {
    this.type = type;
    this.labels = labels;
    this.bytes = Buffer.alloc(size);
  }

  get size() {
    return this.bytes.length;
  }

  /** Not for users: the collection that writes this metric now; null: none. */
  attach(collection, offset) {
    this.#collection = collection;
    this.#offset = offset;
  }

  changed(from = 0, to = this.bytes.length) {
    this.#collection?.(this.bytes, from, to, this.#offset);
  }
}

/** Only grows; wraps at 2^64. */
export class Counter extends Metric {
  constructor(labels) {
    super('counter', labels);
  }
  /** @param {number | bigint} by a whole number from 0 */
  add(by = 1) {
    const value = BigInt(by);
    if (value < 0n) throw new RangeError('a counter never falls');
    this.bytes.writeBigUInt64LE((this.value + value) & mostCounter);
    this.changed();
  }
  set(value) {
    this.bytes.writeBigUInt64LE(BigInt(value));
    this.changed();
  }
  get value() {
    return this.bytes.readBigUInt64LE();
  }
}

/** A whole number from -2^63 to 2^63 - 1. */
export class Integer extends Metric {
  constructor(labels) {
    super('signed', labels);
  }
  add(by) {
    this.set(this.value + BigInt(by));
  }
  set(value) {
    const whole = BigInt(value);
    if (whole < leastLevel || whole > mostLevel) throw new RangeError(`${whole} does not fit into 64 bits`);
    this.bytes.writeBigInt64LE(whole);
    this.changed();
  }
  get value() {
    return this.bytes.readBigInt64LE();
  }
}

/** A number of double precision; NaN: missing. */
export class Float extends Metric {
  constructor(labels) {
    super('float', labels);
  }
  add(by) {
    this.set(this.value + by);
  }
  set(value) {
    this.bytes.writeDoubleLE(value);
    this.changed();
  }
  get value() {
    return this.bytes.readDoubleLE();
  }
}

/** What the program does now, and since when; and, where counted, how often and for how long it did so. */
export class State extends Metric {
  #since = 0;
  #count;
  #duration;

  /** @param {{ state: string }} labels @param {{ size?: number, count?: Counter, duration?: Counter }} options */
  constructor(labels, { size = 64, count, duration } = {}) {
    super('state', labels, size);
    this.#count = count;
    this.#duration = duration;
  }
  /** Enters a state; a text that is too long is cut between characters. */
  enter(text, nowMs = Date.now()) {
    this.leave(nowMs);
    this.#since = nowMs;
    this.#count?.add(1);
    const cut = new TextEncoder().encodeInto(text, this.bytes.subarray(word).fill(0)).read;
    this.bytes.writeBigUInt64LE(BigInt(nowMs));
    // The text first: the reader takes a state whose time stays the same for whole.
    this.changed(word);
    this.changed(0, word);
    return cut === text.length;
  }
  leave(nowMs = Date.now()) {
    if (this.#since !== 0) this.#duration?.add(Math.max(0, Math.round(nowMs - this.#since)));
    this.#since = 0;
    this.bytes.writeBigUInt64LE(0n);
    this.changed(0, word);
  }
}

/**
 * Makes the files, `PATH.values` before `PATH.meta`, and writes every change of the metrics from then on.
 * @param {readonly Metric[]} metrics
 * @param {{ path?: string }} options
 * @returns {{ path: string, close(): void }}
 */
export function exportMetrics(metrics, { path = defaultPath() } = {}) {
  const { meta, offsets, size } = layout(metrics);
  const bytes = Buffer.alloc(size);
  for (const [index, metric] of metrics.entries()) metric.bytes.copy(bytes, offsets[index]);
  mkdirSync(dirname(path), { recursive: true });
  rmSync(`${path}.meta`, { force: true });
  rmSync(`${path}.values`, { force: true });
  // 0644: cantal may run as a user of its own, and the numbers are no secret.
  writeFileSync(`${path}.tmp`, bytes, { mode: 0o644 });
  const fd = openSync(`${path}.tmp`, 'r+');
  renameSync(`${path}.tmp`, `${path}.values`);
  writeFileSync(`${path}.tmp`, meta, { mode: 0o644 });
  renameSync(`${path}.tmp`, `${path}.meta`);
  const write = (from, start, end, offset) => writeSync(fd, from, start, end - start, offset + start);
  for (const [index, metric] of metrics.entries()) metric.attach(write, offsets[index]);

  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    process.off('exit', close);
    for (const metric of metrics) metric.attach(null, 0);
    closeSync(fd);
    rmSync(`${path}.meta`, { force: true });
    rmSync(`${path}.values`, { force: true });
  };
  process.on('exit', close);
  return { path, close };
}
