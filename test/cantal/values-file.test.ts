import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseMeta, readValues } from '../../src/cantal/values-file.ts';
import { mappedFiles, readFileOrPid } from '../../src/cantal/values-paths.ts';

const parse = (text: string) => parseMeta(Buffer.from(text));
const metaOf = (text: string) => {
  const result = parse(text);
  if (result.kind === 'bad') throw new Error(`line ${result.line}: ${result.reason}`);
  return result.meta;
};
const word = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
};
const double = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};

describe('a meta file', () => {
  const text = [
    'counter 8: {"metric": "requests.number"}',
    'pad 40',
    'level 8 signed: {"metric": "queue.size", "group": "incoming"}',
    'level 8 float: {"metric": "temperature"}',
    'level 8 unsigned: {"metric": "large"}',
    'state 16: {"state": "request"}',
  ].join('\n');

  test('describes consecutive bytes', () => {
    const bytes = Buffer.concat([
      word(2n ** 64n - 1n),
      Buffer.alloc(40),
      word(-5n),
      double(21.5),
      word(2n ** 64n - 1n),
      word(1_700_000_000_000n),
      Buffer.from('GET\0old!'),
      Buffer.from('more than described'),
    ]);
    expect(readValues(metaOf(text), bytes)).toEqual([
      { labels: { metric: 'requests.number' }, value: { kind: 'Counter', value: 2n ** 64n - 1n } },
      { labels: { metric: 'queue.size', group: 'incoming' }, value: { kind: 'Integer', value: -5 } },
      { labels: { metric: 'temperature' }, value: { kind: 'Float', value: 21.5 } },
      { labels: { metric: 'large' }, value: { kind: 'Integer', value: 2n ** 63n - 1n } },
      { labels: { state: 'request' }, value: { kind: 'State', since: 1_700_000_000_000, text: 'GET' } },
    ]);
    expect(readValues(metaOf(text), bytes.subarray(0, 87))).toBeNull();
  });

  test('may have CRLF, blanks around the JSON, and no newline at the end', () => {
    const { entries } = metaOf('counter 8:{"a":"b"}\r\nlevel 8 signed:   {"c":"d"}  \r\n');
    expect(entries.map(({ labels }) => labels)).toEqual([{ a: 'b' }, { c: 'd' }]);
    expect(metaOf('').entries).toEqual([]);
  });

  test('is refused whole with the number of its bad line', () => {
    const bad = (line: string) => {
      const result = parse(`pad 8\n${line}\npad 8`);
      return result.kind === 'bad' ? `${result.line}: ${result.reason}` : 'fine';
    };
    expect(bad('')).toBe('2: an empty line');
    expect(bad('counter x: {}')).toBe('2: "x" is no size in bytes');
    expect(bad('counter -8: {}')).toContain('no size');
    expect(bad('counter 256: {}')).toBe('2: size 256 is above 255');
    expect(bad('pad 65536')).toContain('above 65535');
    expect(bad('level 8: {}')).toBe('2: a level is signed, unsigned or float');
    expect(bad('level 8 double: {}')).toContain('signed, unsigned or float');
    expect(bad('counter 8')).toBe('2: no JSON after the size');
    expect(bad('counter 8: {"a"}')).toContain('2: bad JSON');
    expect(parseMeta(Buffer.from([0x70, 0x61, 0x64, 0x20, 0x38, 0x0a, 0xff]))).toMatchObject({
      line: 2,
      reason: 'not UTF-8',
    });
  });

  test('may hold types of tomorrow, and odd sizes: skipped, with the bytes after them in place', () => {
    const meta = metaOf('histogram 64: {"m":"h"}\ncounter 4: {"m":"small"}\nstate 8: {"m":"s"}\ncounter 8: {"m":"c"}');
    expect(meta.entries).toEqual([{ type: 'counter', labels: { m: 'c' }, offset: 76, size: 8 }]);
    expect(meta.skipped.map(({ line }) => line)).toEqual([1, 2, 3]);
  });

  test('loses only the metric whose labels are nested', () => {
    const meta = metaOf('counter 8: {"a":{"b":"c"}}\ncounter 8: [1]\ncounter 8: {"n":7,"t":true}');
    expect(meta.entries.map(({ labels, offset }) => [labels, offset])).toEqual([[{ n: '7', t: 'true' }, 16]]);
    expect(meta.skipped).toHaveLength(2);
  });

  test('keeps the later of two with the same labels', () => {
    expect(metaOf('counter 8: {"a":"b","c":"d"}\ncounter 8: {"c":"d","a":"b"}').entries).toMatchObject([{ offset: 8 }]);
  });

  test('never throws, whatever is in it, and what it accepts can be read', () => {
    const part = fc.constantFrom(
      'counter',
      'level',
      'state',
      'pad',
      ' ',
      '8',
      '16',
      '70000',
      ' signed',
      ':',
      '{"a":"b"}',
      '{',
      '\n',
      '\r',
      '\0',
      '"',
      '__proto__',
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(part, { maxLength: 20 }).map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(bytes, fc.uint8Array({ maxLength: 40 }), (meta, values) => {
        const result = parseMeta(meta);
        if (result.kind === 'bad') expect(result.line).toBeGreaterThan(0);
        else if (values.length < result.meta.totalSize) expect(readValues(result.meta, values)).toBeNull();
        else expect(readValues(result.meta, values)).toHaveLength(result.meta.entries.length);
      }),
      { numRuns: 3000 },
    );
  });

  test('written by anyone according to the grammar, gives back what was written', () => {
    const entry = fc.oneof(
      fc.record({ head: fc.constant('counter 8'), bits: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
      fc.record({ head: fc.constant('level 8 signed'), bits: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(entry, fc.integer({ min: 0, max: 3 }))), (entries) => {
        const lines = entries.map(([{ head }, pad], n) => `pad ${pad}\n${head}: {"n":"${n}"}`);
        const bytes = Buffer.concat(entries.flatMap(([{ bits }, pad]) => [Buffer.alloc(pad), word(bits)]));
        const values = readValues(metaOf(lines.join('\n')), bytes) ?? [];
        expect(values.map(({ value }) => (value.kind === 'State' ? null : BigInt(value.value ?? 0)))).toEqual(
          entries.map(([{ bits }]) => bits),
        );
      }),
    );
  });
});

describe('reading by path or process', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'values-'));
    writeFileSync(join(folder, 'app.1.meta'), 'counter 8: {"metric":"requests"}\nnext 8: {}');
    writeFileSync(join(folder, 'app.1.values'), Buffer.concat([word(42n), word(0n)]));
    writeFileSync(join(folder, 'bad.meta'), 'counter 8: {}\nnonsense');
    writeFileSync(join(folder, 'bad.values'), word(0n));
    mkdirSync(join(folder, 'dir.values'));
    writeFileSync(join(folder, 'dir.meta'), 'pad 8');
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const expected = [{ labels: { metric: 'requests' }, value: { kind: 'Counter', value: 42 } }];

  test('the base, the meta and the values all name the pair', () => {
    for (const name of ['app.1', 'app.1.meta', 'app.1.values']) {
      expect(readFileOrPid(join(folder, name), '/proc')).toMatchObject([
        { kind: 'values', prefix: join(folder, 'app.1'), values: expected },
      ]);
    }
  });

  test('skipped and refused lines are told with file and line', () => {
    const [skipping] = readFileOrPid(join(folder, 'app.1'), '/proc');
    expect(skipping).toMatchObject({ warnings: [`${folder}/app.1.meta:2: skipped: the type "next" is not known`] });
    const [bad] = readFileOrPid(join(folder, 'bad'), '/proc');
    expect(bad).toMatchObject({ kind: 'failed', reason: `${folder}/bad.meta:2: "" is no size in bytes` });
  });

  test('what is missing or no file fails in words', () => {
    expect(readFileOrPid(join(folder, 'none'), '/proc')).toMatchObject([
      { reason: `${folder}/none.meta does not exist` },
    ]);
    expect(readFileOrPid(join(folder, 'dir'), '/proc')).toMatchObject([
      { reason: expect.stringContaining('no regular file') },
    ]);
    expect(readFileOrPid('4194999', '/proc')).toMatchObject([{ kind: 'failed' }]);
    execFileSync('mkfifo', [join(folder, 'fifo.meta')]);
    expect(readFileOrPid(join(folder, 'fifo'), '/proc')).toMatchObject([
      { reason: expect.stringContaining('no regular file') },
    ]);
  });

  test('a process is read through the CANTAL_PATH it was started with', async () => {
    const child = spawn('sleep', ['60'], { env: { CANTAL_PATH: join(folder, 'app.1/') }, stdio: 'ignore' });
    await once(child, 'spawn');
    try {
      // The environment is that of sleep only after the exec.
      await expect
        .poll(() => readFileOrPid(String(child.pid), '/proc'))
        .toMatchObject([{ kind: 'values', values: expected }]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('mapped files are found in maps, each once', () => {
    const maps = [
      '7f00-7f01 rw-s 00000000 00:1a 77 /run/user/0/cantal.17.values',
      '7f01-7f02 rw-s 00001000 00:1a 77 /run/user/0/cantal.17.values',
      '7f02-7f03 r--p 00000000 08:01 78                         /tmp/with blank.values',
      '7f03-7f04 rw-p 00000000 00:00 0                          [heap]',
      '7f04-7f05 rw-p 00000000 00:00 0',
    ].join('\n');
    expect(mappedFiles(maps)).toEqual(['/run/user/0/cantal.17.values', '/tmp/with blank.values']);
  });
});
