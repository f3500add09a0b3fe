import type * as Uws from 'uWebSockets.js';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * SHA-256 of the binaries of uWebSockets.js that we load: a republished package (docs/dependencies.md) must not change
 * under us. After an update of the package, look at what changed, then write the new sums here, made with
 *
 *     cd node_modules/uWebSockets.js && sha256sum uws_linux_{x64,arm64}_{115,127,137}.node
 *
 * The number is process.versions.modules: 115 = Node 20, 127 = Node 22, 137 = Node 24.
 */
export const pinnedBinaries: Readonly<Record<string, string>> = {
  'uws_linux_x64_115.node': 'f4fa5d7b697529b45ac8aa3d57385d9af51bc1d2b26aa9f5b68ca4361542e665',
  'uws_linux_x64_127.node': '78e38a9a163b1cf33ce539619e5908111dea95a12e7943d95fbcdd524879caa8',
  'uws_linux_x64_137.node': '3b549c14e01d9d1faf234cdf4b6f0fb08158605e3692cd0eb1b905e327bd3449',
  'uws_linux_arm64_115.node': '034e0fcccdc08f90df3b130f421516311831b1352fe38eab91abc2984c2fdf3a',
  'uws_linux_arm64_127.node': 'a7d9bc3ec166421a49416d5ea4f49118ae68ea1dbf8a765c4f45a79b0b6adb13',
  'uws_linux_arm64_137.node': 'b6eb007d627e00bcce03ad38f197124e9027c03f6fe784b37f97b8a6ea709cb4',
};

export interface Platform {
  readonly platform: string;
  readonly arch: string;
  /** process.versions.modules */
  readonly abi: string;
  /** process.version */
  readonly node: string;
}

const thisPlatform: Platform = {
  platform: process.platform,
  arch: process.arch,
  abi: process.versions.modules ?? '',
  node: process.version,
};

/** Name of the binary for a platform; throws with what would fit where there is none. */
export function binaryName(on: Platform): string {
  const name = `uws_${on.platform}_${on.arch}_${on.abi}.node`;
  if (pinnedBinaries[name] !== undefined) return name;
  throw new Error(
    `stellwerk: the HTTP server has no binary for ${on.platform} ${on.arch} and Node ${on.node} (module ABI ${on.abi}); it runs on Linux x64 and arm64 with Node 20, 22 or 24`,
  );
}

/** Throws where the bytes are not the pinned ones. */
export function checkBinary(file: string, name: string, bytes: Uint8Array): void {
  const sum = createHash('sha256').update(bytes).digest('hex');
  if (sum === pinnedBinaries[name]) return;
  throw new Error(
    `stellwerk: ${file} is not the binary that was reviewed (SHA-256 ${sum}, expected ${pinnedBinaries[name] ?? 'none'}); reinstall the packages with: npm ci`,
  );
}

/** Loads uWebSockets.js after a check of its binary; throws with what to do where it does not fit this host. */
export function loadUws(): typeof Uws {
  const name = binaryName(thisPlatform);
  const require = createRequire(import.meta.url);
  let file: string;
  try {
    file = join(dirname(require.resolve('uWebSockets.js')), name);
  } catch {
    throw new Error('stellwerk: the package uWebSockets.js is not installed; run: npm ci');
  }
  checkBinary(file, name, readBinary(file));
  try {
    return require(file) as typeof Uws;
  } catch (error) {
    throw new Error(`stellwerk: ${loadFailure(file, String(error))}`);
  }
}

function readBinary(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`stellwerk: cannot read ${file}: ${(error as Error).message}; run: npm ci`);
  }
}

/** What dlopen(3) said, in terms of what a person can change. */
export function loadFailure(file: string, reason: string): string {
  const wanted = /GLIBC_[0-9.]+|GLIBCXX_[0-9.]+/.exec(reason)?.[0];
  if (wanted !== undefined) {
    return `${file} needs ${wanted}, which this system's C library does not have; use an older Node (the binary for Node 20 needs the oldest glibc) or a newer distribution`;
  }
  if (/musl/.test(reason)) return `${file} needs glibc; Alpine's musl is not supported`;
  return `cannot load ${file}: ${reason}`;
}
