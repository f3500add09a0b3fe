import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentMetrics, exportOwn } from '../../src/agent/own-metrics.ts';
import { readFileOrPid } from '../../src/cantal/values-paths.ts';
import { packetCounter } from '../../src/cluster/packet-counts.ts';
import { createScanner } from '../../src/native/scanner.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'own-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const packets = packetCounter().view();
const numbers = {
  webSocketClients: 4,
  backlog: { carbon: { queued: 5, dropped: 11 }, others: { queued: 1, dropped: 2 } },
  packets: { ...packets, received: 10, sent: 20 },
};

describe('the agent’s own numbers', () => {
  it('tell of clients, receivers and packets; of packets only where there is a cluster', () => {
    const byName = Object.fromEntries(agentMetrics(numbers).map(({ name, value }) => [name, value]));
    expect(byName).toEqual({
      'websocket.clients': 4,
      'carbon.queued': 5,
      'carbon.dropped': 11,
      'push.queued': 1,
      'push.dropped': 2,
      'gossip.packets_received': 10,
      'gossip.packets_sent': 20,
      'gossip.packets_refused': 0,
    });
    const alone = agentMetrics({ ...numbers, packets: null }).map(({ name }) => name);
    expect(alone.filter((name) => name.startsWith('gossip'))).toEqual([]);
  });

  it('are in the history from the next scan on, and stay until they are told anew', () => {
    const scanner = createScanner({ procRoot: dir, sysRoot: dir });
    scanner.report(agentMetrics(numbers));
    scanner.scanOnce();
    scanner.report([{ name: 'carbon.dropped', kind: 'counter', value: 12 }]);
    scanner.scanOnce();
    const history = (metric: string): readonly number[] => {
      const key = scanner.keysSince(0).find(({ labels }) => labels.metric === metric);
      expect(key?.labels).toEqual({ group: 'cantal', metric });
      return [...(scanner.history(key?.id ?? -1, 10)?.values ?? [])];
    };
    expect(history('carbon.dropped')).toEqual([12, 11]);
    expect(history('websocket.clients')).toEqual([4, 4]);
    scanner.report([{ group: 'global', name: 'roles_failed', kind: 'counter', value: 2 }]);
    scanner.scanOnce();
    const global = scanner.keysSince(0).find(({ labels }) => labels.group === 'global');
    expect(global?.labels).toEqual({ group: 'global', metric: 'roles_failed' });
    expect([...(scanner.history(global?.id ?? -1, 1)?.values ?? [])]).toEqual([2]);
    expect(() => scanner.report([{ name: 'x', kind: 'counter', value: -1 }])).toThrow('entry 0');
  });

  it('are exported as any program’s where the environment has CANTAL_PATH, which children do not inherit', () => {
    const environment = { CANTAL_PATH: join(dir, 'agent'), OTHER: 'x' };
    const own = exportOwn(environment, agentMetrics(numbers), (line) => expect.unreachable(line));
    expect(environment).toEqual({ OTHER: 'x' });
    own?.set([{ name: 'websocket.clients', kind: 'integer', value: 7 }]);
    const [values] = readFileOrPid(join(dir, 'agent'), '/proc');
    expect(values?.kind).toBe('values');
    expect(JSON.stringify(values, (_, value) => (typeof value === 'bigint' ? String(value) : value))).toContain(
      'websocket.clients',
    );
    own?.close();
  });

  it('are not exported without it, and where that fails the agent goes on and says why', () => {
    expect(exportOwn({}, [], () => expect.unreachable())).toBeNull();
    const file = join(dir, 'file');
    writeFileSync(file, '');
    const said: string[] = [];
    expect(exportOwn({ CANTAL_PATH: join(file, 'agent') }, [], (line) => said.push(line))).toBeNull();
    expect(said[0]).toContain(`CANTAL_PATH=${join(file, 'agent')}`);
  });
});
