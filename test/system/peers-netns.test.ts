import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PeerRecord } from '../../src/cluster/peer-record.ts';
import { skipped } from '../skipped.ts';
import { type NetnsCluster, namespacesOf, netnsCluster } from './netns-cluster.ts';

const count = 10;
const second = 1_000;
/** Far more than any of it takes: what the machine does besides must not decide. */
const patience = 90 * second;
const prefix = `swk${process.pid}`;
const numbers = Array.from({ length: count }, (_, index) => index + 1);
const low = numbers.filter((number) => number <= 5);
const high = numbers.filter((number) => number > 5);

const reason = ((): string | null => {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const [program, word] of [
    ['ip', '-V'],
    ['nft', '-v'],
    ['curl', '-V'],
  ] as const) {
    try {
      execFileSync(program, [word], { stdio: 'ignore' });
    } catch {
      return `${program} is not installed`;
    }
  }
  try {
    execFileSync('ip', ['netns', 'add', `${prefix}-probe`], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'exec', `${prefix}-probe`, 'nft', 'add', 'table', 'inet', 'probe'], {
      stdio: 'ignore',
    });
    return null;
  } catch {
    return 'the kernel lets no namespace have nftables';
  } finally {
    if (namespacesOf(prefix).length > 0) execFileSync('ip', ['netns', 'del', `${prefix}-probe`]);
  }
})();

const links = (): string => execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }).replaceAll(/@\S+|state \S+/g, '');

describe.skipIf(skipped(reason === null, 'ten agents in network namespaces', reason ?? ''))(
  'ten agents in network namespaces on two bridges',
  () => {
    const linksBefore = reason === null ? links() : '';
    let cluster: NetnsCluster;
    let made: NetnsCluster | null = null;
    beforeAll(() => {
      made = netnsCluster(count, prefix);
      cluster = made;
      for (const number of numbers) cluster.start(number);
    });
    afterAll(async () => {
      await made?.stop();
      expect(namespacesOf(prefix)).toEqual([]);
      expect(links()).toBe(linksBefore);
    });

    /** Milliseconds until all of `viewers` see all of `seen` so. */
    const until = async (
      what: string,
      viewers: readonly number[],
      seen: readonly number[],
      is: (peer: PeerRecord) => boolean,
      limitMs = patience,
    ): Promise<number> => {
      const startedMs = performance.now();
      for (;;) {
        const views = await Promise.all(viewers.map((number) => cluster.peers(number)));
        const wrong = viewers.flatMap((viewer, index) =>
          seen
            .filter((number) => number !== viewer)
            .filter((number) => {
              const peer = views[index]?.get(number);
              return peer === undefined || !is(peer);
            })
            .map((number) => `${viewer} of ${number}`),
        );
        const tookMs = performance.now() - startedMs;
        if (wrong.length === 0) {
          process.stdout.write(`${what}: ${(tookMs / second).toFixed(1)} s\n`);
          return tookMs;
        }
        if (tookMs > limitMs) throw new Error(`${what}: not within ${limitMs / second} s: ${wrong.join(', ')}`);
        await sleep(500);
      }
    };
    const alive = (peer: PeerRecord): boolean => peer.liveness === 'alive';
    const dead = (peer: PeerRecord): boolean => peer.liveness === 'dead';

    it('find each other by one address, and know all addresses of all', async () => {
      await until('all know all', numbers, numbers, alive);
      const [peer] = [...((await cluster.peers(3))?.values() ?? [])];
      const number = Number.parseInt(peer?.id ?? '', 16);
      expect(peer).toMatchObject({
        hostname: `n${number}`,
        addresses: [cluster.addr(number), cluster.addr(number, 2)],
      });
    });

    it('cut into halves by nftables, each answer for their own and hold the others for dead; healed, are whole in 60 s', async () => {
      for (const number of low) cluster.deafen(number, high);
      for (const number of high) cluster.deafen(number, low);
      await Promise.all([
        until('the lower half sees the upper dead', low, high, dead),
        until('the upper half sees the lower dead', high, low, dead),
      ]);
      await until('each half is whole', low, low, alive);
      await until('each half is whole', high, high, alive);
      for (const number of numbers) cluster.hearAgain(number);
      const tookMs = await until('healed', numbers, numbers, alive);
      expect(tookMs).toBeLessThan(60 * second);
    });

    it('where one cannot hear another, do not call it dead, as others speak for it', async () => {
      cluster.deafen(2, [7]);
      const before = (await cluster.peers(2))?.get(7);
      // Several turns of probes that have no direct answer.
      await until(
        '2 has probed 7 without an answer',
        [2],
        [7],
        (peer) => peer.probes_sent >= (before?.probes_sent ?? 0) + 3,
      );
      expect((await cluster.peers(2))?.get(7)?.last_report_direct).toBeLessThanOrEqual(
        (before?.last_report_direct ?? 0) + second,
      );
      expect((await cluster.peers(2))?.get(7)?.liveness).not.toBe('dead');
      expect((await cluster.peers(3))?.get(7)?.liveness).not.toBe('dead');
      cluster.hearAgain(2);
    });

    it('reach one whose first network died at its address in the second', async () => {
      cluster.linkDown(4, 1);
      const others = numbers.filter((number) => number !== 4);
      const second4 = cluster.addr(4, 2);
      await until('4 is at its second address', others, [4], (peer) => alive(peer) && peer.primary_addr === second4);
      cluster.linkUp(4, 1);
    });

    it('all find one dead that is killed, and take it back when it is started again', async () => {
      const others = numbers.filter((number) => number !== 9);
      await cluster.kill(9);
      await until('9 is dead', others, [9], dead);
      const before = (await cluster.peers(1))?.get(9)?.incarnation ?? 0;
      cluster.start(9);
      await until('9 is back', numbers, numbers, alive);
      // It objected to what was said of its former life.
      expect((await cluster.peers(1))?.get(9)?.incarnation).toBeGreaterThan(before);
    });
  },
);
