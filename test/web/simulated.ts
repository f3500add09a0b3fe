import type { Container, NodeOverview, Overview, PlotAnswer } from '../../web/src/api.ts';

/** A three-node quickstart in one of its two states, with one container that has just failed. */
export function simulatedOverview(now: number, loadFactor: number): Overview {
  const high = loadFactor > 1;
  const hash = (high ? 'b7' : '4e').repeat(32);
  const wanted = { web: high ? [7, 7, 6] : [4, 3, 3], worker: high ? [1, 1, 0] : [2, 2, 1], load: [1, 0, 0] };
  const hosts = ['node1', 'node2', 'node3'];
  const nodes = hosts.map((hostname, index): NodeOverview => {
    const containers = Object.entries(wanted).flatMap(([process, counts]) =>
      Array.from({ length: counts[index] ?? 0 }, (_, instance) => simulatedContainer(process, instance, index, now)),
    );
    return {
      id: `${index + 1}`.repeat(32),
      hostname,
      addr: `127.0.0.${index + 1}:22682`,
      liveness: index === 2 ? 'suspect' : 'alive',
      leader: index === 1,
      reachable: true,
      version: '0.1.0',
      scanMs: 3.4 + index * 0.7,
      cpuShare: 0.21 + 0.08 * index,
      memoryUsedBytes: 2.9e9,
      memoryTotalBytes: 8.2e9,
      scheduleHash: hash,
      renderedHash: index === 2 ? 'c0'.repeat(32) : hash,
      scheduleTimestamp: now - 1200,
      failedRoles: [],
      errors: index === 2 ? ['render quickstart: nginx.conf.hbs:14: unknown variable "upstreams"'] : [],
      treeRunning: true,
      containers,
    };
  });
  return {
    now,
    self: '1'.repeat(32),
    clusterName: 'quickstart',
    version: '0.1.0',
    leaderId: '2'.repeat(32),
    epoch: 4,
    nodes,
    schedule: { hash, timestamp: now - 1200, origin: '2'.repeat(32), data: simulatedData(hosts, wanted, loadFactor) },
  };
}

function simulatedContainer(process: string, instance: number, node: number, now: number): Container {
  const failed = process === 'worker' && node === 1 && instance === 0;
  const restarted = process === 'web' && node === 0 && instance === 2;
  return {
    name: `quickstart/${process}.${instance}`,
    sandbox: 'quickstart',
    process,
    instance,
    phase: failed ? 'waiting' : 'running',
    pid: failed ? null : 20_000 + node * 1000 + instance * 7,
    startTime: failed ? null : 9_000 + instance,
    startedAtMs: failed ? null : now - (restarted ? 41_000 : 1_900_000 + instance * 3000),
    restarts: failed ? 3 : restarted ? 1 : 0,
    adopted: node === 1,
    lastEnd: failed
      ? { atMs: now - 3000, exitCode: 1, signal: null, failure: null, oomKilled: false, memoryPressure: null }
      : restarted
        ? { atMs: now - 42_000, exitCode: null, signal: 9, failure: null, oomKilled: false, memoryPressure: null }
        : null,
    nextStartAtMs: failed ? now + 2000 : null,
    cpuShare: failed ? null : process === 'load' ? 0.14 : 0.021 + instance * 0.003,
    memoryBytes: failed ? null : 11.4e6 + instance * 210_000,
  };
}

function simulatedData(hosts: readonly string[], wanted: Record<string, number[]>, factor: number): unknown {
  const word = factor > 1 ? 'above' : 'at or below';
  const daemons = (node: number) =>
    Object.fromEntries(Object.entries(wanted).map(([name, counts]) => [name, { instances: counts[node] ?? 0 }]));
  return {
    roles: { quickstart: { threshold_per_minute: 10_000 } },
    nodes: Object.fromEntries(
      hosts.map((host, index) => [host, { roles: { quickstart: { daemons: daemons(index) } } }]),
    ),
    state: { load: { factor }, quickstart: { requests_per_minute: factor * 7200 } },
    changes: [
      `quickstart: ${factor * 7200} requests/min is ${word} 10000: ${factor > 1 ? '20 web, 2 worker' : '10 web, 5 worker'}`,
    ],
    warnings: [{ role: 'quickstart', node: 'node3', text: 'suspect for 6 s; its share moves after 30 s' }],
    explain: { quickstart: { node1: { placed: true, reasons: ['alive', 'fewest instances so far'] } } },
  };
}

/** An hour with one doubling in it, the agent's restart as a gap, and a ragged line. */
export function simulatedPlots(now: number, since: number): PlotAnswer {
  const stepMs = 2000;
  const newest = Math.floor(now / stepMs) * stepMs;
  const timestamps: number[] = [];
  for (let stamp = newest - 3_600_000; stamp <= newest; stamp += stepMs) if (stamp > since) timestamps.push(stamp);
  const minutesAgo = (stamp: number) => (now - stamp) / 60_000;
  const doubled = (stamp: number) => minutesAgo(stamp) < 34 && minutesAgo(stamp) > 16;
  const gap = (stamp: number) => minutesAgo(stamp) > 47 && minutesAgo(stamp) < 48;
  const column = (figure: (stamp: number) => number) => timestamps.map((stamp) => (gap(stamp) ? null : figure(stamp)));
  return {
    timestamps,
    series: {
      requestsPerMinute: column(
        (stamp) => (doubled(stamp) ? 14_400 : 7200) + 260 * Math.sin(stamp / 9000) + ((stamp / 2000) % 7) * 45,
      ),
      instances: {
        load: column(() => 1),
        web: column((stamp) => (doubled(stamp) ? 20 : 10)),
        worker: column((stamp) => (doubled(stamp) ? 2 : 5)),
      },
    },
  };
}

/** GET /status of the first of the three. */
export function simulatedStatus(now: number): unknown {
  return {
    ...{ version: '0.1.0', id: '1'.repeat(32), hostname: 'node1', name: 'node1', cluster_name: 'quickstart' },
    ...{ startup_time: now - 4_000_000, current_time: now, boot_time: now - 900_000_000, scan_duration: 3.4 },
    ...{ processes: 240, num_peers: 2, num_stale: 0, health: { series: 4_200, historyBytes: 9e6 } },
    self_report: { gross_cpu_usage: 1.2, memory_rss: 88e6 },
    threads_report: { scanner: { cpu_usage: 0.7, user_cpu: 0.2, system_cpu: 0.5 } },
  };
}
