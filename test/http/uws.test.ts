import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { binaryName, checkBinary, loadFailure, loadUws, pinnedBinaries } from '../../src/http/uws.ts';

const folder = 'node_modules/uWebSockets.js';

describe('the HTTP library', () => {
  test('every pinned binary is the installed one', () => {
    for (const [name, sum] of Object.entries(pinnedBinaries)) {
      expect(
        createHash('sha256')
          .update(readFileSync(`${folder}/${name}`))
          .digest('hex'),
        name,
      ).toBe(sum);
    }
  });

  test('it is pinned for both architectures and three versions of Node', () => {
    expect(Object.keys(pinnedBinaries)).toHaveLength(6);
    for (const arch of ['x64', 'arm64']) {
      for (const abi of ['115', '127', '137']) {
        expect(binaryName({ platform: 'linux', arch, abi, node: 'v0' })).toBe(`uws_linux_${arch}_${abi}.node`);
      }
    }
  });

  test('a changed binary is refused with its name and what to do', () => {
    const name = 'uws_linux_x64_115.node';
    const bytes = readFileSync(`${folder}/${name}`);
    expect(() => checkBinary(name, name, bytes)).not.toThrow();
    bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
    expect(() => checkBinary('/x/uws.node', name, bytes)).toThrow(/\/x\/uws\.node is not the binary .* npm ci/);
  });

  test('where it does not fit, it says what does', () => {
    const of = (platform: string, arch: string, abi: string) => () =>
      binaryName({ platform, arch, abi, node: 'v21.0.0' });
    expect(of('linux', 'x64', '120')).toThrow(/Node v21\.0\.0 .*Node 20, 22 or 24/);
    expect(of('darwin', 'arm64', '115')).toThrow(/darwin arm64/);
    expect(loadFailure('f.node', "Error: version `GLIBC_2.38' not found (required by f.node)")).toContain('GLIBC_2.38');
    expect(loadFailure('f.node', 'ld-musl-x86_64.so.1: no such file')).toContain('musl');
  });

  test('it loads here', () => {
    expect(typeof loadUws().App).toBe('function');
  });
});
