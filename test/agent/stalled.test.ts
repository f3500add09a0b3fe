import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';

const addon = JSON.stringify(join(packageRoot(), 'build', 'Release', 'scanner.node'));

/** A process that is watched with a limit of 600 ms, and then does `what`. */
const watched = (what: string) =>
  spawnSync(process.execPath, ['-e', `const watch = require(${addon}).watchEventLoop(600, 91); ${what}`], {
    encoding: 'utf8',
    timeout: 60_000,
  });

describe('an event loop that is watched', () => {
  it('ends with its process and 91 when it does not move any more', () => {
    const { status, stderr } = watched('for (;;);');
    expect(status).toBe(91);
    expect(stderr).toBe('stellwerk: the event loop has not moved for 600 ms; the process ends\n');
  });

  it('is left alone while it gives signs of life, and when the watch is over', () => {
    const beating = watched(
      'const beat = setInterval(() => watch.beat(), 10); setTimeout(() => { clearInterval(beat); watch.stop(); }, 1500)',
    );
    expect(beating).toMatchObject({ status: 0, stderr: '' });
    const over = watched(
      'watch.stop(); watch.beat(); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)',
    );
    expect(over).toMatchObject({ status: 0, stderr: '' });
  });
});
