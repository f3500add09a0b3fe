import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/native/load.ts';
import { type Layout, type LayoutOptions, type NodeLayout, writeLayout } from './layout.ts';
import { writeFirstConfig } from './nginx.ts';
import { type Service, startService } from './service.ts';

export interface RunningNode {
  readonly layout: NodeLayout;
  readonly tree: Service;
  readonly agent: Service;
  readonly nginx: Service | null;
}

export interface StartOptions extends LayoutOptions {
  readonly nginxProgram: string | null;
  readonly say: (line: string) => void;
  /** Told what goes wrong while it runs. */
  readonly problem: (line: string) => void;
}

export interface RunningCluster {
  readonly layout: Layout;
  readonly nodes: readonly RunningNode[];
  stop(): Promise<void>;
}

/** How long a killed agent stays down: longer than an election, so that a newcomer sees another node lead. */
const agentRestartDelayMs = 10_000;
const treeRestartDelayMs = 3_000;
const nginxRestartDelayMs = 1_000;

export function startCluster(layout: Layout, options: StartOptions): RunningCluster {
  writeLayout(layout, options);
  const nodes = layout.nodes.map((node) => startNode(layout, node, options));
  return {
    layout,
    nodes,
    async stop() {
      // Agents first, so that nobody schedules any more; the trees then take their containers down.
      await Promise.all(nodes.map((node) => node.agent.stop()));
      await Promise.all(nodes.flatMap((node) => [node.tree.stop(), node.nginx?.stop()]));
    },
  };
}

function startNode(layout: Layout, node: NodeLayout, options: StartOptions): RunningNode {
  const program = [process.execPath, join(packageRoot(), 'bin', 'stellwerk.js')] as const;
  const address = (each: NodeLayout): string => `${each.ip}:${each.ports.agent}`;
  const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin`, STELLWERK_NODE: node.name };
  const service = (
    name: string,
    argv: readonly [string, ...string[]],
    delayMs: number,
    more: Record<string, string> = {},
  ) =>
    startService({
      name: `${node.name} ${name}`,
      argv,
      env: { ...env, ...more },
      logFile: join(node.dir, 'log', `${name}.log`),
      pidFile: join(node.dir, `${name}.pid`),
      restartDelayMs: delayMs,
      say: options.say,
      problem: options.problem,
    });

  const tree = service(
    'tree',
    [...program, 'lithos', 'tree', '--config', node.lithosMaster, '--log-stderr'],
    treeRestartDelayMs,
    {
      CANTAL_PATH: join(node.lithosRuntime, 'metrics'),
    },
  );
  let nginx: Service | null = null;
  if (options.nginxProgram !== null) {
    writeFirstConfig(node, options.uid === 0);
    const dir = `${node.nginxDir}/`;
    nginx = service(
      'nginx',
      [options.nginxProgram, '-p', dir, '-e', join(dir, 'error.log'), '-c', join(dir, 'nginx.conf')],
      nginxRestartDelayMs,
    );
  }
  const agent = service(
    'agent',
    [
      ...program,
      'agent',
      ...['--host', node.ip, '--port', String(node.ports.agent)],
      ...['--hostname', node.name, '--machine-id', machineId(layout, node)],
      ...['--cluster-name', layout.clusterName, '--cluster-key-file', layout.keyFile, '--token-file', layout.tokenFile],
      ...[
        '--config-dir',
        layout.configDir,
        '--storage-dir',
        join(node.dir, 'verwalter'),
        '--log-dir',
        join(node.dir, 'log'),
      ],
      ...['--lithos-master', node.lithosMaster],
      ...layout.nodes.filter((other) => other !== node).flatMap((other) => ['--join', address(other)]),
    ],
    agentRestartDelayMs,
  );
  return { layout: node, tree, agent, nginx };
}

/** Three nodes on one host cannot share its /etc/machine-id. */
function machineId(layout: Layout, node: NodeLayout): string {
  const number = layout.nodes.indexOf(node) + 1;
  return `${String(node.ports.agent).padStart(8, '0')}${'0'.repeat(23)}${number}`;
}

/** Programs of an earlier run that was killed before it could clean up: their pid files tell. */
export function endLeftovers(dir: string, say: (line: string) => void): void {
  mkdirSync(dir, { recursive: true });
  const pidFiles = readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((node) => ['agent', 'tree', 'nginx'].map((name) => join(dir, node.name, `${name}.pid`)));
  for (const file of pidFiles) {
    const pid = readPid(file);
    if (pid === null) continue;
    if (commandLine(pid).includes(dir)) {
      say(`ending ${file.slice(dir.length + 1, -4)} of an earlier run (pid ${pid})`);
      process.kill(pid, 'SIGTERM');
      for (let wait = 0; wait < 150 && commandLine(pid).includes(dir); wait++) spawnSync('sleep', ['0.1']);
    }
    rmSync(file, { force: true });
  }
}

function readPid(file: string): number | null {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
