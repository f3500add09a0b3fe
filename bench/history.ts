import { setTimeout as sleep } from 'node:timers/promises';
import { deflateSync } from 'node:zlib';
import { createScanner, type Scanner } from '../src/native/scanner.ts';
import { type BenchRow, benchRow } from './row.ts';

/** An hour at the usual 2 s has 1800 scans. Ours come faster, so that less changes between them than in a real hour. */
const scans = 600;
const intervalMs = 20;

/**
 * What a sample costs, on this host's own numbers: all series of a real scan, recorded live. The peer gets the very same
 * samples as columns of 64-bit words, differences of neighbours already taken, and packs them whole: it could neither
 * append nor be read from the middle.
 */
export async function measure(): Promise<readonly BenchRow[]> {
  const scanner = createScanner();
  for (let scan = 0; scan < scans; scan++) {
    scanner.scanOnce();
    await sleep(intervalMs);
  }
  const { historyBytes, historySamples } = scanner.health();
  const { bytes, samples } = packWithZlib(scanner);
  const row = {
    bench: 'history',
    figure: `bytes per sample, ${historySamples} samples of this host, ${intervalMs} ms apart`,
    value: historyBytes / historySamples,
    unit: 'B',
  };
  return [
    benchRow({ ...row, peer: 'zlib of differences', peerValue: bytes / samples }, { maxValue: 1.4 }),
    benchRow({ ...row, peer: 'plain words', peerValue: 8 }),
  ];
}

function packWithZlib(scanner: Scanner): { readonly bytes: number; readonly samples: number } {
  let bytes = 0;
  let samples = 0;
  for (const { id } of scanner.keysSince(0)) {
    const history = scanner.history(id, scans);
    if (history === null) continue;
    const present = history.exact.filter((_, index) => !Number.isNaN(history.values[index]));
    const differences = present.map((value, index) => value - (present[index + 1] ?? 0n));
    bytes += deflateSync(new Uint8Array(differences.buffer)).length;
    samples += present.length;
  }
  return { bytes, samples };
}
