import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type Look, monitor, monitorLines } from '../../src/lithos/ps/monitor.ts';
import { painter } from '../../src/lithos/ps/paint.ts';
import type { SurveyedContainer, SurveyedTree } from '../../src/lithos/ps/survey.ts';

const paint = painter(false);

const web = (userMs: number, childUserMs = 0, startedAtMs = 1): SurveyedContainer => ({
  name: 'box/web.0',
  sandbox: 'box',
  process: 'web',
  instance: 0,
  knotPid: 20,
  programs: [
    {
      pid: 22,
      processes: 2,
      threads: 5,
      rssBytes: 3 << 20,
      swapBytes: 1 << 20,
      startedAtMs,
      upMs: 5,
      userMs,
      systemMs: 0,
      childUserMs,
      childSystemMs: 0,
    },
  ],
});

const failing: SurveyedContainer = { ...web(0), name: 'box/web.1', instance: 1, knotPid: 30, programs: [] };

const look = (atMs: number, ...containers: readonly SurveyedContainer[]): Look => {
  const tree: SurveyedTree = {
    pid: 10,
    config: '/etc/a.yaml',
    stateDir: null,
    socket: null,
    upMs: 1,
    problems: [],
    containers,
  };
  return { survey: { trees: [tree], problems: [] }, atMs };
};

describe('the table', () => {
  it('has a row for each container', () => {
    expect(monitorLines(look(2000, web(600), failing), look(1000, web(100)), paint)).toEqual([
      'tree 10  /etc/a.yaml',
      'PID  NAME         CPU  THR  PRC      MEM',
      ' 22  box/web.0  50.0%    5    2  4.0 MiB',
      ' 30  box/web.1  <failing>',
    ]);
  });

  it('does not know the CPU of what it sees for the first time', () => {
    const cpu = (now: Look, before: Look | null): string => monitorLines(now, before, paint)[2]?.split(/ +/)[3] ?? '';
    expect(cpu(look(2000, web(600)), null)).toBe('-');
    expect(cpu(look(2000, web(600)), look(2000, web(600)))).toBe('-');
    // The same pid, another program.
    expect(cpu(look(2000, web(600, 0, 2)), look(1000, web(100, 0, 1)))).toBe('-');
    // A child has ended: its time has gone to its parent.
    expect(cpu(look(2000, web(100, 700)), look(1000, web(600)))).toBe('20.0%');
    expect(cpu(look(2000, web(100)), look(1000, web(600)))).toBe('0.0%');
  });

  it('says where there is none', () => {
    expect(monitorLines({ survey: { trees: [], problems: [] }, atMs: 1 }, null, paint)).toEqual(['no tree runs']);
  });
});

class Terminal extends PassThrough {
  raw = false;
  setRawMode(on: boolean): void {
    this.raw = on;
  }
}

function shell(isTerminal: boolean, rows?: number) {
  const output: PassThrough & { rows?: number } = Object.assign(new PassThrough(), rows === undefined ? {} : { rows });
  const keys = new Terminal();
  const ended = new AbortController();
  let looks = 0;
  const running = monitor({
    look: () => look(1000 * ++looks, web(100 * looks), failing),
    paint,
    output,
    keys: isTerminal ? keys : null,
    isTerminal,
    everyMs: 5,
    ended: ended.signal,
  });
  return { output, keys, ended, running, looks: () => looks };
}

async function until(holds: () => boolean): Promise<void> {
  for (let wait = 0; wait < 1000 && !holds(); wait++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(holds()).toBe(true);
}

describe('the monitor', () => {
  it('draws over the last table until q or Ctrl-C is pressed, and leaves the terminal as it was', async () => {
    for (const key of ['q', '\x03', 'xyQ']) {
      const { output, keys, running, looks } = shell(true);
      await until(() => looks() >= 3);
      expect(keys.raw).toBe(true);
      keys.write(key);
      await running;
      expect(keys.raw).toBe(false);
      const drawn = String(output.read());
      expect(drawn.startsWith('\x1b[?25l\x1b[?7l')).toBe(true);
      expect(drawn.endsWith('\x1b[?7h\x1b[?25h')).toBe(true);
      expect(drawn.split('\x1b[H').length).toBeGreaterThan(3);
      expect(drawn).toContain(' 22  box/web.0  10.0%    5    2  4.0 MiB\x1b[K\n');
    }
  });

  it('is not taller than the terminal', async () => {
    const { output, ended, running } = shell(true, 4);
    ended.abort();
    await running;
    const [frame = ''] = String(output.read()).split('\x1b[H').slice(2);
    expect(frame.split('\n').slice(0, -1)).toEqual([
      'tree 10  /etc/a.yaml\x1b[K',
      'PID  NAME       CPU  THR  PRC      MEM\x1b[K',
      '… 2 more lines\x1b[K',
    ]);
  });

  it('writes block after block where no terminal is, without control characters', async () => {
    const { output, ended, running, looks } = shell(false);
    await until(() => looks() >= 2);
    ended.abort();
    await running;
    const blocks = String(output.read()).split('\n\n').slice(0, -1);
    expect(blocks.length).toBe(looks());
    expect(blocks.join('').replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('ends when nobody reads any more', async () => {
    const { output, running, looks } = shell(false);
    await until(() => looks() >= 1);
    output.destroy(new Error('EPIPE'));
    await running;
  });

  it('gives the terminal back when a look fails', async () => {
    const keys = new Terminal();
    const output = new PassThrough();
    const failed = monitor({
      look: () => {
        throw new Error('no /proc');
      },
      paint,
      output,
      keys,
      isTerminal: true,
      everyMs: 5,
      ended: new AbortController().signal,
    });
    await expect(failed).rejects.toThrow('no /proc');
    expect(keys.raw).toBe(false);
    expect(String(output.read()).endsWith('\x1b[?25h')).toBe(true);
  });
});
