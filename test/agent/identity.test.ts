import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readIdentity } from '../../src/agent/identity.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'identity-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const file = (text: string): string => {
  const path = join(dir, 'secret');
  writeFileSync(path, text);
  return path;
};
const loopback = { gossips: true, host: '127.0.0.1', machineId: '0'.repeat(32), hostname: 'node1' };

describe('identity', () => {
  it('reads keys and tokens, one a line', () => {
    const key = 'ab'.repeat(32);
    const secret = file(`# of 2026\n${key}\n\n${'CD'.repeat(16)}\n`);
    const identity = readIdentity({ ...loopback, clusterKeyFile: secret, tokenFile: secret });
    expect(identity.keys.map((each) => each.length)).toEqual([32, 16]);
    expect(identity).toMatchObject({ id: '0'.repeat(32), hostname: 'node1', name: 'node1', warnings: [] });
    expect(identity.tokens.map(({ name, role, secret }) => [name, role, secret])).toEqual([
      ['token', 'admin', key],
      ['token', 'admin', 'CD'.repeat(16)],
    ]);
  });

  it('refuses a damaged key with file and line', () => {
    const secret = file(`${'ab'.repeat(32)}\nab cd\n`);
    expect(() => readIdentity({ ...loopback, clusterKeyFile: secret })).toThrow(`${secret}:2: a key is at least`);
    expect(() => readIdentity({ ...loopback, clusterKeyFile: file('\n') })).toThrow('no key in it');
    expect(() => readIdentity({ ...loopback, tokenFile: file('# none\n') })).toThrow('no token in it');
    expect(() => readIdentity({ ...loopback, tokenFile: join(dir, 'absent') })).toThrow('absent');
  });

  it('does not listen to a network without a key', () => {
    expect(() => readIdentity({ ...loopback, host: '10.0.0.1' })).toThrow('--cluster-key-file');
    expect(() => readIdentity({ ...loopback, host: '0.0.0.0' })).toThrow('--cluster-key-file');
    expect(readIdentity({ ...loopback, host: '127.0.0.3' }).keys).toEqual([]);
  });

  it('does so where it is told to, and says what that means', () => {
    const { keys, warnings } = readIdentity({ ...loopback, host: '10.0.0.1', openCluster: true });
    expect(keys).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('whoever reaches this node may join and lead the cluster')]);
    expect(readIdentity({ ...loopback, openCluster: true }).warnings).toEqual([]);
  });
});
