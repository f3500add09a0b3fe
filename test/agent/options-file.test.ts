import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentOptions, agentCommand } from '../../src/agent/commands.ts';
import { applyOptionsFile } from '../../src/agent/options-file.ts';

let dir = '';
let file = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'options-'));
  file = join(dir, 'verwalter.yaml');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** What the agent would start with, or what it would complain of. */
const read = (text: string | Uint8Array, ...words: readonly string[]): AgentOptions | readonly string[] => {
  writeFileSync(file, text);
  const command = agentCommand().exitOverride();
  command.action(() => {});
  command.parse(words, { from: 'user' });
  const problems = applyOptionsFile(command, file);
  return problems.length > 0 ? problems : command.opts<AgentOptions>();
};

describe('verwalter.yaml', () => {
  it('has the long options of the daemon as keys, with - and _ the same', () => {
    const options = read(`# of this node
port: 8400
allow_minority_cluster: true
max-shrink: 20
log-keep: 90 days, 512 MiB
round_interval: 2 s
label: [role=web, rack=b]
join: 10.0.0.1:8379
process-metrics: false
`);
    expect(options).toMatchObject({
      ...{ port: 8400, allowMinorityCluster: true, maxShrink: 20, roundInterval: 2000, processMetrics: false },
      logKeep: { ms: 90 * 86_400_000, bytes: 512 * 2 ** 20 },
      label: [
        ['role', 'web'],
        ['rack', 'b'],
      ],
      join: [{ kind: 'address', addr: '10.0.0.1:8379' }],
    });
  });

  it('gives way to the command line, and leaves the rest at its defaults', () => {
    expect(read('port: 8400\nhostname: a\n', '--port', '8500')).toMatchObject({
      ...{ port: 8500, hostname: 'a', host: '127.0.0.1' },
    });
    expect(read('join: [10.0.0.1:1, 10.0.0.2:1]\n', '--join', '10.0.0.3:1')).toMatchObject({
      join: [{ addr: '10.0.0.3:1' }],
    });
  });

  it('need not be there, and may be empty', () => {
    expect(read('')).toMatchObject({ port: 8379 });
    rmSync(file);
    expect(applyOptionsFile(agentCommand(), file)).toEqual([]);
  });

  it('is refused as a whole with file, line, key and what was probably meant', () => {
    expect(read('prot: 8400\n')).toEqual([
      `${file}:1:1: prot: unknown key in the options of the daemon; did you mean port?`,
    ]);
    expect(read('host: 10.0.0.1\nport: 70000\nuse-sudo: 3\nlog-level: loud\nconfig-dir: /x\n')).toEqual([
      `${file}:2:7: port: "70000": port is a whole number from 1 to 65535.`,
      `${file}:3:11: use-sudo: "3"; expected true or false`,
      `${file}:4:12: log-level: "loud": Allowed choices are fatal, error, warn, info, debug.`,
      `${file}:5:13: config-dir: says where this file is: give it on the command line`,
    ]);
    expect(read('join: [10.0.0.1:1, nowhere]\n')).toEqual([
      `${file}:1:7: join: "nowhere": A node is IP:PORT, NAME:PORT, or @FILE with one of these on each line.`,
    ]);
    expect(read('port: 1\nport: 2\n')).toEqual([`${file}:2:1: port: the key is there twice`]);
  });

  it('takes every long option that the command has, also one that is added later', () => {
    const command = new Command().option('--brand-new <text>', 'x').option('--just-so', 'x', false);
    writeFileSync(file, 'brand_new: yes\njust-so: true\n');
    expect(applyOptionsFile(command, file)).toEqual([]);
    expect(command.opts()).toEqual({ brandNew: 'yes', justSo: true });
  });

  it('of any bytes is options or complaints', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const result = read(bytes);
        if (Array.isArray(result)) for (const line of result) expect(line).toContain(file);
        else expect(result).toHaveProperty('port');
      }),
    );
    const key = fc.constantFrom(...agentCommand().options.map(({ long }) => (long ?? '').slice(2)));
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string()));
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 4 }), (keys) => {
        const result = read(JSON.stringify(keys));
        if (Array.isArray(result)) for (const line of result) expect(line).toContain(file);
      }),
    );
  });
});
